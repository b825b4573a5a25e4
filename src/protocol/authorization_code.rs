//! What a code binds, and what must hold to redeem it (RFC 6749 §4.1.3, RFC 7636 §4.6, RFC 9700 §4.8.2).
//!
//! Of RFC 6749 §4.1.2 its short life is [`live`] here, of at most ten minutes by `config::tokens`; the code itself is made, bound and sent in
//! `endpoints::authorize` (`respond`); that it is good once, and what a replay revokes, is `tokens::grant::open_by_code`, by the digest that
//! SQL keeps. The caller's order is: these bindings, then its age, then spending the code. So a stranger with a stolen code can neither burn it
//! nor set off a revocation, and after a wrong verifier the right one still works. Called by `endpoints::token`.

use std::time::Duration;

use super::client::Client;
use super::error::OAuthError;
use super::machine::{self, CodeFacts};
use super::pkce;
use crate::clock::Time;

/// What was said when the code was asked for.
#[derive(Clone, Copy, Debug)]
pub struct CodeBinding<'a> {
    pub client_id: &'a str,
    pub redirect_uri: &'a str,
    /// Was it in the request, or the only one there is?
    pub redirect_uri_sent: bool,
    pub code_challenge: Option<&'a str>,
}

/// May this client redeem the code with these parameters?
///
/// # Errors
/// `invalid_grant`, with one description for whatever a stranger could try.
pub fn check(bound: &CodeBinding<'_>, client: &Client, redirect_uri: Option<&str>, verifier: Option<&str>) -> Result<(), OAuthError> {
    let client_id = client.client_id.as_str();
    // RFC 6749 §4.1.3: "ensure that the authorization code was issued to the authenticated confidential client, or if the client is
    // public, ensure that the code was issued to "client_id" in the request"
    if bound.client_id != client_id {
        return Err(OAuthError::invalid_grant("The authorization code is not valid"));
    }
    // RFC 6749 §4.1.3: "REQUIRED, if the "redirect_uri" parameter was included in the authorization request as described in Section
    // 4.1.1, and their values MUST be identical."
    let redirect_uri = match redirect_uri {
        Some(sent) if sent != bound.redirect_uri => {
            return Err(OAuthError::invalid_grant("redirect_uri differs from the one of the authorization request"));
        }
        None if bound.redirect_uri_sent => {
            return Err(OAuthError::invalid_grant("redirect_uri is missing; the authorization request had one"));
        }
        Some(sent) => sent,
        None => bound.redirect_uri,
    };
    check_verifier(bound.code_challenge, verifier, client.is_public())?;
    machine::redeem(&CodeFacts { bound_client_id: bound.client_id, bound_redirect_uri: bound.redirect_uri, client_id, redirect_uri })
}

fn check_verifier(challenge: Option<&str>, verifier: Option<&str>, public: bool) -> Result<(), OAuthError> {
    match (challenge, verifier) {
        // RFC 9700 §2.1.1: "Public clients MUST use PKCE". This one was confidential when the code was asked for.
        (None, None) if public => {
            Err(OAuthError::invalid_grant("The authorization request had no code_challenge, which a public client needs"))
        }
        (None, None) => Ok(()),
        // RFC 7636 §4.6: "If the values are not equal, an error response indicating "invalid_grant" as described in Section 5.2 of
        // [RFC6749] MUST be returned."
        (Some(challenge), Some(verifier)) if pkce::matches(challenge, verifier) => Ok(()),
        (Some(_), Some(_)) => Err(OAuthError::invalid_grant("code_verifier does not match code_challenge")),
        (Some(_), None) => Err(OAuthError::invalid_grant("code_verifier is missing; the authorization request had a code_challenge")),
        // RFC 9700 §2.1.1: "authorization servers MUST mitigate PKCE downgrade attacks by ensuring that a token request containing a
        // code_verifier parameter is accepted only if a code_challenge parameter was present in the authorization request"
        (None, Some(_)) => Err(OAuthError::invalid_grant("code_verifier was sent; the authorization request had no code_challenge")),
    }
}

/// Is the code young enough?
///
/// RFC 6749 §4.1.2: "The authorization code MUST expire shortly after it is issued to mitigate the risk of leaks. A maximum authorization code
/// lifetime of 10 minutes is RECOMMENDED."
///
/// # Errors
/// `invalid_grant` once its lifetime is over.
pub fn live(issued_at: Time, lifetime: Duration, now: Time) -> Result<(), OAuthError> {
    if now < issued_at + lifetime { Ok(()) } else { Err(OAuthError::invalid_grant("The authorization code has expired")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::{AuthMethod, fixture};
    use crate::protocol::error::ErrorCode;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    const REDIRECT: &str = "https://client.example.com/cb";

    fn bound(code_challenge: Option<&str>, redirect_uri_sent: bool) -> CodeBinding<'_> {
        CodeBinding { client_id: "s6BhdRkqt3", redirect_uri: REDIRECT, redirect_uri_sent, code_challenge }
    }

    /// A confidential client, known by this name.
    fn check(bound: &CodeBinding<'_>, client_id: &str, redirect_uri: Option<&str>, verifier: Option<&str>) -> Result<(), OAuthError> {
        let client = Client { client_id: client_id.to_owned(), ..fixture("openid", None) };
        super::check(bound, &client, redirect_uri, verifier)
    }

    fn refused(outcome: Result<(), OAuthError>) -> bool {
        outcome.is_err_and(|error| error.code == ErrorCode::InvalidGrant)
    }

    #[test]
    fn rfc6749_4_1_3_example_with_rfc7636_appendix_b() {
        assert_eq!(check(&bound(Some(CHALLENGE), true), "s6BhdRkqt3", Some(REDIRECT), Some(VERIFIER)), Ok(()));
        assert_eq!(check(&bound(None, false), "s6BhdRkqt3", None, None), Ok(()));
        assert_eq!(check(&bound(None, false), "s6BhdRkqt3", Some(REDIRECT), None), Ok(()));
    }

    #[test]
    fn co_05_a_code_is_its_clients_alone() {
        for other in ["other", "S6BhdRkqt3", "s6BhdRkqt3 ", ""] {
            assert!(refused(check(&bound(Some(CHALLENGE), true), other, Some(REDIRECT), Some(VERIFIER))), "{other}");
        }
    }

    #[test]
    fn ru_09_rfc6749_4_1_3_redirect_uri_must_be_identical() {
        for other in [
            "https://client.example.com/cb/",
            "https://client.example.com/cb?x=1",
            "https://CLIENT.example.com/cb",
            "https://client.example.com:443/cb",
            "https://evil.example/cb",
            "nonsense",
        ] {
            assert!(refused(check(&bound(None, true), "s6BhdRkqt3", Some(other), None)), "{other}");
            assert!(refused(check(&bound(None, false), "s6BhdRkqt3", Some(other), None)), "{other}");
        }
        assert!(refused(check(&bound(None, true), "s6BhdRkqt3", None, None)), "it was in the authorization request");
        let native = CodeBinding { redirect_uri: "http://127.0.0.1:51004/cb", ..bound(None, true) };
        assert!(refused(check(&native, "s6BhdRkqt3", Some("http://127.0.0.1:51005/cb"), None)), "the port of the request, too");
        assert_eq!(check(&native, "s6BhdRkqt3", Some("http://127.0.0.1:51004/cb"), None), Ok(()));
        let custom = CodeBinding { redirect_uri: "com.example.app:/cb", ..bound(None, true) };
        assert_eq!(check(&custom, "s6BhdRkqt3", Some("com.example.app:/cb"), None), Ok(()));
    }

    #[test]
    fn pk_03_pk_04_pk_05_pk_07_verifiers() {
        let padded = format!("{VERIFIER}=");
        let wrong = "a".repeat(43);
        for verifier in [None, Some(""), Some(CHALLENGE), Some(&VERIFIER[..42]), Some(&padded), Some(&wrong)] {
            assert!(refused(check(&bound(Some(CHALLENGE), true), "s6BhdRkqt3", Some(REDIRECT), verifier)), "{verifier:?}");
        }
        assert!(refused(check(&bound(None, true), "s6BhdRkqt3", Some(REDIRECT), Some(VERIFIER))), "downgrade");
        let public = Client { token_endpoint_auth_method: AuthMethod::None, ..fixture("openid", None) };
        assert!(refused(super::check(&bound(None, true), &public, Some(REDIRECT), None)), "public since the code was asked for");
        assert_eq!(super::check(&bound(Some(CHALLENGE), true), &public, Some(REDIRECT), Some(VERIFIER)), Ok(()));
    }

    #[test]
    fn co_07_a_code_expires_by_the_clock_it_is_given() {
        let at = |seconds: i64| Time::from_timestamp(1_700_000_000 + seconds, 0).expect("in range");
        let minute = Duration::from_secs(60);
        assert_eq!(live(at(0), minute, at(59)), Ok(()));
        assert_eq!(live(at(0), minute, at(-5)), Ok(()), "another replica's clock is ahead");
        for late in [60, 61, 100_000] {
            assert!(refused(live(at(0), minute, at(late))), "{late}");
        }
    }

    #[test]
    fn no_wall_clock_is_read() {
        let long_ago = Time::from_timestamp(0, 0).expect("in range");
        assert_eq!(live(long_ago, Duration::from_secs(60), long_ago), Ok(()));
        assert_eq!(check(&bound(None, false), "s6BhdRkqt3", None, None), Ok(()), "the machine is given an end that never comes");
    }
}
