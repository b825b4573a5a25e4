//! What a client for a known framework is, and the lines that go into its project: `client create --preset NAME`.
//!
//! Called by `cli`. The addresses come from the caller, who knows where the server is.

use crate::protocol::client_metadata::ClientMetadata;

/// A kind of project. What it sets, the caller's own metadata overrides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Next.js with Auth.js.
    Nextjs,
    /// A single-page application with oidc-client-ts.
    Spa,
    /// An application on a phone or a desktop (RFC 8252).
    Native,
    /// Django with mozilla-django-oidc.
    Django,
    /// A client of the Model Context Protocol.
    Mcp,
}

/// Where the server is and who the client is, for the snippet.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub issuer: &'a str,
    pub authorization_endpoint: &'a str,
    pub token_endpoint: &'a str,
    pub userinfo_endpoint: &'a str,
    pub end_session_endpoint: &'a str,
    pub jwks_uri: &'a str,
    pub client_id: &'a str,
    pub client_secret: Option<&'a str>,
    /// The first that is registered.
    pub redirect_uri: &'a str,
    /// The first that is registered.
    pub post_logout_redirect_uri: &'a str,
    pub scope: &'a str,
}

impl Preset {
    pub const ALL: [Self; 5] = [Self::Nextjs, Self::Spa, Self::Native, Self::Django, Self::Mcp];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nextjs => "nextjs",
            Self::Spa => "spa",
            Self::Native => "native",
            Self::Django => "django",
            Self::Mcp => "mcp",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.as_str() == name)
    }

    /// `given`, with what this preset sets where it says nothing.
    #[must_use]
    pub fn complete(self, given: ClientMetadata) -> ClientMetadata {
        let list = |uris: &[&str]| Some(uris.iter().map(|uri| (*uri).to_owned()).collect::<Vec<_>>());
        let (redirect_uris, after_sign_out) = self.addresses();
        let auth_method = if self.is_public() { "none" } else { "client_secret_basic" };
        ClientMetadata {
            redirect_uris: given.redirect_uris.or_else(|| list(redirect_uris)),
            post_logout_redirect_uris: given.post_logout_redirect_uris.or_else(|| list(after_sign_out)),
            grant_types: given.grant_types.or_else(|| list(&["authorization_code", "refresh_token"])),
            token_endpoint_auth_method: given.token_endpoint_auth_method.or_else(|| Some(auth_method.to_owned())),
            ..given
        }
    }

    const fn is_public(self) -> bool {
        matches!(self, Self::Spa | Self::Native | Self::Mcp)
    }

    /// Redirect URIs, and where to go after sign-out: those of the framework's development server.
    const fn addresses(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Nextjs => (&["http://localhost:3000/api/auth/callback/portero"], &["http://localhost:3000"]),
            Self::Spa => (&["http://localhost:5173/callback"], &["http://localhost:5173/"]),
            // Any port of these addresses will do (RFC 8252 §7.3).
            Self::Native => (&["http://127.0.0.1/callback", "http://[::1]/callback"], &[]),
            Self::Django => (&["http://localhost:8000/oidc/callback/"], &["http://localhost:8000/"]),
            Self::Mcp => (&["http://localhost:3334/oauth/callback", "http://127.0.0.1/oauth/callback", "http://127.0.0.1/callback"], &[]),
        }
    }

    /// The lines for the project, with the values of this client. They hold its secret: to be shown as it is, once.
    #[must_use]
    pub fn snippet(self, facts: &Facts<'_>) -> String {
        let Facts { issuer, client_id, redirect_uri, scope, .. } = facts;
        let secret = facts.client_secret.unwrap_or_default();
        match self {
            Self::Nextjs => format!(
                r#"# .env.local
AUTH_SECRET="…"            # openssl rand -base64 33
AUTH_PORTERO_ISSUER="{issuer}"
AUTH_PORTERO_ID="{client_id}"
AUTH_PORTERO_SECRET="{secret}"

// auth.ts (npm install next-auth@beta: version 5)
import NextAuth from "next-auth"

export const {{ handlers, auth, signIn, signOut }} = NextAuth({{
  providers: [
    {{
      id: "portero",
      name: "Portero",
      type: "oidc",
      issuer: process.env.AUTH_PORTERO_ISSUER,
      clientId: process.env.AUTH_PORTERO_ID,
      clientSecret: process.env.AUTH_PORTERO_SECRET,
      checks: ["pkce", "state", "nonce"],
    }},
  ],
}})

// app/api/auth/[...nextauth]/route.ts
import {{ handlers }} from "@/auth"
export const {{ GET, POST }} = handlers
"#
            ),
            Self::Spa => format!(
                r#"// auth.ts (npm install oidc-client-ts)
import {{ UserManager }} from "oidc-client-ts"

export const auth = new UserManager({{
  authority: "{issuer}",
  client_id: "{client_id}",
  redirect_uri: "{redirect_uri}",
  post_logout_redirect_uri: "{}",
  scope: "openid profile email",
}})

// to sign in:           await auth.signinRedirect()
// on the callback page: const user = await auth.signinCallback()
// to sign out:          await auth.signoutRedirect()
// Tokens are renewed by the refresh token; a hidden frame would be asked for consent on http://localhost.
"#,
                facts.post_logout_redirect_uri
            ),
            Self::Native => format!(
                r"# AppAuth, or any library for native applications: code flow with PKCE (S256), in the system's browser
issuer       = {issuer}
client_id    = {client_id}
redirect_uri = {redirect_uri}
scope        = {scope}

# On 127.0.0.1 and [::1] any free port will do (RFC 8252 §7.3), with the path as it is registered: http://127.0.0.1:PORT/callback
# offline_access lets the app stay signed in after the browser's session; it needs prompt=consent in the request
"
            ),
            Self::Django => format!(
                r#"# oidc.py, beside settings.py (pip install mozilla-django-oidc)
from urllib.parse import urlencode

from mozilla_django_oidc.auth import OIDCAuthenticationBackend


class Backend(OIDCAuthenticationBackend):
    # It finds people by their address: only a confirmed one says who they are.
    def verify_claims(self, claims):
        return claims.get("email_verified") is True and super().verify_claims(claims)


def sign_out(request):
    return "{}?" + urlencode({{
        "client_id": "{client_id}",
        "id_token_hint": request.session.get("oidc_id_token", ""),
        "post_logout_redirect_uri": "{}",
    }})

# settings.py
INSTALLED_APPS += ["mozilla_django_oidc"]
AUTHENTICATION_BACKENDS = ["YOUR_PROJECT.oidc.Backend", "django.contrib.auth.backends.ModelBackend"]
OIDC_RP_CLIENT_ID = "{client_id}"
OIDC_RP_CLIENT_SECRET = "{secret}"
OIDC_RP_SIGN_ALGO = "RS256"
OIDC_RP_SCOPES = "openid profile email"
OIDC_USE_PKCE = True
OIDC_TOKEN_USE_BASIC_AUTH = True
OIDC_STORE_ID_TOKEN = True
OIDC_OP_LOGOUT_URL_METHOD = "YOUR_PROJECT.oidc.sign_out"
OIDC_OP_AUTHORIZATION_ENDPOINT = "{}"
OIDC_OP_TOKEN_ENDPOINT = "{}"
OIDC_OP_USER_ENDPOINT = "{}"
OIDC_OP_JWKS_ENDPOINT = "{}"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"

# urls.py
from django.urls import include, path

urlpatterns += [path("oidc/", include("mozilla_django_oidc.urls"))]
"#,
                facts.end_session_endpoint,
                facts.post_logout_redirect_uri,
                facts.authorization_endpoint,
                facts.token_endpoint,
                facts.userinfo_endpoint,
                facts.jwks_uri
            ),
            Self::Mcp => format!(
                r#"# The MCP server, at /.well-known/oauth-protected-resource/mcp (RFC 9728 §3.1)
{{ "resource": "https://YOUR-SERVER/mcp", "authorization_servers": ["{issuer}"] }}

# A client that was not made for signing in, by mcp-remote
npx mcp-remote https://YOUR-SERVER/mcp 3334 --static-oauth-client-info '{{"client_id":"{client_id}"}}'

# A client that asks for an id: {client_id} (public, no secret)
# Tokens for YOUR-SERVER need it as a resource: portero client update {client_id} --resource https://YOUR-SERVER/mcp
# Scopes of YOUR-SERVER's own, such as mcp:tools, are registered by the same command: --scope "openid mcp:tools"
# http://localhost is one port alone; a client that listens on a port of its choice does so on 127.0.0.1 or [::1] (RFC 8252 §7.3)
"#
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::AuthMethod;

    const FACTS: Facts<'_> = Facts {
        issuer: "https://id.example",
        authorization_endpoint: "https://id.example/oauth2/authorize",
        token_endpoint: "https://id.example/oauth2/token",
        userinfo_endpoint: "https://id.example/oauth2/userinfo",
        jwks_uri: "https://id.example/.well-known/jwks.json",
        client_id: "cli_1",
        client_secret: Some("pcs_hush"),
        redirect_uri: "https://app.example/callback",
        end_session_endpoint: "https://id.example/oauth2/logout",
        post_logout_redirect_uri: "https://app.example/",
        scope: "openid profile",
    };

    #[test]
    fn every_preset_makes_a_valid_client_by_itself() {
        for preset in Preset::ALL {
            assert_eq!(Preset::parse(preset.as_str()), Some(preset));
            let metadata = preset.complete(ClientMetadata::default());
            let defaults = super::super::defaults_for(&metadata);
            let client = metadata.into_client("cli_1", &defaults).unwrap_or_else(|error| panic!("{preset:?}: {error:?}"));
            assert_eq!(client.is_public(), preset.is_public());
        }
        assert_eq!(Preset::parse("rails"), None);
    }

    #[test]
    fn what_is_given_goes_before_the_preset() {
        let given = ClientMetadata {
            redirect_uris: Some(vec!["https://app.example/cb".into()]),
            token_endpoint_auth_method: Some("client_secret_post".into()),
            client_name: Some("Mine".into()),
            ..ClientMetadata::default()
        };
        let metadata = Preset::Nextjs.complete(given);
        let defaults = super::super::defaults_for(&metadata);
        let client = metadata.into_client("cli_1", &defaults).expect("a client");
        assert_eq!(client.redirect_uris, ["https://app.example/cb"]);
        assert_eq!(client.token_endpoint_auth_method, AuthMethod::ClientSecretPost);
        assert_eq!(client.client_name.as_deref(), Some("Mine"));
        assert_eq!(client.post_logout_redirect_uris, ["http://localhost:3000"]);
    }

    #[test]
    fn snippets_hold_the_values_and_a_secret_only_where_there_is_one() {
        for preset in Preset::ALL {
            let snippet = preset.snippet(&FACTS);
            assert!(snippet.contains("https://id.example") && snippet.contains("cli_1"), "{preset:?}: {snippet}");
            assert_eq!(snippet.contains("pcs_hush"), !preset.is_public(), "{preset:?}");
            assert!(!snippet.contains("{{") && !snippet.contains("}}"), "{preset:?}");
        }
        assert!(Preset::Spa.snippet(&FACTS).contains(r#"redirect_uri: "https://app.example/callback""#));
        assert!(Preset::Django.snippet(&FACTS).contains(r#"OIDC_OP_TOKEN_ENDPOINT = "https://id.example/oauth2/token""#));
    }
}
