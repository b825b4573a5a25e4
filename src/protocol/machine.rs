//! The only room that names oxide-auth: runs its sans-I/O machines on facts already read.
//!
//! Each function takes one machine from `new` to its last output in one go and answers with a type of ours. The machine guarantees
//! the order of the steps of a grant and the comparison of client, redirect URI and scope; whatever it does not know is a row of
//! `authorization::CHECKS` or a function beside the caller. Kept away from it: time (it reads the wall clock, so it gets an end that
//! never comes and expiry is judged from `now` by the caller), client authentication (proven before), PKCE (`pkce`), error texts.
//! Called by `scope`, `authorization`, `authorization_code`, `refresh_token` and `client_credentials`.

use std::borrow::Cow;
use std::sync::LazyLock;

use oxide_auth::code_grant::error::{AccessTokenError, AccessTokenErrorType, AuthorizationErrorType};
use oxide_auth::code_grant::{accesstoken, authorization, client_credentials as credentials, refresh as refreshing};
use oxide_auth::primitives::grant::{Extensions, Grant};
use oxide_auth::primitives::registrar::{BoundClient, PreGrant, RegisteredUrl};
use oxide_auth::primitives::scope::Scope;
use url::Url;

use super::error::{ErrorCode, OAuthError};
use crate::clock::Time;

/// The set of scopes in a `scope` value.
pub(super) fn parse_scope(text: &str) -> Result<Scope, OAuthError> {
    text.parse().map_err(|_| OAuthError::invalid_scope("The scope holds a character that RFC 6749 section 3.3 does not allow"))
}

/// What is known of an authorization request whose client and redirect URI were bound by comparing strings.
pub(super) struct AuthorizationFacts<'a> {
    pub client_id: &'a str,
    pub redirect_uri: &'a str,
    pub response_type: Option<&'a str>,
    pub scope: Option<&'a str>,
    pub state: Option<&'a str>,
}

/// Runs an authorization request (RFC 6749 §4.1.1) up to the point where only the person is missing. `negotiate` says what the
/// client gets of what it asked for; the machine keeps it bound to client and redirect URI. The answer is the scope as a set.
pub(super) fn authorize(
    facts: &AuthorizationFacts<'_>,
    negotiate: impl FnOnce(Option<&str>) -> Result<String, OAuthError>,
) -> Result<Scope, OAuthError> {
    use authorization::{Authorization, Input, Output};
    let mut machine = Authorization::new(facts);
    let bound = match machine.advance(Input::None) {
        Output::Bind { client_id, redirect_uri: Some(_) } if client_id == facts.client_id => {
            BoundClient { client_id: Cow::Owned(client_id), redirect_uri: Cow::Owned(RegisteredUrl::Semantic(nowhere())) }
        }
        output => return Err(authorization_error(output)),
    };
    match machine.advance(Input::Bound { request: facts, bound_client: bound }) {
        Output::Extend => {}
        output => return Err(authorization_error(output)),
    }
    let pre_grant = match machine.advance(Input::Extended(Extensions::new())) {
        Output::Negotiate { bound_client, .. } => PreGrant {
            client_id: bound_client.client_id.clone().into_owned(),
            redirect_uri: bound_client.redirect_uri.clone().into_owned(),
            scope: parse_scope(&negotiate(facts.scope)?)?,
        },
        output => return Err(authorization_error(output)),
    };
    match machine.advance(Input::Negotiated { pre_grant, state: facts.state.map(str::to_owned) }) {
        Output::Ok { pre_grant, .. } => Ok(pre_grant.scope),
        output => Err(authorization_error(output)),
    }
}

/// What a code was bound to, and who presents it with what.
pub(super) struct CodeFacts<'a> {
    pub bound_client_id: &'a str,
    pub bound_redirect_uri: &'a str,
    pub client_id: &'a str,
    /// The one of the request, or the bound one where it may be left out: the machine requires it.
    pub redirect_uri: &'a str,
}

/// Runs a code exchange (RFC 6749 §4.1.3) up to the point where tokens would be issued.
pub(super) fn redeem(facts: &CodeFacts<'_>) -> Result<(), OAuthError> {
    use accesstoken::{AccessToken, Input, Output};
    let mut machine = AccessToken::new(facts);
    match machine.advance(Input::None) {
        Output::Authenticate { client, .. } if client == facts.client_id => {}
        output => return Err(token_error(output)),
    }
    match machine.advance(Input::Authenticated) {
        Output::Recover { .. } => {}
        output => return Err(token_error(output)),
    }
    let grant = grant(facts.bound_client_id, parse_url(facts.bound_redirect_uri)?, parse_scope("")?);
    match machine.advance(Input::Recovered(Some(Box::new(grant)))) {
        Output::Extend { .. } => {}
        output => return Err(token_error(output)),
    }
    match machine.advance(Input::Extended { access_extensions: Extensions::new() }) {
        Output::Issue { grant } if grant.client_id == facts.client_id => Ok(()),
        output => Err(token_error(output)),
    }
}

/// What a refresh token stands for, and who presents it for what.
pub(super) struct RefreshFacts<'a> {
    pub bound_client_id: &'a str,
    pub granted_scope: &'a str,
    pub client_id: &'a str,
    pub scope: Option<&'a str>,
}

/// Runs a refresh (RFC 6749 §6) up to the point where tokens would be issued; the answer is the scope as a set.
pub(super) fn refresh(facts: &RefreshFacts<'_>) -> Result<Scope, OAuthError> {
    use refreshing::{Input, Output, Refresh};
    let mut machine = Refresh::new(facts);
    match machine.advance(Input::None) {
        Output::Unauthenticated { client, .. } if client == facts.client_id => {}
        output => return Err(refresh_error(output)),
    }
    match machine.advance(Input::Authenticated { scope: facts.scope.map(Cow::Borrowed) }) {
        Output::RecoverRefresh { .. } => {}
        output => return Err(refresh_error(output)),
    }
    let grant = Some(Box::new(grant(facts.bound_client_id, nowhere(), parse_scope(facts.granted_scope)?)));
    match machine.advance(Input::Recovered { scope: facts.scope.map(Cow::Borrowed), grant }) {
        Output::Refresh { grant, .. } => Ok(grant.scope),
        output => Err(refresh_error(output)),
    }
}

/// A client that asks for itself.
pub(super) struct CredentialsFacts<'a> {
    pub client_id: &'a str,
    pub scope: Option<&'a str>,
}

/// Runs a client credentials request (RFC 6749 §4.4) up to the point where a token would be issued; `negotiate` as in [`authorize`].
pub(super) fn client_credentials(
    facts: &CredentialsFacts<'_>,
    negotiate: impl FnOnce(Option<&str>) -> Result<String, OAuthError>,
) -> Result<Scope, OAuthError> {
    use credentials::{ClientCredentials, Input, Output};
    // Before the machine, whose answer to a malformed scope is `invalid_request`.
    parse_scope(facts.scope.unwrap_or_default())?;
    let mut machine = ClientCredentials::new(facts);
    match machine.advance(Input::None) {
        Output::Authenticate { client, .. } if client == facts.client_id => {}
        output => return Err(credentials_error(output)),
    }
    let bound_client = match machine.advance(Input::Authenticated) {
        // Its own words: "the registrar will have to pick one arbitrarily (or return an invalid one)".
        Output::Binding { client_id } => {
            BoundClient { client_id: Cow::Owned(client_id.to_owned()), redirect_uri: Cow::Owned(RegisteredUrl::Semantic(nowhere())) }
        }
        output => return Err(credentials_error(output)),
    };
    match machine.advance(Input::Bound { bound_client }) {
        Output::Extend => {}
        output => return Err(credentials_error(output)),
    }
    let pre_grant = match machine.advance(Input::Extended { extensions: Extensions::new() }) {
        Output::Negotiate { bound_client, .. } => PreGrant {
            client_id: bound_client.client_id.clone().into_owned(),
            redirect_uri: bound_client.redirect_uri.clone().into_owned(),
            scope: parse_scope(&negotiate(facts.scope)?)?,
        },
        output => return Err(credentials_error(output)),
    };
    match machine.advance(Input::Negotiated { pre_grant }) {
        Output::Ok { pre_grant, .. } => Ok(pre_grant.scope.clone()),
        output => Err(credentials_error(output)),
    }
}

/// A grant that never ends: the machines compare `until` with the wall clock.
fn grant(client_id: &str, redirect_uri: Url, scope: Scope) -> Grant {
    Grant {
        owner_id: String::new(),
        client_id: client_id.to_owned(),
        scope,
        redirect_uri,
        until: Time::MAX_UTC,
        extensions: Extensions::new(),
    }
}

/// The redirect URI of a grant that has none, and of a request whose redirect URI was compared before.
fn nowhere() -> Url {
    static NOWHERE: LazyLock<Url> = LazyLock::new(|| Url::parse("about:blank").expect("a constant that parses"));
    NOWHERE.clone()
}

/// Redirect URIs were registered as parseable and compared as strings: one that does not parse is no registered one.
fn parse_url(uri: &str) -> Result<Url, OAuthError> {
    Url::parse(uri).map_err(|_| OAuthError::invalid_request("redirect_uri is not a URI"))
}

// The requests, as the machines want to see them. What a machine asks for and must not know is answered with a placeholder.

impl authorization::Request for AuthorizationFacts<'_> {
    fn valid(&self) -> bool {
        true
    }
    fn client_id(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.client_id))
    }
    fn scope(&self) -> Option<Cow<'_, str>> {
        self.scope.map(Cow::Borrowed)
    }
    fn redirect_uri(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.redirect_uri))
    }
    fn state(&self) -> Option<Cow<'_, str>> {
        self.state.map(Cow::Borrowed)
    }
    fn response_type(&self) -> Option<Cow<'_, str>> {
        self.response_type.map(Cow::Borrowed)
    }
    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

impl accesstoken::Request for CodeFacts<'_> {
    fn valid(&self) -> bool {
        true
    }
    fn code(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed("recovered"))
    }
    fn authorization(&self) -> accesstoken::Authorization<'_> {
        accesstoken::Authorization::Username(Cow::Borrowed(self.client_id))
    }
    fn client_id(&self) -> Option<Cow<'_, str>> {
        None
    }
    fn redirect_uri(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.redirect_uri))
    }
    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed("authorization_code"))
    }
    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

impl refreshing::Request for RefreshFacts<'_> {
    fn valid(&self) -> bool {
        true
    }
    fn refresh_token(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed("recovered"))
    }
    fn scope(&self) -> Option<Cow<'_, str>> {
        self.scope.map(Cow::Borrowed)
    }
    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed("refresh_token"))
    }
    fn authorization(&self) -> Option<(Cow<'_, str>, Cow<'_, [u8]>)> {
        Some((Cow::Borrowed(self.client_id), Cow::Borrowed(b"proven before")))
    }
    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

impl credentials::Request for CredentialsFacts<'_> {
    fn valid(&self) -> bool {
        true
    }
    fn authorization(&self) -> Option<(Cow<'_, str>, Cow<'_, [u8]>)> {
        Some((Cow::Borrowed(self.client_id), Cow::Borrowed(b"proven before")))
    }
    fn scope(&self) -> Option<Cow<'_, str>> {
        self.scope.map(Cow::Borrowed)
    }
    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed("client_credentials"))
    }
    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

// The machines' errors: the kind alone, mapped once.

fn authorization_error(output: authorization::Output<'_>) -> OAuthError {
    match output {
        authorization::Output::Err(authorization::Error::Redirect(mut url)) => match url.description().kind() {
            AuthorizationErrorType::InvalidScope => OAuthError::invalid_scope("The scope is not valid"),
            AuthorizationErrorType::UnsupportedResponseType => {
                OAuthError::new(ErrorCode::UnsupportedResponseType, "response_type must be code")
            }
            AuthorizationErrorType::UnauthorizedClient => OAuthError::unauthorized_client("The client may not ask for a code"),
            AuthorizationErrorType::AccessDenied => OAuthError::access_denied("The request was denied"),
            AuthorizationErrorType::ServerError => out_of_order(),
            AuthorizationErrorType::TemporarilyUnavailable => OAuthError::temporarily_unavailable("Try again in a moment"),
            AuthorizationErrorType::InvalidRequest => OAuthError::invalid_request("The request is not well-formed"),
        },
        authorization::Output::Err(authorization::Error::Ignore) => OAuthError::invalid_request("The request is not well-formed"),
        _ => out_of_order(),
    }
}

fn token_error(output: accesstoken::Output<'_>) -> OAuthError {
    match output {
        accesstoken::Output::Err(mut error) => error.description().map_or_else(out_of_order, exchange_error),
        _ => out_of_order(),
    }
}

fn refresh_error(output: refreshing::Output<'_>) -> OAuthError {
    match output {
        refreshing::Output::Err(mut error) => error.description().map_or_else(out_of_order, exchange_error),
        _ => out_of_order(),
    }
}

fn credentials_error(output: credentials::Output<'_>) -> OAuthError {
    match output {
        credentials::Output::Err(mut error) => error.description().map_or_else(out_of_order, exchange_error),
        _ => out_of_order(),
    }
}

fn exchange_error(error: &mut AccessTokenError) -> OAuthError {
    match error.kind() {
        AccessTokenErrorType::InvalidRequest => OAuthError::invalid_request("The request is not well-formed"),
        AccessTokenErrorType::InvalidClient => OAuthError::invalid_client("Client authentication failed"),
        AccessTokenErrorType::InvalidGrant => OAuthError::invalid_grant("The grant is not valid for this client and redirect URI"),
        AccessTokenErrorType::UnauthorizedClient => OAuthError::unauthorized_client("The client may not use this grant"),
        AccessTokenErrorType::UnsupportedGrantType => OAuthError::new(ErrorCode::UnsupportedGrantType, "The grant type is not supported"),
        AccessTokenErrorType::InvalidScope => OAuthError::invalid_scope("The scope goes beyond what was granted"),
    }
}

/// A machine that answers something else than the step that is due: a fault of ours, never the client's.
fn out_of_order() -> OAuthError {
    OAuthError::server_error("The request could not be processed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request<'a>(response_type: Option<&'a str>, scope: Option<&'a str>) -> AuthorizationFacts<'a> {
        AuthorizationFacts { client_id: "app", redirect_uri: "https://app.example/cb", response_type, scope, state: Some("s") }
    }

    #[test]
    fn rfc6749_4_1_1_only_a_code_is_given_out() {
        let scope = authorize(&request(Some("code"), Some("a b")), |asked| Ok(asked.expect("asked").to_owned())).expect("fine");
        assert_eq!(scope, "b a".parse().expect("a scope"));
        for other in [None, Some("token"), Some("code token")] {
            let error = authorize(&request(other, None), |_| panic!("nothing to negotiate")).expect_err("refused");
            assert_eq!(error.code, ErrorCode::UnsupportedResponseType);
        }
        let refused = authorize(&request(Some("code"), Some("a\"")), |_| panic!("nothing to negotiate"));
        assert_eq!(refused.expect_err("refused").code, ErrorCode::InvalidScope);
    }

    #[test]
    fn negotiation_may_refuse_with_any_code_of_ours() {
        let refused = authorize(&request(Some("code"), None), |_| Err(OAuthError::invalid_target("x")));
        assert_eq!(refused.expect_err("refused").code, ErrorCode::InvalidTarget);
    }

    #[test]
    fn rfc6749_4_1_3_the_machine_compares_client_and_redirect_uri() {
        let facts = |client_id, redirect_uri| CodeFacts {
            bound_client_id: "app",
            bound_redirect_uri: "https://app.example/cb",
            client_id,
            redirect_uri,
        };
        assert_eq!(redeem(&facts("app", "https://app.example/cb")), Ok(()));
        for (client_id, redirect_uri) in [("other", "https://app.example/cb"), ("app", "https://app.example/other")] {
            assert_eq!(redeem(&facts(client_id, redirect_uri)).expect_err("refused").code, ErrorCode::InvalidGrant);
        }
        assert_eq!(redeem(&facts("app", "nonsense")).expect_err("refused").code, ErrorCode::InvalidRequest);
    }

    #[test]
    fn rfc6749_6_the_machine_compares_client_and_scope() {
        let facts = |client_id, scope| RefreshFacts { bound_client_id: "app", granted_scope: "a b", client_id, scope };
        assert_eq!(refresh(&facts("app", None)), Ok("a b".parse().expect("a scope")));
        assert_eq!(refresh(&facts("app", Some("b"))), Ok("b".parse().expect("a scope")));
        assert_eq!(refresh(&facts("app", Some("a c"))).expect_err("wider").code, ErrorCode::InvalidScope);
        assert_eq!(refresh(&facts("app", Some("\""))).expect_err("malformed").code, ErrorCode::InvalidScope);
        assert_eq!(refresh(&facts("other", None)).expect_err("stranger").code, ErrorCode::InvalidGrant);
    }

    #[test]
    fn rfc6749_4_4_a_client_asks_for_itself() {
        let facts = |scope| CredentialsFacts { client_id: "app", scope };
        assert_eq!(client_credentials(&facts(Some("x")), |_| Ok("x".to_owned())), Ok("x".parse().expect("a scope")));
        assert_eq!(client_credentials(&facts(None), |_| Ok(String::new())), Ok("".parse().expect("a scope")));
        let malformed = client_credentials(&facts(Some("\\")), |_| panic!("nothing to negotiate"));
        assert_eq!(malformed.expect_err("refused").code, ErrorCode::InvalidScope);
    }
}
