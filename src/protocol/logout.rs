//! Signing out at an app's request (OIDC RP-Initiated Logout 1.0 §2, §3).
//!
//! Decides whether the person is asked first and where they go after; never redirects to what is not registered. Called by
//! `endpoints::end_session`, which verifies the hint, looks up the client and ends the session (`storage.sessions`).

use super::authorization::{MAX_STATE, shortened};
use super::client::Client;
use super::error::{Cause, NotRedirected};
use super::id_token::HintClaims;
use super::params::Params;
use super::response_mode::append_query;

/// The parameters of a logout request. Without any it is the person's own sign-out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogoutRequest {
    pub id_token_hint: Option<String>,
    pub client_id: Option<String>,
    pub post_logout_redirect_uri: Option<String>,
    pub state: Option<String>,
    pub ui_locales: Vec<String>,
}

/// `logout_hint` counts among them although nothing is done with it: whoever is signed in in this browser is the one who signs out.
const NAMES: [&str; 6] = ["id_token_hint", "client_id", "post_logout_redirect_uri", "state", "logout_hint", "ui_locales"];

impl LogoutRequest {
    /// Reads the parameters; unknown ones are ignored.
    ///
    /// # Errors
    /// A page when one repeats, or when a `state` is too long to be carried.
    pub fn parse(params: &Params) -> Result<Self, NotRedirected> {
        if let Some(name) = NAMES.into_iter().find(|name| params.repeats(name)) {
            return Err(NotRedirected::new(Cause::RepeatedParameter(name)));
        }
        let text = |name: &str| params.get(name).map(str::to_owned);
        let request = Self {
            id_token_hint: text("id_token_hint"),
            client_id: text("client_id"),
            post_logout_redirect_uri: text("post_logout_redirect_uri"),
            state: text("state"),
            ui_locales: params.get("ui_locales").unwrap_or_default().split(' ').filter(|tag| !tag.is_empty()).map(str::to_owned).collect(),
        };
        if request.state.as_ref().is_some_and(|state| state.len() > MAX_STATE) {
            return Err(NotRedirected::new(Cause::InvalidLogoutRequest).with_detail("state is longer than 8 KB"));
        }
        Ok(request)
    }
}

/// What became of `id_token_hint`.
#[derive(Clone, Copy, Debug)]
pub enum Hint<'a> {
    None,
    /// It was sent, and is no ID token of this server.
    Invalid,
    Valid(&'a HintClaims),
}

/// The client that the request speaks for, if it names one: whom the caller looks up for [`decide`].
///
/// # Errors
/// A page for a hint that is none, or one that belongs to another client than `client_id`.
pub fn client_id<'a>(request: &'a LogoutRequest, hint: Hint<'a>) -> Result<Option<&'a str>, NotRedirected> {
    let named = request.client_id.as_deref();
    match hint {
        Hint::None => Ok(named),
        Hint::Invalid => Err(NotRedirected::new(Cause::InvalidIdTokenHint)),
        // §2: "When both client_id and id_token_hint are present, the OP MUST verify that the Client Identifier matches the one used when
        // issuing the ID Token."
        Hint::Valid(claims) => match named {
            Some(named) if !claims.is_for(named) => {
                Err(NotRedirected::new(Cause::InvalidLogoutRequest).with_detail("client_id is not the client of id_token_hint"))
            }
            Some(named) => Ok(Some(named)),
            None => Ok(claims.aud.values().first().map(String::as_str)),
        },
    }
}

/// The live session of the browser.
#[derive(Clone, Copy, Debug)]
pub struct SessionFacts<'a> {
    pub id: &'a str,
    pub user_id: &'a str,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Ask the person before anything ends.
    pub confirm: bool,
    /// Where they go once signed out, `state` added; none for our own page.
    pub redirect: Option<String>,
}

/// Decides. `client` is the one that [`client_id`] named, as far as there is one that is not disabled.
///
/// # Errors
/// A page: for what [`client_id`] refuses, an unknown client, and a redirect that nobody registered. Nobody is signed out by it.
pub fn decide(
    request: &LogoutRequest,
    hint: Hint<'_>,
    client: Option<&Client>,
    session: Option<SessionFacts<'_>>,
) -> Result<Decision, NotRedirected> {
    let named = client_id(request, hint)?;
    let client = client.filter(|client| Some(client.client_id.as_str()) == named);
    if request.client_id.is_some() && client.is_none() {
        return Err(NotRedirected::new(Cause::UnknownClient));
    }
    let redirect = match &request.post_logout_redirect_uri {
        // §3: without a client there is nobody with whom the URI could be registered, and so no redirection; the person may still sign out.
        Some(uri) if named.is_some() => Some(after(uri, request.state.as_deref(), client)?),
        _ => None,
    };
    // Nobody is asked only where an app of this very person asks and takes them back: then the app's own page has said what happens.
    let confirm = session.is_some_and(|session| redirect.is_none() || !speaks_for(hint, session));
    Ok(Decision { confirm, redirect })
}

/// §2, post_logout_redirect_uri: "The value MUST have been previously registered with the OP". §3: "The OP MUST NOT perform post-logout
/// redirection if the post_logout_redirect_uri value supplied does not exactly match one of the previously registered
/// post_logout_redirect_uris values."
fn after(uri: &str, state: Option<&str>, client: Option<&Client>) -> Result<String, NotRedirected> {
    let registered = client.map(|client| client.post_logout_redirect_uris.as_slice()).unwrap_or_default();
    if !registered.iter().any(|known| known == uri) {
        let detail = format!("post_logout_redirect_uri: {}\nregistered: {}", shortened(uri), registered.join(", "));
        return Err(NotRedirected::new(Cause::UnregisteredPostLogoutRedirectUri).with_detail(detail));
    }
    // §2, state: "If included in the logout request, the OP passes this value back to the RP using the state parameter when
    // redirecting the User Agent back to the RP."
    Ok(match state {
        None => uri.to_owned(),
        Some(state) => append_query(uri, &[("state", state)]),
    })
}

/// Does the hint prove that the request comes from an app of this very person? Only then nobody is asked.
///
/// §2: "At the Logout Endpoint, the OP SHOULD ask the End-User whether to log out of the OP as well. Furthermore, the OP MUST ask the
/// End-User this question if an id_token_hint was not provided or if the supplied ID Token does not belong to the current OP session
/// with the RP and/or currently logged in End-User."
fn speaks_for(hint: Hint<'_>, session: SessionFacts<'_>) -> bool {
    match hint {
        Hint::Valid(claims) => claims.sub == session.user_id || claims.sid.as_deref() == Some(session.id),
        Hint::None | Hint::Invalid => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::access_token::Audience;
    use crate::protocol::client::fixture;
    use crate::protocol::error::ErrorCode;

    const AFTER: &str = "https://client.example.com/signed-out";

    fn client() -> Client {
        Client { post_logout_redirect_uris: vec![AFTER.to_owned(), "http://127.0.0.1:4201".to_owned()], ..fixture("openid", None) }
    }

    fn hint(sub: &str, sid: Option<&str>, aud: &str) -> HintClaims {
        HintClaims {
            iss: "https://id.example".to_owned(),
            sub: sub.to_owned(),
            aud: Audience::one(aud),
            iat: 0,
            exp: 1,
            sid: sid.map(str::to_owned),
        }
    }

    fn request(raw: &str) -> LogoutRequest {
        LogoutRequest::parse(&Params::parse(raw).expect("well-formed")).expect(raw)
    }

    const ALICE: Option<SessionFacts<'static>> = Some(SessionFacts { id: "s1", user_id: "alice" });

    fn encoded(uri: &str) -> String {
        format!("post_logout_redirect_uri={}", uri.replace(':', "%3A").replace('/', "%2F"))
    }

    #[test]
    fn rp_initiated_logout_2_a_hint_of_the_person_is_enough() {
        let ours = hint("alice", Some("s1"), "s6BhdRkqt3");
        let decision = decide(&request(&format!("{}&state=a%26b", encoded(AFTER))), Hint::Valid(&ours), Some(&client()), ALICE);
        let redirect = Some("https://client.example.com/signed-out?state=a%26b".to_owned());
        assert_eq!(decision.expect("fine"), Decision { confirm: false, redirect });
        let older = hint("alice", Some("s0"), "s6BhdRkqt3");
        assert!(!decide(&request(&encoded(AFTER)), Hint::Valid(&older), Some(&client()), ALICE).expect("fine").confirm, "an older token");
        // Without a page of the app to go back to, the person is told what ends.
        assert!(decide(&request("state=x"), Hint::Valid(&ours), Some(&client()), ALICE).expect("fine").confirm);
    }

    #[test]
    fn lo_01_rp_initiated_logout_2_without_a_hint_the_person_is_asked() {
        let client = client();
        for raw in ["", "state=x", &format!("client_id=s6BhdRkqt3&{}", encoded(AFTER))] {
            assert!(decide(&request(raw), Hint::None, Some(&client), ALICE).expect(raw).confirm, "{raw}");
            assert!(!decide(&request(raw), Hint::None, Some(&client), None).expect(raw).confirm, "nobody there to ask: {raw}");
        }
        let named = decide(&request(&format!("client_id=s6BhdRkqt3&{}", encoded(AFTER))), Hint::None, Some(&client), ALICE);
        assert_eq!(named.expect("fine").redirect.as_deref(), Some(AFTER));
    }

    #[test]
    fn lo_02_rp_initiated_logout_3_only_what_is_registered_and_exactly() {
        let (client, ours) = (client(), hint("alice", None, "s6BhdRkqt3"));
        let outcome = |uri: &str| decide(&request(&encoded(uri)), Hint::Valid(&ours), Some(&client), ALICE);
        assert_eq!(outcome("http://127.0.0.1:4201").expect("registered").redirect.as_deref(), Some("http://127.0.0.1:4201"));
        for uri in [
            "https://client.example.com/signed-out/",
            "https://client.example.com/signed-out?x",
            "https://CLIENT.example.com/signed-out",
            "https://client.example.com/cb",
            "http://127.0.0.1:4201/",
            "http://127.0.0.1:4202",
            "javascript:alert(1)",
            "https://evil.example/",
        ] {
            assert_eq!(outcome(uri).expect_err(uri).reason, Cause::UnregisteredPostLogoutRedirectUri, "{uri}");
        }
        // Nobody named a client: the person may sign out, and goes nowhere.
        for client in [None, Some(&client)] {
            let nameless = decide(&request(&encoded(AFTER)), Hint::None, client, ALICE).expect("asked");
            assert_eq!(nameless, Decision { confirm: true, redirect: None });
        }
    }

    #[test]
    fn lo_03_hints_that_do_not_fit() {
        let client = client();
        let invalid = decide(&request("id_token_hint=x"), Hint::Invalid, Some(&client), ALICE).expect_err("refused");
        assert_eq!((invalid.reason, invalid.code), (Cause::InvalidIdTokenHint, ErrorCode::InvalidRequest));
        let bobs = hint("bob", Some("s9"), "s6BhdRkqt3");
        assert!(
            decide(&request(""), Hint::Valid(&bobs), Some(&client), ALICE).expect("asked").confirm,
            "alice stays signed in until she says so"
        );
        let other = hint("alice", Some("s1"), "other");
        let crossed = decide(&request("client_id=s6BhdRkqt3"), Hint::Valid(&other), Some(&client), ALICE).expect_err("refused");
        assert_eq!(crossed.reason, Cause::InvalidLogoutRequest);
        let unknown = decide(&request("client_id=gone"), Hint::None, None, ALICE).expect_err("refused");
        assert_eq!(unknown.reason, Cause::UnknownClient);
    }

    #[test]
    fn lo_05_a_session_that_is_gone_is_signed_out() {
        let ours = hint("alice", Some("s1"), "s6BhdRkqt3");
        let decision = decide(&request(&encoded(AFTER)), Hint::Valid(&ours), Some(&client()), None).expect("fine");
        assert_eq!(decision, Decision { confirm: false, redirect: Some(AFTER.to_owned()) });
    }

    #[test]
    fn parameters_that_repeat_are_refused_and_unknown_ones_ignored() {
        let parse = |raw: &str| LogoutRequest::parse(&Params::parse(raw).expect("well-formed"));
        for name in NAMES {
            let twice = parse(&format!("{name}=a&{name}=a")).expect_err(name);
            assert_eq!(twice.reason, Cause::RepeatedParameter(name));
        }
        assert_eq!(parse("foo=1&foo=2&client_id=").expect("fine"), LogoutRequest::default());
        assert_eq!(parse("ui_locales=es%20en").expect("fine").ui_locales, ["es", "en"]);
        assert!(parse(&format!("state={}", "s".repeat(MAX_STATE + 1))).is_err());
    }
}
