//! What a client gets that asks for itself (RFC 6749 §4.4). Called by `endpoints::token`.

use super::client::Client;
use super::error::OAuthError;
use super::machine::{self, CredentialsFacts};
use super::scope;

/// The scopes of the token: of those asked for what is registered for the client; without any its default, else all. Scopes about a
/// person never: there is none.
///
/// # Errors
/// `invalid_scope` for a malformed scope, or when it asked for something and nothing is left.
pub fn granted_scope(client: &Client, asked: Option<&str>) -> Result<Vec<String>, OAuthError> {
    let mut ordered = Vec::new();
    let set = machine::client_credentials(&CredentialsFacts { client_id: &client.client_id, scope: asked }, |asked| {
        let registered = scope::parse(&client.scope)?;
        let wanted = scope::parse(asked.or(client.default_scope.as_deref()).unwrap_or(&client.scope))?;
        let own = |name: &String| scope::contains(&registered, name) && !scope::is_personal(name);
        ordered = wanted.into_iter().filter(own).collect();
        Ok(scope::join(&ordered))
    })?;
    ordered.retain(|name| set.iter().any(|kept| kept == name));
    if ordered.is_empty() && asked.is_some() {
        return Err(scope::none_registered(&scope::parse(asked.unwrap_or_default())?, "this client itself"));
    }
    Ok(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::fixture;
    use crate::protocol::error::ErrorCode;

    #[test]
    fn rfc6749_4_4_2_scopes_of_a_client_for_itself() {
        let client = fixture("openid offline_access reports:read reports:write", None);
        assert_eq!(granted_scope(&client, None).expect("all its own"), ["reports:read", "reports:write"]);
        assert_eq!(granted_scope(&client, Some("reports:write admin")).expect("what is registered"), ["reports:write"]);
        let default = fixture("reports:read reports:write", Some("reports:read"));
        assert_eq!(granted_scope(&default, None).expect("its default"), ["reports:read"]);
        assert_eq!(granted_scope(&fixture("", None), None).expect("a token without scope"), [""; 0]);
    }

    #[test]
    fn az_20_tj_17_no_scope_about_a_person_and_none_beyond_the_registered() {
        let client = fixture("openid profile reports:read", None);
        for asked in ["openid", "openid profile", "admin", "a\"b", " "] {
            assert_eq!(granted_scope(&client, Some(asked)).expect_err(asked).code, ErrorCode::InvalidScope, "{asked}");
        }
    }
}
