//! What must the person still do before a client is answered? (OIDC Core §3.1.2.3, §3.1.2.4, §11)
//!
//! One function decides, from facts, at every arrival at the dispatcher; nothing is remembered here. Called by
//! `endpoints::authorize`; what the consent page asks and what is granted after it are decided here too.

use super::authorization::{AuthorizationRequest, Prompt};
use super::claims::ClaimsRequest;
use super::client::Client;
use super::error::{ErrorCode, OAuthError};
use super::{SKEW, redirect_uri, scope};
use crate::clock::Time;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    SignIn,
    SelectAccount,
    Consent,
    /// Nothing: the client gets its answer.
    Done,
}

/// The live session of the browser.
#[derive(Clone, Copy, Debug)]
pub struct SessionFacts<'a> {
    pub id: &'a str,
    pub user_id: &'a str,
    pub auth_time: Time,
    pub acr: &'a str,
}

/// Everything the decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub request: &'a AuthorizationRequest,
    pub client: &'a Client,
    pub session: Option<SessionFacts<'a>>,
    /// The scopes this person allowed this client before.
    pub remembered: Option<&'a [String]>,
    /// The session made by a sign-in inside this flow.
    pub signed_in: Option<&'a str>,
    /// The session the person chose to go on with inside this flow.
    pub chosen: Option<&'a str>,
    /// The person who allowed it on the consent page inside this flow.
    pub consented: Option<&'a str>,
    pub started_at: Time,
    pub now: Time,
}

/// The next step of the flow.
///
/// # Errors
/// For the client: with `prompt=none` whatever a page would be needed for; otherwise only that the wrong person signed in, or that
/// the sign-in did not reach an essential `acr`.
pub fn next_step(facts: &Facts<'_>) -> Result<Step, OAuthError> {
    let silent = facts.request.prompt.contains(Prompt::None);
    // OIDC Core §3.1.2.1, none: "The Authorization Server MUST NOT display any authentication or consent user interface pages."
    let step = match facts.session {
        None => Step::SignIn,
        Some(session) => step_of(facts, &session)?,
    };
    match step {
        Step::Done => Ok(Step::Done),
        step if !silent => Ok(step),
        Step::SignIn => Err(OAuthError::login_required("The person has to sign in")),
        Step::SelectAccount => Err(OAuthError::new(ErrorCode::AccountSelectionRequired, "The person has to choose an account")),
        Step::Consent => Err(OAuthError::consent_required("The person has to allow it")),
    }
}

fn step_of(facts: &Facts<'_>, session: &SessionFacts<'_>) -> Result<Step, OAuthError> {
    // Signed in for this very flow. The time is a second lock on it: no session from before the flow can pass for it.
    let fresh = facts.signed_in == Some(session.id) && session.auth_time + SKEW >= facts.started_at;
    if let Some(refusal) = wrong_person(facts, session) {
        return if fresh { Err(refusal) } else { Ok(Step::SignIn) };
    }
    if !fresh && (facts.request.prompt.contains(Prompt::Login) || too_old(facts, session)) {
        return Ok(Step::SignIn);
    }
    if let Some(refusal) = unmet_acr(facts.request, session) {
        return if fresh { Err(refusal) } else { Ok(Step::SignIn) };
    }
    if facts.request.prompt.contains(Prompt::SelectAccount) && !fresh && facts.chosen != Some(session.id) {
        return Ok(Step::SelectAccount);
    }
    if needs_consent(facts) && facts.consented != Some(session.user_id) {
        return Ok(Step::Consent);
    }
    Ok(Step::Done)
}

/// OIDC Core §3.1.2.1, id_token_hint: "If the End-User identified by the ID Token is already logged in or is logged in as a result of
/// the request […], then the Authorization Server returns a positive response; otherwise, it MUST return an error, such as
/// login_required." And §3.1.2.2, for a `sub` in the claims parameter too: "The Authorization Server MUST NOT reply with an ID Token or
/// Access Token for a different user, even if they have an active session with the Authorization Server."
fn wrong_person(facts: &Facts<'_>, session: &SessionFacts<'_>) -> Option<OAuthError> {
    let hinted = facts.request.hint_sub.as_deref().is_some_and(|sub| sub != session.user_id);
    let named = facts.request.claims.as_ref().is_some_and(|claims| claims.excludes(session.user_id));
    (hinted || named).then(|| OAuthError::login_required("Another person is signed in than the one that was asked for"))
}

/// OIDC Core §3.1.2.1, max_age: "If the elapsed time is greater than this value, the OP MUST attempt to actively re-authenticate the
/// End-User." Zero is the same as `prompt=login`.
fn too_old(facts: &Facts<'_>, session: &SessionFacts<'_>) -> bool {
    let Some(seconds) = facts.request.max_age.or(facts.client.default_max_age) else { return false };
    let age = (facts.now - session.auth_time).num_seconds();
    seconds == 0 || u64::try_from(age).is_ok_and(|age| age >= seconds)
}

/// OIDC Core §5.5.1.1: "the Authorization Server MUST return an acr Claim Value that matches one of the requested values."
fn unmet_acr(request: &AuthorizationRequest, session: &SessionFacts<'_>) -> Option<OAuthError> {
    let wanted = request.essential_acr.as_ref()?;
    let unmet = !wanted.iter().any(|acr| acr == session.acr);
    unmet.then(|| OAuthError::new(ErrorCode::UnmetAuthenticationRequirements, "The sign-in did not reach an essential acr"))
}

fn needs_consent(facts: &Facts<'_>) -> bool {
    if facts.request.prompt.contains(Prompt::Consent) {
        return true;
    }
    if facts.client.first_party {
        return false;
    }
    // RFC 8252 §8.6: "the authorization server SHOULD NOT process authorization requests automatically without user consent or
    // interaction, except when the identity of the client can be assured."
    if facts.client.is_public() && redirect_uri::is_loopback_or_custom(&facts.request.reply_to.redirect_uri) {
        return true;
    }
    let remembered = facts.remembered.unwrap_or_default();
    let asked = consent_scope(facts.request, facts.client, facts.remembered);
    facts.remembered.is_none() || !asked.iter().all(|name| scope::contains(remembered, name))
}

/// What the consent page asks for, and what is remembered when the person allows it: the scopes, and those that stand for claims
/// asked for one by one.
#[must_use]
pub fn consent_scope(request: &AuthorizationRequest, client: &Client, remembered: Option<&[String]>) -> Vec<String> {
    let asking = request.prompt.contains(Prompt::Consent);
    let mut scopes = granted_scope(request, client, remembered, asking);
    for name in request.claims.iter().flat_map(ClaimsRequest::scopes) {
        if !scope::contains(&scopes, name) {
            scopes.push(name.to_owned());
        }
    }
    scopes
}

/// The scopes of the code: those of the request, `offline_access` only where it is earned. `asked`: the consent page was answered
/// inside this flow.
///
/// OIDC Core §11, the authorization server: "MUST ensure that the prompt parameter contains consent unless other conditions for
/// processing the request permitting offline access to the requested resources are in place; unless one or both of these
/// conditions are fulfilled, then it MUST ignore the offline_access request". The other conditions: a stored consent that holds
/// it, or a first-party client.
#[must_use]
pub fn granted_scope(request: &AuthorizationRequest, client: &Client, remembered: Option<&[String]>, asked: bool) -> Vec<String> {
    let offline = client.first_party
        || (asked && request.prompt.contains(Prompt::Consent))
        || remembered.is_some_and(|remembered| scope::contains(remembered, scope::OFFLINE_ACCESS));
    request.scope.iter().filter(|name| offline || *name != scope::OFFLINE_ACCESS).cloned().collect()
}

#[cfg(test)]
#[path = "interaction_tests.rs"]
mod tests;
