//! Me, and other people.

use serde_json::{Map, Value};

use super::{Call, Done, Values, fault, id_of_uuid, sign_up};
use crate::accounts::desk::Presence;
use crate::accounts::email::{Email, identifier};
use crate::accounts::profile::{self, Hand};
use crate::accounts::recovery::{self, Change};
use crate::accounts::{address, administration};
use crate::legacy::answer::Refused;
use crate::legacy::dialect::{ErrorName, FieldName, FindBy, Ids};
use crate::storage::durable::{Search, User, UserKey};

/// How many rows are read at once.
const PAGE: u32 = 200;

/// Whoever calls.
pub async fn me(call: &Call<'_>) -> Done {
    call.about(&call.caller()?.user).await
}

/// Everybody, in the order in which they came: `skip` of them passed over, at most `limit` shown.
pub async fn list(call: &Call<'_>) -> Done {
    let mut skip = call.fields.number(FieldName::Skip).unwrap_or(0);
    let mut wanted = call.fields.number(FieldName::Limit).unwrap_or(100).min(1000);
    looked(call, "users.list", None).await?;
    let (mut values, mut after) = (Values::default(), None::<String>);
    while wanted > 0 {
        let limit = PAGE.min(skip.saturating_add(wanted));
        let search = Search { after: after.as_deref(), limit, ..Search::default() };
        let page = call.app.storage.accounts.search(&search).await.map_err(|error| fault(&error))?;
        let full = page.len() == limit as usize;
        let passed = skip.min(u32::try_from(page.len()).unwrap_or(u32::MAX));
        skip -= passed;
        after = page.last().map(|user| user.id.clone());
        for user in page.iter().skip(passed as usize).take(wanted as usize) {
            values.people.push(call.shown(user).await?);
            wanted -= 1;
        }
        if !full {
            break;
        }
    }
    Ok(values)
}

/// One, by what the path calls them.
pub async fn get(call: &Call<'_>) -> Done {
    let user = named(call).await?;
    looked(call, "user.show", Some(format!("user:{}", user.id))).await?;
    call.about(&user).await
}

/// Who looks at what is not theirs is written down, whichever door it is.
async fn looked(call: &Call<'_>, act: &'static str, subject: Option<String>) -> Result<(), Refused> {
    call.app.storage.audit.looked(act, subject, call.now, &call.by()).await.map_err(|error| fault(&error))
}

/// The person that the path names.
pub async fn named(call: &Call<'_>) -> Result<User, Refused> {
    let name = call.fields.needed(FieldName::User);
    let users = &call.app.storage.users;
    let canonical = match call.route.find_by {
        // A user name holds no @, an address does: neither finds the other.
        FindBy::Username => identifier(name).filter(|name| !name.contains('@')),
        FindBy::Email => identifier(name).filter(|name| name.contains('@')),
        FindBy::Id => None,
    };
    let found = match (&canonical, call.route.find_by) {
        (Some(canonical), _) => users.find(UserKey::Identifier(canonical)).await,
        (None, FindBy::Id) => users.find(UserKey::External { source: call.dialect.source(), id: name }).await,
        (None, _) => Ok(None),
    };
    let mut found = found.map_err(|error| fault(&error))?;
    if found.is_none()
        && call.route.find_by == FindBy::Id
        && call.dialect.accounts.ids == Ids::Text
        && let Some(id) = id_of_uuid(name)
    {
        // Somebody who never had an old id is shown with the UUID inside their own; somebody who has one is found by that alone.
        let user = users.find(UserKey::Id(&id)).await.map_err(|error| fault(&error))?;
        found = user.filter(|user| user.external.iter().all(|external| external.source != call.dialect.source()));
    }
    found.ok_or_else(|| ErrorName::UnknownUser.into())
}

/// The profile of whoever calls. A new address waits for the link that goes to it; everything else is changed at once.
pub async fn update(call: &Call<'_>) -> Done {
    let caller = call.caller()?;
    let (desk, by) = (call.app.desk(), call.by());
    let asking = call.asking(&by);
    let canonical = |text: &str| Email::parse(text).map(|email| email.canonical).ok();
    let own = canonical(&caller.user.email);
    if let Some(typed) = call.fields.text(FieldName::Email).filter(|typed| canonical(typed).is_none() || canonical(typed) != own) {
        // Asked for first: what is refused of it leaves the rest as it was.
        let auth_time = caller.claims.auth_time.and_then(|at| crate::clock::Time::from_timestamp(at, 0)).unwrap_or_default();
        let asked = address::request_change(&desk, &caller.user.id, typed, Presence::SignedIn { auth_time }, &asking).await;
        asked.map_err(|error| call.account_error(&error))?;
    }
    let patch = patch(call);
    if patch.is_empty() {
        return call.about(&caller.user).await;
    }
    let changed = profile::patch(&desk, &caller.user.id, &patch, None, Hand::Own, &asking).await;
    call.about(&changed.map_err(|error| call.account_error(&error))?).await
}

/// The patch of a profile that the fields of a request make: those that it names.
fn patch(call: &Call<'_>) -> Map<String, Value> {
    let named = [("name", FieldName::Name), ("username", FieldName::Username), ("locale", FieldName::Locale)];
    let mut patch: Map<String, Value> = named
        .into_iter()
        .filter_map(|(member, field)| call.fields.text(field).map(|text| (member.to_owned(), Value::from(text))))
        .collect();
    if !call.fields.attributes.is_empty() {
        patch.insert("attributes".to_owned(), Value::Object(call.fields.attributes.clone()));
    }
    patch
}

/// A new password by the old one. Every other sign-in ends; the one that asks goes on, for its front end knows of no other.
pub async fn change_password(call: &Call<'_>) -> Done {
    let caller = call.caller()?;
    let (desk, by) = (call.app.desk(), call.by());
    let change = Change {
        current: call.fields.needed(FieldName::OldPassword),
        new: call.fields.needed(FieldName::NewPassword),
        device: None,
        keep_session: caller.claims.gid.as_deref(),
        rules: sign_up::rules(call),
    };
    let changed = recovery::change_password(&desk, &caller.user.id, change, &call.asking(&by)).await;
    changed.map_err(|error| call.account_error(&error))?;
    Ok(Values::default())
}

/// Somebody else, by an administrator.
pub async fn delete(call: &Call<'_>) -> Done {
    let (user, caller) = (named(call).await?, call.caller()?);
    if user.id == caller.user.id {
        return Err(call.refused(ErrorName::OwnAccount, "own_account"));
    }
    // Nobody ends an account above their own.
    if !caller.user.is_over(&user.roles) {
        return Err(call.refused(ErrorName::Forbidden, "role"));
    }
    let (desk, by) = (call.app.desk(), call.by());
    administration::delete(&desk, &user, &call.asking(&by)).await.map_err(|error| call.account_error(&error))?;
    Ok(Values::default())
}
