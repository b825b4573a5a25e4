//! Values that must not be shown: in a log, an error, a metric, a listing.

use std::fmt;

use zeroize::Zeroizing;

/// What stands in place of a secret wherever it is shown.
pub const MASK: &str = "***";

/// A text that is only shown as [`MASK`] and wiped from memory at its end.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value itself, for the one who uses it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The secret as a URL with its password masked.
    #[must_use]
    pub fn as_masked_url(&self) -> String {
        mask_url(&self.0)
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self::new(value.to_owned())
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Members of a query that carry secrets in connection URLs.
const SECRET_MEMBERS: [&str; 4] = ["password", "passwd", "sslpassword", "token"];

/// A URL with its password masked; a text that is no URL is masked as a whole.
#[must_use]
pub fn mask_url(text: &str) -> String {
    let Ok(mut url) = url::Url::parse(text) else { return MASK.to_owned() };
    if url.password().is_some() && url.set_password(Some(MASK)).is_err() {
        return MASK.to_owned();
    }
    if url.query().is_some() {
        let masked: Vec<(String, String)> = url
            .query_pairs()
            .map(|(name, value)| {
                let secret = SECRET_MEMBERS.contains(&name.to_ascii_lowercase().as_str());
                (name.into_owned(), if secret { MASK.to_owned() } else { value.into_owned() })
            })
            .collect();
        url.query_pairs_mut().clear().extend_pairs(masked);
    }
    // Nothing to hide: as it was written, not as a parser would write it.
    if url.as_str().contains(MASK) { url.to_string() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_masked_wherever_they_stand() {
        assert_eq!(mask_url("postgres://portero:geheim@db/portero"), "postgres://portero:***@db/portero");
        assert_eq!(mask_url("postgres://db/portero?user=p&password=geheim"), "postgres://db/portero?user=p&password=***");
        assert_eq!(mask_url("redis://:geheim@cache:6379"), "redis://:***@cache:6379");
        assert_eq!(mask_url("sqlite:data/portero.db"), "sqlite:data/portero.db");
        assert_eq!(mask_url("geheim"), MASK);
        assert_eq!(format!("{:?}", Secret::new("geheim".to_owned())), MASK);
    }
}
