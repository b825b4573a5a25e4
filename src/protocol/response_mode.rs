//! How the answer of the authorization endpoint travels: query, fragment, form_post (OAuth 2.0 Multiple Response Type Encoding
//! Practices §2.1, OAuth 2.0 Form Post Response Mode §2).
//!
//! Makes the URL or the form's fields; the form's page is `browser::form_post`. Called by `endpoints::authorize`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::authorization::ReplyTo;
use super::error::OAuthError;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// The default of `response_type=code`.
    #[default]
    Query,
    Fragment,
    FormPost,
}

impl ResponseMode {
    pub const ALL: [Self; 3] = [Self::Query, Self::Fragment, Self::FormPost];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Fragment => "fragment",
            Self::FormPost => "form_post",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == name)
    }
}

/// An answer to the client, ready to be sent through the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// For `Location`, with 302 or 303 (RFC 9700 §4.12: never 307).
    Redirect(String),
    /// For a form that submits itself; the page escapes what is in it.
    FormPost { action: String, fields: Vec<(String, String)> },
}

/// The answer to an authorization request: a code, or a refusal.
#[must_use]
pub fn answer(reply_to: &ReplyTo, issuer: &str, outcome: Result<&str, &OAuthError>) -> Answer {
    let mut fields: Vec<(&str, &str)> = match outcome {
        Ok(code) => vec![("code", code)],
        Err(error) => vec![("error", error.code.as_str()), ("error_description", &error.description)],
    };
    // RFC 6749 §4.1.2: "REQUIRED if the "state" parameter was present in the client authorization request. The exact value received
    // from the client."
    if let Some(state) = &reply_to.state {
        fields.push(("state", state));
    }
    // RFC 9207 §2: "In authorization responses to the client, including error responses, an authorization server supporting this
    // specification MUST indicate its identity by including the iss parameter in the response."
    fields.push(("iss", issuer));
    match reply_to.response_mode {
        ResponseMode::Query => Answer::Redirect(append_query(&reply_to.redirect_uri, &fields)),
        ResponseMode::Fragment => Answer::Redirect(format!("{}#{}", reply_to.redirect_uri, encode(&fields))),
        ResponseMode::FormPost => Answer::FormPost {
            action: reply_to.redirect_uri.clone(),
            fields: fields.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        },
    }
}

/// Adds parameters to a registered URI, which has no fragment.
///
/// RFC 6749 §3.1.2: "The endpoint URI MAY include an "application/x-www-form-urlencoded" formatted (per Appendix B) query
/// component ([RFC3986] Section 3.4), which MUST be retained when adding additional query parameters."
pub(super) fn append_query(uri: &str, fields: &[(&str, &str)]) -> String {
    let separator = match uri.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some((_, query)) if query.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{uri}{separator}{}", encode(fields))
}

const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

fn encode(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, COMPONENT))).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::params::Params;

    const ISSUER: &str = "https://id.example:8443/auth/";

    fn reply_to(redirect_uri: &str, response_mode: ResponseMode, state: Option<&str>) -> ReplyTo {
        ReplyTo {
            client_id: "s6BhdRkqt3".to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            response_mode,
            state: state.map(str::to_owned),
        }
    }

    fn location(answer: Answer) -> String {
        match answer {
            Answer::Redirect(location) => location,
            Answer::FormPost { .. } => panic!("a redirect was due"),
        }
    }

    #[test]
    fn rfc6749_4_1_2_example_with_iss() {
        let to = reply_to("https://client.example.com/cb", ResponseMode::Query, Some("xyz"));
        assert_eq!(
            location(answer(&to, "https://honest.as.example", Ok("SplxlOBeZQQYbYS6WxSbIA"))),
            "https://client.example.com/cb?code=SplxlOBeZQQYbYS6WxSbIA&state=xyz&iss=https%3A%2F%2Fhonest.as.example"
        );
    }

    #[test]
    fn rfc9207_2_2_iss_stands_in_errors_too() {
        let to = reply_to("https://client.example.com/cb", ResponseMode::Query, Some("N1zvHe"));
        let refused = OAuthError::access_denied("No");
        assert_eq!(
            location(answer(&to, "https://honest.as.example", Err(&refused))),
            "https://client.example.com/cb?error=access_denied&error_description=No&state=N1zvHe&iss=https%3A%2F%2Fhonest.as.example"
        );
    }

    #[test]
    fn az_07_az_08_state_and_iss_come_back_byte_for_byte_in_every_mode() {
        let hostile = ["\"><script>alert(1)</script>", "a\r\nSet-Cookie: x=1", "🔑 é", "%25 + & = # ?", "' onload='"];
        for state in hostile {
            for mode in ResponseMode::ALL {
                let to = reply_to("https://app.example/cb", mode, Some(state));
                for outcome in [Ok("c"), Err(&OAuthError::invalid_request("x"))] {
                    let (state_back, iss_back) = match answer(&to, ISSUER, outcome) {
                        Answer::Redirect(url) => {
                            assert!(url.bytes().all(|b| b.is_ascii_graphic()), "{url}");
                            let at = url.find(['?', '#']).expect("parameters");
                            let params = Params::parse(&url[at + 1..]).expect("well-formed");
                            (params.get("state").map(str::to_owned), params.get("iss").map(str::to_owned))
                        }
                        Answer::FormPost { action, fields } => {
                            assert_eq!(action, "https://app.example/cb");
                            let field = |name| fields.iter().find(|(given, _)| given == name).map(|(_, value)| value.clone());
                            (field("state"), field("iss"))
                        }
                    };
                    assert_eq!((state_back.as_deref(), iss_back.as_deref()), (Some(state), Some(ISSUER)), "{mode:?}");
                }
            }
        }
    }

    #[test]
    fn rfc6749_3_1_2_a_query_of_the_redirect_uri_is_retained() {
        let cases = [
            ("https://a.example/cb?x=1", "https://a.example/cb?x=1&code=c&iss=i"),
            ("https://a.example/cb?", "https://a.example/cb?code=c&iss=i"),
            ("https://a.example/cb?x=1&", "https://a.example/cb?x=1&code=c&iss=i"),
            ("com.example.app:/cb", "com.example.app:/cb?code=c&iss=i"),
        ];
        for (uri, expected) in cases {
            assert_eq!(location(answer(&reply_to(uri, ResponseMode::Query, None), "i", Ok("c"))), expected);
        }
        let fragment = answer(&reply_to("https://a.example/cb?x=1", ResponseMode::Fragment, None), "i", Ok("c"));
        assert_eq!(location(fragment), "https://a.example/cb?x=1#code=c&iss=i");
    }

    #[test]
    fn multiple_response_types_2_1_names() {
        for mode in ResponseMode::ALL {
            assert_eq!(ResponseMode::parse(mode.as_str()), Some(mode));
            assert_eq!(serde_json::to_value(mode).expect("a string"), mode.as_str());
        }
        for unknown in ["", "Query", "form-post", "query.jwt", "jwt"] {
            assert_eq!(ResponseMode::parse(unknown), None);
        }
    }
}
