//! The authorization request: first where an answer may go, then the ordered [`CHECKS`] (RFC 6749 §4.1.1, OIDC Core §3.1.2.1).
//!
//! Until [`reply_to`] returns, a refusal is a page; from then on it goes to the client. A further check is a function and a row.
//! Leaves to others: who the person is and what they still must do (`interaction`), verifying an `id_token_hint` (`endpoints`).

use std::borrow::Cow;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::claims::ClaimsRequest;
use super::client::{Client, GrantType, RESPONSE_TYPE};
use super::error::{Cause, ErrorCode, NotRedirected, OAuthError};
use super::machine::{self, AuthorizationFacts};
use super::params::Params;
pub use super::pkce::PkcePolicy;
use super::response_mode::ResponseMode;
use super::{pkce, redirect_uri, resource, scope};

/// Where and how a client is answered. There is none without a client and a redirect URI of its own.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct ReplyTo {
    pub client_id: String,
    pub redirect_uri: String,
    pub response_mode: ResponseMode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// A request that passed every check.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationRequest {
    pub reply_to: ReplyTo,
    /// Then it must stand in the token request too (RFC 6749 §4.1.3).
    pub redirect_uri_sent: bool,
    /// Of the scopes asked for those the client may have, in the order of the request.
    pub scope: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// Always `S256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_challenge: Option<String>,
    #[serde(default)]
    pub prompt: Prompts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_hint: Option<String>,
    /// As it was sent; who verifies it sets `hint_sub`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_hint: Option<String>,
    /// The person of a verified `id_token_hint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint_sub: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ui_locales: Vec<String>,
    /// Voluntary: a wish, no condition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acr_values: Vec<String>,
    /// Of these one must be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub essential_acr: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<ClaimsRequest>,
    /// Empty: the issuer itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
}

/// `prompt` (OIDC Core §3.1.2.1).
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    None,
    Login,
    Consent,
    SelectAccount,
}

impl Prompt {
    pub const ALL: [Self; 4] = [Self::None, Self::Login, Self::Consent, Self::SelectAccount];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Login => "login",
            Self::Consent => "consent",
            Self::SelectAccount => "select_account",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|prompt| prompt.as_str() == name)
    }
}

/// The prompts of one request.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(transparent)]
pub struct Prompts(BTreeSet<Prompt>);

impl Prompts {
    #[must_use]
    pub fn contains(&self, prompt: Prompt) -> bool {
        self.0.contains(&prompt)
    }
}

impl FromIterator<Prompt> for Prompts {
    fn from_iter<I: IntoIterator<Item = Prompt>>(prompts: I) -> Self {
        Self(prompts.into_iter().collect())
    }
}

/// What the deployment allows.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// Resources that every client may ask for; `*` stands for all.
    pub resources_open: &'a [String],
    pub issuer: &'a str,
    pub pkce: PkcePolicy,
    /// The authentication contexts that a sign-in here can reach.
    pub acr_supported: &'a [&'a str],
}

/// Longest `state` that is carried back to whoever sent it.
pub const MAX_STATE: usize = 8 * 1024;
const MAX_NONCE: usize = 2 * 1024;
const MAX_LOGIN_HINT: usize = 320;
const MAX_WORDS: usize = 20;

/// Who asks: the one parameter that is read before a client is known.
///
/// # Errors
/// A page, because nothing else is safe.
pub fn client_id(params: &Params) -> Result<&str, NotRedirected> {
    if params.repeats("client_id") {
        return Err(NotRedirected::new(Cause::RepeatedParameter("client_id")));
    }
    params.get("client_id").ok_or_else(|| NotRedirected::new(Cause::MissingClientId))
}

/// The page where no client in use has that id. Only the log tells a disabled one from none: which ids are somebody's is nobody else's business.
#[must_use]
pub fn not_in_use(client_id: &str, disabled: bool) -> NotRedirected {
    let reason = if disabled { Cause::DisabledClient } else { Cause::UnknownClient };
    NotRedirected::new(reason).with_detail(format!("No client in use has the id {}", shortened(client_id)))
}

/// Finds where an answer may go. `client` is the one that [`client_id`] names.
///
/// RFC 6749 §4.1.2.1: "If the request fails due to a missing, invalid, or mismatching redirection URI, or if the client identifier
/// is missing or invalid, the authorization server SHOULD inform the resource owner of the error and MUST NOT automatically
/// redirect the user-agent to the invalid redirection URI."
///
/// # Errors
/// A page, because nothing else is safe.
pub fn reply_to(client: &Client, params: &Params) -> Result<ReplyTo, NotRedirected> {
    if params.repeats("redirect_uri") {
        return Err(NotRedirected::new(Cause::RepeatedParameter("redirect_uri")));
    }
    let registered = &client.redirect_uris;
    let redirect_uri = match params.get("redirect_uri") {
        Some(sent) if redirect_uri::matches(registered, sent) => sent,
        Some(sent) => {
            return Err(NotRedirected::new(Cause::UnregisteredRedirectUri).with_detail(mismatch(sent, registered)));
        }
        // OIDC Core §3.1.2.1 has it REQUIRED; RFC 6749 §3.1.2.3: "If multiple redirection URIs have been registered, […] the client
        // MUST include a redirection URI with the authorization request"
        None => match registered.as_slice() {
            [only] if !asks_for_openid(params) => only,
            _ => return Err(NotRedirected::new(Cause::MissingRedirectUri).with_detail(list(registered))),
        },
    };
    let inside = params.get("request").map(shape_of_refusal).unwrap_or_default();
    // One that does not exist is refused by a check, and that refusal has to travel somehow.
    let response_mode = params.get("response_mode").and_then(ResponseMode::parse).or(inside.response_mode).unwrap_or_default();
    // The same for a state that is too long to be carried back.
    let state = params.get("state").map(str::to_owned).or(inside.state).filter(|state| state.len() <= MAX_STATE);
    Ok(ReplyTo { client_id: client.client_id.clone(), redirect_uri: redirect_uri.to_owned(), response_mode, state })
}

/// Of a request that began before what its client still has: an administrator may have taken a scope, or the redirect URI, while its person
/// signed in.
///
/// # Errors
/// A page: the address that was safe is no longer.
pub fn still_registered(client: &Client, request: &mut AuthorizationRequest) -> Result<(), NotRedirected> {
    let (registered, sent) = (&client.redirect_uris, &request.reply_to.redirect_uri);
    if !redirect_uri::matches(registered, sent) {
        return Err(NotRedirected::new(Cause::UnregisteredRedirectUri).with_detail(mismatch(sent, registered)));
    }
    let own: Vec<String> = client.scope.split_whitespace().map(str::to_owned).collect();
    request.scope.retain(|name| scope::contains(&own, name));
    if let Some(claims) = &mut request.claims {
        claims.limit(&own);
    }
    Ok(())
}

/// May the client still have a code for what is left?
///
/// # Errors
/// `unauthorized_client`, `invalid_scope`.
pub fn still_allowed(client: &Client, request: &AuthorizationRequest) -> Result<(), OAuthError> {
    may_have_codes(client)?;
    if request.scope.is_empty() {
        return Err(OAuthError::invalid_scope("None of the requested scopes is registered for this client any more"));
    }
    Ok(())
}

/// RFC 6749 §4.1.2.1: "unauthorized_client: The client is not authorized to request an authorization code using this method."
fn may_have_codes(client: &Client) -> Result<(), OAuthError> {
    if client.allows(GrantType::AuthorizationCode) {
        Ok(())
    } else {
        Err(OAuthError::unauthorized_client("This client is not registered for the grant authorization_code"))
    }
}

/// How a client that sends a request object expects to be answered.
#[derive(Default)]
struct Shape {
    response_mode: Option<ResponseMode>,
    state: Option<String>,
}

/// A request object is refused (`request_not_supported`), and its client can only read the refusal in the form it asked for, which may stand
/// nowhere but in the object. Nothing else is taken from it, and least of all where the answer goes: it is not verified, and says no more
/// than the same two parameters beside it would.
fn shape_of_refusal(object: &str) -> Shape {
    let payload = object.split('.').nth(1).and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
    let Some(Value::Object(mut members)) = payload.and_then(|json| serde_json::from_slice(&json).ok()) else { return Shape::default() };
    // Each by itself: a response mode of others takes no state with it.
    let mut text = |name: &str| members.remove(name).and_then(|value| value.as_str().map(str::to_owned));
    Shape { response_mode: text("response_mode").as_deref().and_then(ResponseMode::parse), state: text("state") }
}

fn asks_for_openid(params: &Params) -> bool {
    params.get("scope").is_some_and(|scope| scope.split(' ').any(|name| name == scope::OPENID))
}

fn mismatch(sent: &str, registered: &[String]) -> String {
    format!("redirect_uri: {}\n{}", shortened(sent), list(registered))
}

/// Enough of what was sent to know it again, on a page and in the log.
#[must_use]
pub fn shortened(sent: &str) -> Cow<'_, str> {
    match sent.char_indices().nth(256) {
        None => Cow::Borrowed(sent),
        Some((end, _)) => Cow::Owned(format!("{}…", &sent[..end])),
    }
}

fn list(registered: &[String]) -> String {
    format!("registered: {}", registered.join(", "))
}

/// The request while it is being checked: each check fills in what it has found right.
pub type Draft = AuthorizationRequest;

/// One rule of the authorization endpoint.
pub struct Check {
    pub name: &'static str,
    pub rfc: &'static str,
    pub run: fn(&mut Draft, &Client, &Params, &Policy<'_>) -> Result<(), OAuthError>,
}

/// Every rule, in the order in which they are applied: the first that fails is what the client reads.
pub static CHECKS: &[Check] = &[
    Check { name: "no parameter repeats", rfc: "RFC 6749 §3.1", run: no_repetition },
    Check { name: "no request object", rfc: "OIDC Core §3.1.2.6, §6", run: no_request_object },
    Check { name: "response_mode", rfc: "OAuth 2.0 Multiple Response Types §2.1", run: response_mode },
    Check { name: "state", rfc: "RFC 6749 §4.1.1", run: state },
    Check { name: "response_type", rfc: "RFC 6749 §3.1.1", run: response_type },
    Check { name: "the client's grant", rfc: "RFC 6749 §4.1.2.1", run: clients_grant },
    Check { name: "PKCE", rfc: "RFC 7636 §4.3, RFC 9700 §2.1.1", run: code_challenge },
    Check { name: "scope", rfc: "RFC 6749 §3.3", run: granted_scope },
    Check { name: "nonce", rfc: "OIDC Core §3.1.2.1", run: nonce },
    Check { name: "prompt", rfc: "OIDC Core §3.1.2.1", run: prompt },
    Check { name: "max_age", rfc: "OIDC Core §3.1.2.1", run: max_age },
    Check { name: "claims", rfc: "OIDC Core §5.5", run: claims },
    Check { name: "acr", rfc: "OIDC Core §5.5.1.1, RFC 9470 §5", run: acr },
    Check { name: "resource", rfc: "RFC 8707 §2", run: resources },
    Check { name: "hints", rfc: "OIDC Core §3.1.2.1", run: hints },
];

/// Runs every check.
///
/// # Errors
/// The first refusal, for `reply_to`.
pub fn check(client: &Client, params: &Params, reply_to: &ReplyTo, policy: &Policy<'_>) -> Result<AuthorizationRequest, OAuthError> {
    let mut draft = AuthorizationRequest {
        reply_to: reply_to.clone(),
        redirect_uri_sent: params.get("redirect_uri").is_some(),
        scope: Vec::new(),
        nonce: None,
        code_challenge: None,
        prompt: Prompts::default(),
        max_age: None,
        login_hint: None,
        id_token_hint: None,
        hint_sub: None,
        ui_locales: Vec::new(),
        acr_values: Vec::new(),
        essential_acr: None,
        claims: None,
        resource: Vec::new(),
        display: None,
    };
    for check in CHECKS {
        (check.run)(&mut draft, client, params, policy)?;
    }
    Ok(draft)
}

/// RFC 6749 §3.1: "Request and response parameters MUST NOT be included more than once."
fn no_repetition(_: &mut Draft, _: &Client, params: &Params, _: &Policy<'_>) -> Result<(), OAuthError> {
    match params.repeated() {
        None => Ok(()),
        Some(_) => Err(OAuthError::invalid_request("A parameter is included more than once")),
    }
}

/// OIDC Core §3.1.2.6: what is not supported has an error code of its own, so that a client never believes that it was heeded.
fn no_request_object(_: &mut Draft, _: &Client, params: &Params, _: &Policy<'_>) -> Result<(), OAuthError> {
    let unsupported = [
        ("request", ErrorCode::RequestNotSupported, "request is not supported"),
        ("request_uri", ErrorCode::RequestUriNotSupported, "request_uri is not supported"),
        ("registration", ErrorCode::RegistrationNotSupported, "registration is not supported"),
    ];
    match unsupported.into_iter().find(|(name, ..)| params.get(name).is_some()) {
        None => Ok(()),
        Some((_, code, description)) => Err(OAuthError::new(code, description)),
    }
}

fn response_mode(_: &mut Draft, _: &Client, params: &Params, _: &Policy<'_>) -> Result<(), OAuthError> {
    match params.get("response_mode") {
        Some(name) if ResponseMode::parse(name).is_none() => {
            Err(OAuthError::invalid_request("response_mode must be query, fragment or form_post"))
        }
        _ => Ok(()),
    }
}

fn state(_: &mut Draft, _: &Client, params: &Params, _: &Policy<'_>) -> Result<(), OAuthError> {
    match params.get("state") {
        Some(state) if state.len() > MAX_STATE => Err(OAuthError::invalid_request("state is longer than 8 KB")),
        _ => Ok(()),
    }
}

/// RFC 6749 §3.1.1: "If an authorization request is missing the "response_type" parameter, or if the response type is not
/// understood, the authorization server MUST return an error response as described in Section 4.1.2.1."
fn response_type(_: &mut Draft, _: &Client, params: &Params, _: &Policy<'_>) -> Result<(), OAuthError> {
    match params.get("response_type") {
        Some(RESPONSE_TYPE) => Ok(()),
        Some(_) => Err(OAuthError::new(ErrorCode::UnsupportedResponseType, "response_type must be code")),
        None => Err(OAuthError::invalid_request("response_type is missing")),
    }
}

fn clients_grant(_: &mut Draft, client: &Client, _: &Params, _: &Policy<'_>) -> Result<(), OAuthError> {
    may_have_codes(client)
}

fn code_challenge(draft: &mut Draft, client: &Client, params: &Params, policy: &Policy<'_>) -> Result<(), OAuthError> {
    match params.get("code_challenge") {
        Some(challenge) => {
            pkce::check_method(params.get("code_challenge_method"))?;
            pkce::check_challenge(challenge)?;
            draft.code_challenge = Some(challenge.to_owned());
            Ok(())
        }
        // RFC 7636 §4.4.1: "If the server requires Proof Key for Code Exchange (PKCE) by OAuth public clients and the client does not send
        // the "code_challenge" in the request, the authorization endpoint MUST return the authorization error response with the
        // "error" value set to "invalid_request"."
        None if client.requires_pkce(policy.pkce) => Err(OAuthError::invalid_request(
            "code_challenge is missing: this client must use PKCE (a confidential client can be freed from it: require_pkce, client update --no-pkce)",
        )),
        None if params.get("code_challenge_method").is_some() => {
            Err(OAuthError::invalid_request("code_challenge_method without code_challenge"))
        }
        None => Ok(()),
    }
}

/// The grant itself, through the machine: it binds client, redirect URI, response type and scope together.
fn granted_scope(draft: &mut Draft, client: &Client, params: &Params, _: &Policy<'_>) -> Result<(), OAuthError> {
    let facts = AuthorizationFacts {
        client_id: &client.client_id,
        redirect_uri: &draft.reply_to.redirect_uri,
        response_type: params.get("response_type"),
        scope: params.get("scope"),
        state: draft.reply_to.state.as_deref(),
    };
    let mut ordered = Vec::new();
    let set = machine::authorize(&facts, |asked| {
        ordered = scope::granted(client, asked)?;
        Ok(scope::join(&ordered))
    })?;
    ordered.retain(|name| set.iter().any(|kept| kept == name));
    draft.scope = ordered;
    Ok(())
}

fn nonce(draft: &mut Draft, _: &Client, params: &Params, _: &Policy<'_>) -> Result<(), OAuthError> {
    draft.nonce = params.get("nonce").map(str::to_owned);
    if draft.nonce.as_ref().is_some_and(|nonce| nonce.len() > MAX_NONCE) {
        return Err(OAuthError::invalid_request("nonce is longer than 2 KB"));
    }
    Ok(())
}

/// OIDC Core §3.1.2.1: "If this parameter contains none with any other value, an error is returned." `none none` is a list of two as well. A
/// value that does not exist is an error too: a client that counts on it would otherwise believe that it was heeded.
fn prompt(draft: &mut Draft, _: &Client, params: &Params, _: &Policy<'_>) -> Result<(), OAuthError> {
    let names = params.get("prompt").unwrap_or_default().split(' ').filter(|name| !name.is_empty());
    let count = names.clone().count();
    let unknown = |name: &str| {
        let name: String = name.chars().take(40).collect();
        OAuthError::invalid_request(format!("prompt holds {name}, which is none of none, login, consent, select_account"))
    };
    let prompts = names.map(|name| Prompt::parse(name).ok_or_else(|| unknown(name))).collect::<Result<BTreeSet<_>, _>>()?;
    if prompts.contains(&Prompt::None) && count > 1 {
        return Err(OAuthError::invalid_request("prompt=none stands alone"));
    }
    draft.prompt = Prompts(prompts);
    Ok(())
}

fn max_age(draft: &mut Draft, _: &Client, params: &Params, _: &Policy<'_>) -> Result<(), OAuthError> {
    let Some(text) = params.get("max_age") else { return Ok(()) };
    let seconds = text.parse::<u64>().ok().filter(|&seconds| i64::try_from(seconds).is_ok());
    match seconds {
        Some(seconds) if text.bytes().all(|b| b.is_ascii_digit()) => {
            draft.max_age = Some(seconds);
            Ok(())
        }
        _ => Err(OAuthError::invalid_request("max_age must be a number of seconds")),
    }
}

fn claims(draft: &mut Draft, client: &Client, params: &Params, _: &Policy<'_>) -> Result<(), OAuthError> {
    let Some(text) = params.get("claims") else { return Ok(()) };
    let mut request = ClaimsRequest::parse(text)?;
    request.limit(&scope::parse(&client.scope)?);
    draft.claims = Some(request);
    Ok(())
}

/// OIDC Core §5.5.1.1: "If this is an Essential Claim and the requirement cannot be met, then the Authorization Server MUST treat that
/// outcome as a failed authentication attempt." What no sign-in here can reach is refused before anybody signs in.
fn acr(draft: &mut Draft, _: &Client, params: &Params, policy: &Policy<'_>) -> Result<(), OAuthError> {
    draft.acr_values = words(params.get("acr_values"));
    draft.essential_acr = draft.claims.as_ref().and_then(ClaimsRequest::essential_acr);
    match &draft.essential_acr {
        Some(wanted) if !wanted.iter().any(|acr| policy.acr_supported.contains(&acr.as_str())) => {
            Err(OAuthError::new(ErrorCode::UnmetAuthenticationRequirements, "None of the essential acr values can be reached here"))
        }
        _ => Ok(()),
    }
}

fn resources(draft: &mut Draft, client: &Client, params: &Params, policy: &Policy<'_>) -> Result<(), OAuthError> {
    draft.resource = resource::allowed(client, policy.resources_open, policy.issuer, params.all("resource"))?;
    Ok(())
}

/// Wishes: whatever they hold, the request goes on.
fn hints(draft: &mut Draft, _: &Client, params: &Params, _: &Policy<'_>) -> Result<(), OAuthError> {
    draft.login_hint = params.get("login_hint").map(|hint| hint.chars().take(MAX_LOGIN_HINT).collect());
    draft.id_token_hint = params.get("id_token_hint").map(str::to_owned);
    draft.ui_locales = words(params.get("ui_locales"));
    draft.display = params.get("display").filter(|display| display.len() <= MAX_LOGIN_HINT).map(str::to_owned);
    Ok(())
}

fn words(text: Option<&str>) -> Vec<String> {
    let words = text.unwrap_or_default().split(' ').filter(|word| !word.is_empty() && word.len() <= MAX_LOGIN_HINT);
    words.take(MAX_WORDS).map(str::to_owned).collect()
}

#[cfg(test)]
#[path = "authorization_tests.rs"]
mod tests;
