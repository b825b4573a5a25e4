//! `captcha`, `captcha_secret`: whose widget an app's own sign-up form may show.

use super::reader::{Reader, choices};
use super::secret::Secret;

/// Whose tokens are taken with a sign-up through the API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CaptchaProvider {
    /// Nobody's, and none is needed.
    #[default]
    Off,
    Turnstile,
    HCaptcha,
    ReCaptcha,
}
choices!(CaptchaProvider { Off: "off", Turnstile: "turnstile", HCaptcha: "hcaptcha", ReCaptcha: "recaptcha" });

/// The provider, and what it knows us by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captcha {
    pub provider: CaptchaProvider,
    pub secret: Option<Secret>,
}

impl Captcha {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let provider = reader.get("captcha", CaptchaProvider::Off);
        let secret = reader.secret("captcha_secret").map(|(secret, source)| {
            reader.note("captcha_secret", Some(super::MASK.to_owned()), source);
            secret
        });
        Self { provider, secret }
    }

    pub(super) fn check(&self, reader: &mut Reader<'_>) {
        match (self.provider, &self.secret) {
            (CaptchaProvider::Off, Some(_)) => reader.warn("PORTERO_CAPTCHA_SECRET is set and PORTERO_CAPTCHA is off".to_owned()),
            (CaptchaProvider::Off, None) | (_, Some(_)) => {}
            (_, None) => {
                reader.problem("captcha_secret", "is not set, and PORTERO_CAPTCHA needs it".to_owned(), Some("the secret key of your site"))
            }
        }
    }
}
