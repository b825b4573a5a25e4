//! A flow belongs to the browser that started it: the flow cookie, one random value per browser, whose digest the
//! interaction holds, and the MAC that each step's address carries.
//!
//! `endpoints::authorize` starts flows and goes on with them; `web` checks the same way before it shows a page. What an interaction
//! is and what comes next is not decided here.

use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::visit::{Visit, set_cookie};
use crate::seal::{Digest, Purpose, Seal};
use crate::urls::Urls;

const NAME: &str = "flow";

/// The steps of a flow, each with an address of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowStep {
    Resume,
    SignIn,
    Consent,
}

impl FlowStep {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Resume => b"resume",
            Self::SignIn => b"sign-in",
            Self::Consent => b"consent",
        }
    }
}

/// The browser as a flow knows it.
#[derive(Clone, Debug)]
pub struct Browser {
    /// The value of its flow cookie.
    pub value: String,
    /// The cookie to set, if the browser had none.
    pub set: Option<HeaderValue>,
}

impl Browser {
    /// What an interaction holds in place of the cookie.
    #[must_use]
    pub fn digest(&self, seal: &Seal) -> String {
        seal.digest(Purpose::Token, &self.value).hex()
    }
}

/// The browser's flow cookie, or a new one from 32 bytes of fresh randomness. It lives as long as the browser is open.
#[must_use]
pub fn browser(visit: &Visit, urls: &Urls, random: [u8; 32]) -> Browser {
    match value(visit, urls) {
        Some(value) => Browser { value: value.to_owned(), set: None },
        None => {
            let value = URL_SAFE_NO_PAD.encode(random);
            let set = Some(set_cookie(urls, NAME, &value, None));
            Browser { value, set }
        }
    }
}

/// The flow cookie as the browser sent it.
#[must_use]
pub fn value<'v>(visit: &'v Visit, urls: &Urls) -> Option<&'v str> {
    visit.cookie(urls, NAME)
}

/// The MAC in a step's address: this step, of this interaction, in the browser with this digest.
#[must_use]
pub fn mac(seal: &Seal, step: FlowStep, interaction: &str, browser: &str) -> String {
    URL_SAFE_NO_PAD.encode(seal.mac(Purpose::FlowStep, &[step.label(), interaction.as_bytes(), browser.as_bytes()]).0)
}

/// Did this server make this address for the browser that now comes with it? Says nothing of whether the interaction still exists;
/// whoever reads it compares its `browser` with the answer.
#[must_use]
pub fn check(visit: &Visit, urls: &Urls, seal: &Seal, step: FlowStep, interaction: &str, given: &str) -> Option<String> {
    let browser = seal.digest(Purpose::Token, value(visit, urls)?).hex();
    let given: [u8; 32] = URL_SAFE_NO_PAD.decode(given).ok()?.try_into().ok()?;
    let expected = seal.mac(Purpose::FlowStep, &[step.label(), interaction.as_bytes(), browser.as_bytes()]);
    expected.matches(&Digest(given)).then_some(browser)
}

#[cfg(test)]
mod tests {
    use super::super::visit::tests::visit;
    use super::*;

    #[test]
    fn a_step_is_for_its_browser_its_interaction_and_itself() {
        let (seal, urls) = (Seal::new(&[3; 32]), Urls::new("http://127.0.0.1:8080"));
        let started = browser(&visit("GET", "/", &[]), &urls, [1; 32]);
        let cookie = started.set.clone().expect("a new browser gets a cookie");
        let pair = cookie.to_str().expect("ascii").split(';').next().expect("a pair");
        let same = visit("GET", "/", &[("cookie", pair)]);
        assert_eq!(browser(&same, &urls, [2; 32]).value, started.value);
        assert!(browser(&same, &urls, [2; 32]).set.is_none());

        let mac = mac(&seal, FlowStep::Consent, "i1", &started.digest(&seal));
        let ok = |visit: &Visit, step, id: &str, mac: &str| check(visit, &urls, &seal, step, id, mac).is_some();
        assert!(ok(&same, FlowStep::Consent, "i1", &mac));
        assert!(!ok(&same, FlowStep::Resume, "i1", &mac));
        assert!(!ok(&same, FlowStep::Consent, "i2", &mac));
        assert!(!ok(&visit("GET", "/", &[("cookie", "portero_flow=other")]), FlowStep::Consent, "i1", &mac));
        assert!(!ok(&visit("GET", "/", &[]), FlowStep::Consent, "i1", &mac));
        assert!(!ok(&same, FlowStep::Consent, "i1", ""));
        assert!(!ok(&same, FlowStep::Consent, "i1", &mac[..40]));
    }
}
