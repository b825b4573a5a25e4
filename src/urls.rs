//! Every path of the server, typed; nobody writes a path twice. A leaf.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

pub const AUTHORIZE: &str = "/oauth2/authorize";
pub const RESUME: &str = "/oauth2/authorize/{interaction}";
pub const TOKEN: &str = "/oauth2/token";
pub const USERINFO: &str = "/oauth2/userinfo";
pub const INTROSPECT: &str = "/oauth2/introspect";
pub const REVOKE: &str = "/oauth2/revoke";
pub const LOGOUT: &str = "/oauth2/logout";
pub const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";
pub const OAUTH_AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
pub const CHANGE_PASSWORD: &str = "/.well-known/change-password";
pub const JWKS: &str = "/.well-known/jwks.json";
/// Everything of the JSON API is below it.
pub const API: &str = "/v1";
pub const OPENAPI: &str = "/openapi.json";
pub const DOCS: &str = "/docs";
pub const DOCS_GROUP: &str = "/docs/{group}";
/// Where the `type` of an error leads.
pub const DOCS_ERRORS: &str = "/docs/errors";
pub const REDOC: &str = "/redoc";
pub const HOME: &str = "/";
pub const SIGN_IN: &str = "/sign-in";
pub const CONSENT: &str = "/consent";
pub const SIGN_UP: &str = "/sign-up";
pub const VERIFY_EMAIL: &str = "/verify-email";
pub const RECOVER: &str = "/recover";
pub const RESET: &str = "/recover/reset";
pub const ACCOUNT: &str = "/account";
pub const ACCOUNT_ACTIVITY: &str = "/account/activity";
pub const ACCOUNT_DATA: &str = "/account/data";
pub const ACCOUNT_PASSWORD: &str = "/account/password";
pub const ACCOUNT_EMAIL: &str = "/account/email";
pub const ACCOUNT_DELETE: &str = "/account/delete";
pub const CHANGE_EMAIL: &str = "/account/email/confirm";
pub const UNDO_EMAIL: &str = "/account/email/undo";
pub const SETUP: &str = "/setup";
pub const PREFERENCES: &str = "/preferences";
pub const STYLESHEET: &str = "/assets/portero.css";
pub const SCRIPT: &str = "/assets/portero.js";
pub const ICON: &str = "/assets/icon.svg";
pub const LOGO: &str = "/assets/logo";
/// The picture of an app.
pub const APP_LOGO: &str = "/assets/app-logo/{client}";
pub const DEMO: &str = "/demo";
pub const DEMO_START: &str = "/demo/start";
pub const DEMO_CALLBACK: &str = "/demo/callback";
pub const DEMO_MAIL: &str = "/demo/mail";
pub const DEMO_MAIL_HTML: &str = "/demo/mail/{mail}";

const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Percent-encodes everything but unreserved characters (RFC 3986 §2.3).
#[must_use]
pub fn encode(value: &str) -> String {
    utf8_percent_encode(value, COMPONENT).to_string()
}

/// The issuer and what follows from it. The issuer's own path stands before every path of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Urls {
    issuer: String,
    origin: String,
    base: String,
}

impl Urls {
    /// `issuer` was checked by config: http or https, no query, no fragment.
    #[must_use]
    pub fn new(issuer: &str) -> Self {
        let after_scheme = issuer.find("://").map_or(0, |at| at + 3);
        let path_at = issuer[after_scheme..].find('/').map_or(issuer.len(), |at| after_scheme + at);
        Self { issuer: issuer.to_owned(), origin: issuer[..path_at].to_owned(), base: issuer[path_at..].trim_end_matches('/').to_owned() }
    }

    /// The issuer identifier, byte for byte as configured.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Scheme, host and port: what a browser sends as `Origin` from our pages.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    #[must_use]
    pub fn is_https(&self) -> bool {
        self.issuer.starts_with("https://")
    }

    /// The issuer's own path without a final slash: empty, or `/auth`.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A path of the server as a browser must ask for it.
    #[must_use]
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The same with scheme and host.
    #[must_use]
    pub fn absolute(&self, path: &str) -> String {
        format!("{}{}{path}", self.origin, self.base)
    }

    /// Back to the dispatcher of the browser flow.
    #[must_use]
    pub fn resume(&self, interaction: &str, mac: &str) -> String {
        format!("{}{AUTHORIZE}/{interaction}?mac={mac}", self.base)
    }

    /// The sign-in page of a flow.
    #[must_use]
    pub fn sign_in(&self, interaction: &str, mac: &str) -> String {
        format!("{}{SIGN_IN}?interaction={interaction}&mac={mac}", self.base)
    }

    /// The consent page of a flow.
    #[must_use]
    pub fn consent(&self, interaction: &str, mac: &str) -> String {
        format!("{}{CONSENT}?interaction={interaction}&mac={mac}", self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_with_and_without_a_path() {
        let plain = Urls::new("https://id.example");
        assert_eq!((plain.origin(), plain.base()), ("https://id.example", ""));
        assert_eq!(plain.absolute(TOKEN), "https://id.example/oauth2/token");
        let nested = Urls::new("https://example.org:8443/auth/");
        assert_eq!((nested.origin(), nested.base()), ("https://example.org:8443", "/auth"));
        assert_eq!(nested.path(TOKEN), "/auth/oauth2/token");
        assert_eq!(nested.issuer(), "https://example.org:8443/auth/");
    }
}
