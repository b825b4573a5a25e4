//! Every way through the browser flow that a fact can turn.

use super::*;
use crate::protocol::authorization::{Prompts, ReplyTo};
use crate::protocol::client::{AuthMethod, fixture};
use crate::protocol::response_mode::ResponseMode;

const START: i64 = 1_700_000_000;

fn at(seconds: i64) -> Time {
    Time::from_timestamp(START + seconds, 0).expect("in range")
}

fn scopes(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn request(prompts: &[Prompt]) -> AuthorizationRequest {
    AuthorizationRequest {
        reply_to: ReplyTo {
            client_id: "s6BhdRkqt3".to_owned(),
            redirect_uri: "https://client.example.com/cb".to_owned(),
            response_mode: ResponseMode::Query,
            state: None,
        },
        redirect_uri_sent: true,
        scope: scopes(&["openid", "profile"]),
        nonce: None,
        code_challenge: None,
        prompt: prompts.iter().copied().collect::<Prompts>(),
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
    }
}

/// Alice signed in ten minutes before the flow began, and allowed this client both scopes long ago.
struct Case {
    request: AuthorizationRequest,
    client: Client,
    session: Option<(&'static str, &'static str, i64, &'static str)>,
    remembered: Option<Vec<String>>,
    signed_in: Option<&'static str>,
    chosen: Option<&'static str>,
    consented: Option<&'static str>,
}

impl Case {
    fn new(prompts: &[Prompt]) -> Self {
        Self {
            request: request(prompts),
            client: fixture("openid profile email offline_access", None),
            session: Some(("s1", "alice", -600, "1")),
            remembered: Some(scopes(&["openid", "profile"])),
            signed_in: None,
            chosen: None,
            consented: None,
        }
    }

    fn next(&self) -> Result<Step, ErrorCode> {
        let session = self.session.map(|(id, user_id, auth_time, acr)| SessionFacts { id, user_id, auth_time: at(auth_time), acr });
        next_step(&Facts {
            request: &self.request,
            client: &self.client,
            session,
            remembered: self.remembered.as_deref(),
            signed_in: self.signed_in,
            chosen: self.chosen,
            consented: self.consented,
            started_at: at(0),
            now: at(5),
        })
        .map_err(|error| error.code)
    }

    /// Alice signs in again inside the flow.
    fn sign_in(mut self) -> Self {
        (self.session, self.signed_in) = (Some(("s2", "alice", 3, "1")), Some("s2"));
        self
    }
}

#[test]
fn oidc_core_3_1_2_3_a_session_and_a_remembered_consent_are_enough() {
    assert_eq!(Case::new(&[]).next(), Ok(Step::Done));
    assert_eq!(Case::new(&[Prompt::None]).next(), Ok(Step::Done));
    assert_eq!(Case { session: None, ..Case::new(&[]) }.next(), Ok(Step::SignIn));
}

#[test]
fn az_10_oidc_core_3_1_2_6_prompt_none_never_shows_a_page() {
    let none = || Case::new(&[Prompt::None]);
    assert_eq!(Case { session: None, ..none() }.next(), Err(ErrorCode::LoginRequired));
    assert_eq!(Case { remembered: None, ..none() }.next(), Err(ErrorCode::ConsentRequired));
    let mut old = none();
    old.request.max_age = Some(60);
    assert_eq!(old.next(), Err(ErrorCode::LoginRequired));
    old.request.max_age = Some(3600);
    assert_eq!(old.next(), Ok(Step::Done));
}

#[test]
fn az_12_prompt_login_is_satisfied_once_and_by_this_flow_alone() {
    assert_eq!(Case::new(&[Prompt::Login]).next(), Ok(Step::SignIn));
    assert_eq!(Case::new(&[Prompt::Login]).sign_in().next(), Ok(Step::Done));
    let other_tab = Case { session: Some(("s9", "alice", 3, "1")), signed_in: Some("s2"), ..Case::new(&[Prompt::Login]) };
    assert_eq!(other_tab.next(), Ok(Step::SignIn), "the session has changed since");
    let forged = Case { signed_in: Some("s1"), ..Case::new(&[Prompt::Login]) };
    assert_eq!(forged.next(), Ok(Step::SignIn), "a session from before the flow is no answer to it");
    let skewed = Case { session: Some(("s2", "alice", -30, "1")), signed_in: Some("s2"), ..Case::new(&[Prompt::Login]) };
    assert_eq!(skewed.next(), Ok(Step::Done), "a replica's clock half a minute behind makes no loop");
}

#[test]
fn az_13_oidc_core_3_1_2_1_max_age() {
    for (max_age, default_max_age, step) in [
        (Some(0), None, Step::SignIn),
        (Some(1), None, Step::SignIn),
        (Some(604), None, Step::SignIn),
        (Some(605), None, Step::SignIn),
        (Some(606), None, Step::Done),
        (Some(i64::MAX.unsigned_abs()), None, Step::Done),
        (None, Some(0), Step::SignIn),
        (None, Some(3600), Step::Done),
        (Some(3600), Some(0), Step::Done),
    ] {
        let mut case = Case::new(&[]);
        (case.request.max_age, case.client.default_max_age) = (max_age, default_max_age);
        assert_eq!(case.next(), Ok(step), "{max_age:?} {default_max_age:?}");
        assert_eq!(case.sign_in().next(), Ok(Step::Done), "{max_age:?} {default_max_age:?}");
    }
    let mut ahead = Case { session: Some(("s1", "alice", 30, "1")), ..Case::new(&[]) };
    ahead.request.max_age = Some(0);
    assert_eq!(ahead.next(), Ok(Step::SignIn), "however the clocks stand");
}

#[test]
fn az_14_id_token_hint_for_another_person() {
    let hint = |prompts: &[Prompt]| {
        let mut case = Case::new(prompts);
        case.request.hint_sub = Some("bob".to_owned());
        case
    };
    assert_eq!(hint(&[Prompt::None]).next(), Err(ErrorCode::LoginRequired));
    assert_eq!(hint(&[]).next(), Ok(Step::SignIn));
    assert_eq!(hint(&[]).sign_in().next(), Err(ErrorCode::LoginRequired), "alice again: the client wanted bob");
    let bob = Case { session: Some(("s2", "bob", 3, "1")), signed_in: Some("s2"), ..hint(&[]) };
    assert_eq!(bob.next(), Ok(Step::Done));
}

#[test]
fn oidc_core_3_1_2_2_sub_in_the_claims_parameter_is_a_condition() {
    let mut case = Case::new(&[Prompt::None]);
    case.request.claims = Some(ClaimsRequest::parse(r#"{"id_token":{"sub":{"value":"bob"}}}"#).expect("valid"));
    assert_eq!(case.next(), Err(ErrorCode::LoginRequired));
    case.request.hint_sub = Some("alice".to_owned());
    assert_eq!(case.next(), Err(ErrorCode::LoginRequired), "a hint for one does not excuse the other");
    case.request.claims = Some(ClaimsRequest::parse(r#"{"id_token":{"sub":{"value":"alice"}}}"#).expect("valid"));
    assert_eq!(case.next(), Ok(Step::Done));
}

#[test]
fn az_17_rfc9470_5_essential_acr() {
    let step_up = |prompts: &[Prompt]| {
        let mut case = Case::new(prompts);
        case.request.essential_acr = Some(scopes(&["2"]));
        case
    };
    assert_eq!(step_up(&[]).next(), Ok(Step::SignIn));
    assert_eq!(step_up(&[Prompt::None]).next(), Err(ErrorCode::LoginRequired));
    assert_eq!(step_up(&[]).sign_in().next(), Err(ErrorCode::UnmetAuthenticationRequirements));
    let reached = Case { session: Some(("s2", "alice", 3, "2")), signed_in: Some("s2"), ..step_up(&[]) };
    assert_eq!(reached.next(), Ok(Step::Done));
    let mut wish = Case::new(&[]);
    wish.request.acr_values = scopes(&["2"]);
    assert_eq!(wish.next(), Ok(Step::Done), "voluntary");
}

#[test]
fn prompt_select_account_is_answered_by_a_choice_or_a_sign_in() {
    assert_eq!(Case::new(&[Prompt::SelectAccount]).next(), Ok(Step::SelectAccount));
    assert_eq!(Case { chosen: Some("s1"), ..Case::new(&[Prompt::SelectAccount]) }.next(), Ok(Step::Done));
    assert_eq!(Case { chosen: Some("s0"), ..Case::new(&[Prompt::SelectAccount]) }.next(), Ok(Step::SelectAccount));
    assert_eq!(Case::new(&[Prompt::SelectAccount]).sign_in().next(), Ok(Step::Done));
    let both = Case { chosen: Some("s1"), ..Case::new(&[Prompt::SelectAccount, Prompt::Login]) };
    assert_eq!(both.next(), Ok(Step::SignIn), "choosing is not signing in");
}

#[test]
fn oidc_core_3_1_2_4_consent_is_remembered_and_asked_again_when_scopes_grow() {
    assert_eq!(Case { remembered: None, ..Case::new(&[]) }.next(), Ok(Step::Consent));
    assert_eq!(Case { remembered: None, consented: Some("alice"), ..Case::new(&[]) }.next(), Ok(Step::Done));
    assert_eq!(Case { remembered: None, consented: Some("bob"), ..Case::new(&[]) }.next(), Ok(Step::Consent));
    assert_eq!(Case { remembered: Some(scopes(&["openid"])), ..Case::new(&[]) }.next(), Ok(Step::Consent));
    assert_eq!(Case { remembered: Some(scopes(&["profile", "openid", "email"])), ..Case::new(&[]) }.next(), Ok(Step::Done));
    assert_eq!(Case::new(&[Prompt::Consent]).next(), Ok(Step::Consent));
    assert_eq!(Case { consented: Some("alice"), ..Case::new(&[Prompt::Consent]) }.next(), Ok(Step::Done));
}

#[test]
fn az_28_after_a_client_was_narrowed_the_rest_is_still_allowed() {
    let mut case = Case::new(&[Prompt::None]);
    case.request.scope = scopes(&["openid"]);
    assert_eq!(case.next(), Ok(Step::Done));
    case.request.scope = scopes(&["openid", "email"]);
    assert_eq!(case.next(), Err(ErrorCode::ConsentRequired));
}

#[test]
fn first_party_clients_ask_only_when_told_to() {
    let own = |prompts: &[Prompt]| {
        let case = Case { remembered: None, ..Case::new(prompts) };
        Case { client: Client { first_party: true, ..case.client.clone() }, ..case }
    };
    assert_eq!(own(&[]).next(), Ok(Step::Done));
    assert_eq!(own(&[Prompt::None]).next(), Ok(Step::Done));
    assert_eq!(own(&[Prompt::Consent]).next(), Ok(Step::Consent));
}

#[test]
fn az_27_rfc8252_8_6_a_client_whose_identity_is_not_assured_asks_each_time() {
    for (uri, method, first_party, step) in [
        ("http://127.0.0.1:51004/cb", AuthMethod::None, false, Step::Consent),
        ("http://localhost:3000/cb", AuthMethod::None, false, Step::Consent),
        ("com.example.app:/cb", AuthMethod::None, false, Step::Consent),
        ("https://client.example.com/cb", AuthMethod::None, false, Step::Done),
        ("http://127.0.0.1:51004/cb", AuthMethod::ClientSecretBasic, false, Step::Done),
        ("http://127.0.0.1:51004/cb", AuthMethod::None, true, Step::Done),
    ] {
        let mut case = Case::new(&[]);
        (case.client.token_endpoint_auth_method, case.client.first_party) = (method, first_party);
        case.request.reply_to.redirect_uri = uri.to_owned();
        assert_eq!(case.next(), Ok(step), "{uri} {method:?}");
        case.consented = Some("alice");
        assert_eq!(case.next(), Ok(Step::Done), "{uri} {method:?}");
        case.consented = None;
        case.request.prompt = [Prompt::None].into_iter().collect();
        assert_eq!(case.next().is_err(), step == Step::Consent, "{uri} {method:?}");
    }
}

#[test]
fn tj_21_claims_asked_for_one_by_one_need_permission_too() {
    let mut case = Case::new(&[]);
    case.request.claims = Some(ClaimsRequest::parse(r#"{"userinfo":{"email":null,"name":null}}"#).expect("valid"));
    assert_eq!(case.next(), Ok(Step::Consent));
    let asked = consent_scope(&case.request, &case.client, case.remembered.as_deref());
    assert_eq!(asked, ["openid", "profile", "email"]);
    assert_eq!(granted_scope(&case.request, &case.client, None, true), ["openid", "profile"], "claims are no scopes of the token");
    case.remembered = Some(asked);
    assert_eq!(case.next(), Ok(Step::Done));
}

#[test]
fn rt_13_oidc_core_11_offline_access_has_to_be_earned() {
    let with = scopes(&["openid", "offline_access"]);
    for (prompts, first_party, remembered, asked, kept) in [
        (&[][..], false, None, false, false),
        (&[], false, None, true, false),
        (&[Prompt::Consent], false, None, false, false),
        (&[Prompt::Consent], false, None, true, true),
        (&[], false, Some(with.clone()), false, true),
        (&[], false, Some(scopes(&["openid"])), true, false),
        (&[], true, None, false, true),
    ] {
        let mut case = Case::new(prompts);
        (case.request.scope, case.client.first_party) = (with.clone(), first_party);
        let granted = granted_scope(&case.request, &case.client, remembered.as_deref(), asked);
        assert_eq!(scope::contains(&granted, scope::OFFLINE_ACCESS), kept, "{prompts:?} {first_party} {remembered:?} {asked}");
    }
    let mut dropped = Case { remembered: Some(scopes(&["openid"])), ..Case::new(&[Prompt::None]) };
    dropped.request.scope = with;
    assert_eq!(dropped.next(), Ok(Step::Done), "what is ignored needs no permission");
    dropped.request.prompt = [Prompt::Consent].into_iter().collect();
    assert_eq!(consent_scope(&dropped.request, &dropped.client, None), ["openid", "offline_access"]);
}
