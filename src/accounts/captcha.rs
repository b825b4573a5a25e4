//! The hook for widgets of others that tell people from programs: Turnstile, hCaptcha, reCAPTCHA. An app's own form shows the widget and sends its
//! token with the sign-up, by the API or a dialect; here the provider is asked whether the token is good. `sign_up` asks when it has taken the sign-up
//! from the allowance of the address: nobody makes the server ask more often than that.
//!
//! Portero's own pages show no such widget: they load nothing from anybody else, and each sign-up there is confirmed by a code that comes by mail.
//! Off unless a provider is set. An answer that does not come is a fault, and lets nobody through.

use std::net::IpAddr;

use serde::Deserialize;
use url::Url;

use crate::outgoing::{FetchError, Outgoing};
use crate::seal::sha256;

/// Longer is no token of any of them.
const LONGEST: usize = 4096;

/// Whose widget it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    Turnstile,
    HCaptcha,
    ReCaptcha,
}

impl Provider {
    /// Where tokens are judged. The three speak the same form.
    const fn endpoint(self) -> &'static str {
        match self {
            Self::Turnstile => "https://challenges.cloudflare.com/turnstile/v0/siteverify",
            Self::HCaptcha => "https://api.hcaptcha.com/siteverify",
            Self::ReCaptcha => "https://www.google.com/recaptcha/api/siteverify",
        }
    }
}

/// A provider, with what it knows us by.
#[derive(Clone)]
pub struct Captcha {
    endpoint: Url,
    secret: String,
}

/// What a form gave, and who judges it.
#[derive(Clone, Copy)]
pub struct Widget<'a> {
    pub provider: &'a Captcha,
    pub outgoing: &'a Outgoing,
    /// Empty where the form gave nothing: nobody is asked then, and it is not passed.
    pub token: &'a str,
}

impl Widget<'_> {
    /// As [`Captcha::passed`].
    pub(super) async fn passed(&self, address: Option<IpAddr>) -> Result<bool, Fault> {
        self.provider.passed(self.outgoing, self.token, address).await
    }
}

/// The provider could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("the captcha provider could not be asked: {0}")]
    Fetch(#[from] FetchError),
    #[error("the captcha provider answered {0}")]
    Status(u16),
    #[error("the captcha provider's answer cannot be read")]
    Answer,
    /// Our own secret is not right: nobody could ever pass.
    #[error("the captcha provider does not know our secret (PORTERO_CAPTCHA_SECRET)")]
    Secret,
}

#[derive(Deserialize)]
struct Judgement {
    success: bool,
    #[serde(default, rename = "error-codes")]
    errors: Vec<String>,
}

impl Captcha {
    #[must_use]
    pub fn new(provider: Provider, secret: &str) -> Self {
        Self::at(Url::parse(provider.endpoint()).expect("it is written as a URL"), secret)
    }

    /// The same at another place that speaks the same form.
    #[must_use]
    pub fn at(endpoint: Url, secret: &str) -> Self {
        Self { endpoint, secret: secret.to_owned() }
    }

    /// Is that the token of somebody who passed? The provider itself takes a token once.
    ///
    /// # Errors
    /// [`Fault`], where there is no answer to go by.
    pub async fn passed(&self, outgoing: &Outgoing, token: &str, address: Option<IpAddr>) -> Result<bool, Fault> {
        if token.is_empty() || token.len() > LONGEST {
            return Ok(false);
        }
        let form = self.form(token, address).into_bytes();
        let fetched = outgoing.post(&self.endpoint, "application/x-www-form-urlencoded", form).await?;
        if fetched.status != 200 {
            return Err(Fault::Status(fetched.status));
        }
        let Judgement { success, errors } = serde_json::from_slice(&fetched.body).map_err(|_| Fault::Answer)?;
        if !success && errors.iter().any(|code| code.ends_with("-input-secret")) {
            return Err(Fault::Secret);
        }
        Ok(success)
    }

    /// What the provider is asked. Made apart from the asking: the serializer cannot wait on another thread.
    fn form(&self, token: &str, address: Option<IpAddr>) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("secret", &self.secret).append_pair("response", token);
        if let Some(address) = address {
            form.append_pair("remoteip", &address.to_string());
        }
        form.finish()
    }
}

/// Never shows the secret.
impl std::fmt::Debug for Captcha {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mark = sha256(self.secret.as_bytes());
        write!(f, "Captcha({}, {:02x}{:02x}…)", self.endpoint, mark[0], mark[1])
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A provider that answers the same to everybody; what it heard.
    async fn provider(answer: &'static str) -> (Captcha, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}/siteverify", listener.local_addr().expect("bound"));
        let heard = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a caller");
            let mut heard = vec![0; 4096];
            let mut length = 0;
            // Head and body may come apart.
            while !String::from_utf8_lossy(&heard[..length]).contains("secret=") {
                length += stream.read(&mut heard[length..]).await.expect("a request");
            }
            stream.write_all(answer.as_bytes()).await.expect("taken");
            String::from_utf8_lossy(&heard[..length]).into_owned()
        });
        (Captcha::at(Url::parse(&endpoint).expect("a URL"), "ge&heim"), heard)
    }

    fn local() -> Outgoing {
        Outgoing::new(vec!["127.0.0.0/8".parse().expect("a network")])
    }

    macro_rules! json {
        ($body:literal) => {
            concat!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n", $body)
        };
    }

    #[tokio::test]
    async fn the_provider_s_word_counts() {
        let (captcha, heard) = provider(json!(r#"{"success":true,"challenge_ts":"x"}"#)).await;
        assert!(captcha.passed(&local(), "tök=n", Some("192.0.2.7".parse().expect("an address"))).await.expect("answered"));
        let heard = heard.await.expect("heard");
        assert!(heard.ends_with("secret=ge%26heim&response=t%C3%B6k%3Dn&remoteip=192.0.2.7"), "{heard}");
        let (captcha, _) = provider(json!(r#"{"success":false,"error-codes":["timeout-or-duplicate"]}"#)).await;
        assert!(!captcha.passed(&local(), "token", None).await.expect("answered"));
        // What cannot be a token is asked of nobody.
        let nowhere = Captcha::new(Provider::Turnstile, "x");
        for token in [String::new(), "x".repeat(LONGEST + 1)] {
            assert!(!nowhere.passed(&local(), &token, None).await.expect("no need to ask"));
        }
    }

    #[tokio::test]
    async fn no_answer_is_a_fault_and_lets_nobody_through() {
        let (captcha, _) = provider("HTTP/1.1 500 Oops\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await;
        assert!(matches!(captcha.passed(&local(), "token", None).await, Err(Fault::Status(500))));
        let (captcha, _) = provider(json!("not JSON")).await;
        assert!(matches!(captcha.passed(&local(), "token", None).await, Err(Fault::Answer)));
        let (captcha, _) = provider(json!(r#"{"success":false,"error-codes":["invalid-input-secret"]}"#)).await;
        assert!(matches!(captcha.passed(&local(), "token", None).await, Err(Fault::Secret)));
        let away = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound");
        let captcha = Captcha::at(Url::parse(&format!("http://{away}/")).expect("a URL"), "geheim");
        assert!(matches!(captcha.passed(&local(), "token", None).await, Err(Fault::Fetch(_))));
        assert!(!format!("{captcha:?}").contains("geheim"));
    }
}
