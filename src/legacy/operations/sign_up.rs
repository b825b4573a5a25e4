//! Register, and the proof that an address is somebody's.

use super::{Call, Done, Values, tokens};
use crate::accounts::authenticate::ACR;
use crate::accounts::captcha::Widget;
use crate::accounts::desk::Proof;
use crate::accounts::password_rules::{MIN, Rules};
use crate::accounts::sign_up::{self, Form, Terms};
use crate::app::SOLVED;
use crate::legacy::answer::Refused;
use crate::legacy::dialect::{ErrorName, FieldName, Ids};

/// RFC 8176 §2: a one-time password, which a link by mail is.
const BY_MAIL: &str = "otp";

pub async fn register(call: &Call<'_>) -> Done {
    let fields = &call.fields;
    let form = Form {
        email: fields.needed(FieldName::Email),
        username: fields.text(FieldName::Username),
        name: fields.text(FieldName::Name),
        locale: fields.text(FieldName::Locale),
        attributes: fields.attributes.clone(),
        password: fields.needed(FieldName::Password),
        invitation: None,
    };
    let number_from = (call.dialect.accounts.ids == Ids::Number).then(|| call.dialect.source());
    let (desk, by, tells_taken) = (call.app.desk(), call.by(), call.dialect.accounts.tells_taken);
    let opens = tells_taken || !call.app.config.mail.is_possible();
    let terms = Terms { rules: rules(call), number_from, tells_taken, widget: widget(call)?, opens };
    let registered = sign_up::sign_up(&desk, form, terms, &call.asking(&by)).await.map_err(|error| call.account_error(&error))?;
    match registered.made {
        Some(user) => call.about(&user).await,
        None if tells_taken => Err(ErrorName::EmailTaken.into()),
        // Answered like any other: the owner of the address has a mail.
        None => Ok(Values::default()),
    }
}

/// What the dialect asks of a new password, where that is less than the deployment asks.
pub(super) fn rules<'a>(call: &'a Call<'_>) -> Option<Rules<'a>> {
    let accounts = &call.dialect.accounts;
    match (accounts.common_passwords, accounts.min_password) {
        (true, min) => Some(Rules::relaxed(min.unwrap_or(MIN))),
        (false, Some(min)) => Some(Rules { min, ..call.app.password_rules() }),
        (false, None) => None,
    }
}

/// The captcha that an old form sends along. Its provider judges it, where one is set (`PORTERO_CAPTCHA`); a development server takes `test` without
/// asking. Without a provider nobody here can judge what another service's widget gave: outside development it must be there, and the limits of
/// sign-up and the mail to the address do what it was for.
fn widget<'a>(call: &'a Call<'_>) -> Result<Option<Widget<'a>>, Refused> {
    if !call.route.fields.contains_key(&FieldName::Captcha) {
        return Ok(None);
    }
    let (app, solved) = (call.app, call.fields.text(FieldName::Captcha));
    let passed = app.captcha.is_some()
        || solved.is_none_or(|solved| if app.is_development() { solved == SOLVED } else { !solved.trim().is_empty() });
    if passed { Ok(app.widget(solved)) } else { Err(call.refused(ErrorName::BadCaptcha, "captcha")) }
}

/// A token from a mail: the address is theirs, and they are signed in; once. A further mail of before opens nothing for somebody who is confirmed:
/// they have a password.
pub async fn verify_email(call: &Call<'_>) -> Done {
    let client = call.client().await?;
    let (desk, by) = (call.app.desk(), call.by());
    let token = call.fields.needed(FieldName::Token).trim();
    let confirmed = sign_up::verify_email(&desk, Proof::Token(token), &call.asking(&by)).await;
    // A user name that was lost meanwhile is told by mail: old contracts have no word for it.
    let confirmed = confirmed.map_err(|error| call.account_error(&error))?;
    if confirmed.already {
        return Err(call.refused(ErrorName::BadVerification, "already"));
    }
    let user = confirmed.user;
    if user.disabled_at.is_some() || user.reset_required {
        return Err(call.refused(ErrorName::BadVerification, "disabled"));
    }
    tokens::opened(call, &client, &user, (BY_MAIL, ACR), None).await
}
