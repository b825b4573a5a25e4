//! The forms and answers of the protocol endpoints, for the OpenAPI document alone: what is read and written is by `protocol`.

use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

/// RFC 6749 §5.2.
#[derive(Serialize, ToSchema)]
pub struct OAuthError {
    #[schema(example = "invalid_request")]
    error: String,
    #[schema(nullable = false)]
    error_description: Option<String>,
}

/// RFC 6750 §3.1. Whoever brings no token is told of no error: the object is empty then.
#[derive(Serialize, ToSchema)]
pub struct BearerError {
    #[schema(nullable = false, example = "invalid_token")]
    error: Option<String>,
    #[schema(nullable = false)]
    error_description: Option<String>,
}

/// RFC 6749 §4.1.3, §4.3.2, §4.4.2, §6.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a form")]
pub struct TokenRequest {
    #[schema(example = "client_credentials")]
    grant_type: String,
    /// For `authorization_code`.
    #[schema(nullable = false)]
    code: Option<String>,
    #[schema(nullable = false)]
    redirect_uri: Option<String>,
    /// RFC 7636 §4.5.
    #[schema(nullable = false)]
    code_verifier: Option<String>,
    /// For `refresh_token`.
    #[schema(nullable = false)]
    refresh_token: Option<String>,
    /// For `password`, of first-party clients alone.
    #[schema(nullable = false)]
    username: Option<String>,
    #[schema(nullable = false)]
    password: Option<String>,
    #[schema(nullable = false)]
    scope: Option<String>,
    /// RFC 8707 §2.2.
    #[schema(nullable = false)]
    resource: Option<String>,
    /// Where the client does not authenticate by the header.
    #[schema(nullable = false)]
    client_id: Option<String>,
    #[schema(nullable = false)]
    client_secret: Option<String>,
}

/// RFC 7662 §2.1, RFC 7009 §2.1.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a form")]
pub struct TokenForm {
    #[schema(example = "TOKEN")]
    token: String,
    #[schema(nullable = false)]
    token_type_hint: Option<String>,
    /// Where the client does not authenticate by the header.
    #[schema(nullable = false)]
    client_id: Option<String>,
    #[schema(nullable = false)]
    client_secret: Option<String>,
}

/// RFC 6749 §4.1.1, OIDC Core §3.1.2.1.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes a query")]
pub struct AuthorizationParameters {
    client_id: String,
    /// `code`.
    response_type: String,
    redirect_uri: Option<String>,
    scope: Option<String>,
    state: Option<String>,
    nonce: Option<String>,
    /// RFC 7636 §4.3.
    code_challenge: Option<String>,
    /// `S256`.
    code_challenge_method: Option<String>,
    /// `query`, `fragment` or `form_post`.
    response_mode: Option<String>,
    /// `none`, `login`, `consent`, `select_account`.
    prompt: Option<String>,
    max_age: Option<u64>,
    login_hint: Option<String>,
    id_token_hint: Option<String>,
    ui_locales: Option<String>,
    acr_values: Option<String>,
    display: Option<String>,
    /// OIDC Core §5.5.
    claims: Option<String>,
    /// RFC 8707 §2.1.
    resource: Option<String>,
}

/// RP-Initiated Logout 1.0 §2.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes a query")]
pub struct LogoutParameters {
    id_token_hint: Option<String>,
    client_id: Option<String>,
    post_logout_redirect_uri: Option<String>,
    /// Known, and without effect: one browser has one session.
    logout_hint: Option<String>,
    state: Option<String>,
    ui_locales: Option<String>,
}
