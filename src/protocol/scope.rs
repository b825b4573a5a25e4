//! Scopes: parsing, narrowing to what a client may have (RFC 6749 §3.3).
//!
//! The order of the request is kept everywhere; the set itself is oxide-auth's `Scope`, behind `machine`. Called by
//! authorization, the grants and the mint.

use super::client::Client;
use super::error::OAuthError;
use super::machine;

pub const OPENID: &str = "openid";
pub const PROFILE: &str = "profile";
pub const EMAIL: &str = "email";
pub const ADDRESS: &str = "address";
pub const PHONE: &str = "phone";
pub const OFFLINE_ACCESS: &str = "offline_access";

/// The scopes that OIDC Core §5.4 and §11 give a meaning. They are about a person.
pub const STANDARD: &[&str] = &[OPENID, PROFILE, EMAIL, ADDRESS, PHONE, OFFLINE_ACCESS];

/// Asks for the organisations a person belongs to: claim `org`.
pub const ORG: &str = "org";

pub const ACCOUNT: &str = "account";
pub const USERS_READ: &str = "users:read";
pub const USERS_WRITE: &str = "users:write";
pub const CLIENTS_READ: &str = "clients:read";
pub const CLIENTS_WRITE: &str = "clients:write";
pub const ORGANIZATIONS_READ: &str = "organizations:read";
pub const ORGANIZATIONS_WRITE: &str = "organizations:write";
pub const AUDIT_READ: &str = "audit:read";

/// The scopes of the JSON API of this server.
pub const API: &[&str] =
    &[ACCOUNT, USERS_READ, USERS_WRITE, CLIENTS_READ, CLIENTS_WRITE, ORGANIZATIONS_READ, ORGANIZATIONS_WRITE, AUDIT_READ];

/// Is it about a person, so that a client that acts for itself can have nothing of it?
#[must_use]
pub fn is_personal(name: &str) -> bool {
    STANDARD.contains(&name) || name == ORG || name == ACCOUNT
}

const MAX_LENGTH: usize = 4096;

/// The scopes of a `scope` parameter: in the order of the request, each once.
///
/// # Errors
/// `invalid_scope` for a character outside RFC 6749 §3.3: "scope-token = 1*( %x21 / %x23-5B / %x5D-7E )".
pub fn parse(text: &str) -> Result<Vec<String>, OAuthError> {
    if text.len() > MAX_LENGTH {
        return Err(OAuthError::invalid_scope("The scope is too long"));
    }
    let set = machine::parse_scope(text)?;
    let mut ordered: Vec<String> = Vec::with_capacity(set.iter().count());
    for token in text.split(' ').filter(|token| !token.is_empty()) {
        if !contains(&ordered, token) {
            ordered.push(token.to_owned());
        }
    }
    Ok(ordered)
}

/// A `scope` value from scopes.
#[must_use]
pub fn join<S: AsRef<str>>(scopes: &[S]) -> String {
    scopes.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" ")
}

#[must_use]
pub fn contains(scopes: &[String], name: &str) -> bool {
    scopes.iter().any(|scope| scope == name)
}

/// What a client gets when a person is there: of what it asked for, what is registered for it; when it asked for nothing, its
/// default or else all that is registered.
///
/// # Errors
/// `invalid_scope` when nothing is left: RFC 6749 §3.3: "If the client omits the scope parameter when requesting authorization,
/// the authorization server MUST either process the request using a pre-defined default value or fail the request indicating
/// an invalid scope."
pub fn granted(client: &Client, asked: Option<&str>) -> Result<Vec<String>, OAuthError> {
    let registered = parse(&client.scope)?;
    let scopes = match (asked, &client.default_scope) {
        (Some(asked), _) => parse(asked)?,
        (None, Some(default)) => parse(default)?,
        (None, None) => registered.clone(),
    };
    // RFC 6749 §3.3: "The authorization server MAY fully or partially ignore the scope requested by the client, based on the
    // authorization server policy or the resource owner's instructions."
    let granted: Vec<String> = scopes.iter().filter(|scope| contains(&registered, scope)).cloned().collect();
    if granted.is_empty() {
        return Err(none_registered(&scopes, "this client"));
    }
    Ok(granted)
}

/// Nothing of what was asked for is registered for `whom`; says what that was.
pub(super) fn none_registered(asked: &[String], whom: &str) -> OAuthError {
    let asked: String = join(asked).chars().take(100).collect();
    OAuthError::invalid_scope(format!("None of the requested scopes ({asked}) is registered for {whom}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::fixture;
    use crate::protocol::error::ErrorCode;

    #[test]
    fn rfc6749_3_3_parsing_keeps_the_order_and_drops_repetitions() {
        assert_eq!(parse("openid profile  openid a:b/c! ").expect("valid"), ["openid", "profile", "a:b/c!"]);
        assert_eq!(parse("").expect("valid"), [""; 0]);
        assert_eq!(join(&parse("b a").expect("valid")), "b a");
    }

    #[test]
    fn az_19_rfc6749_3_3_characters_outside_the_set_are_invalid_scope() {
        for bad in ["a\"b", "a\\b", "a\tb", "a\nb", "é", "a\u{7f}", &"x".repeat(50_000)] {
            assert_eq!(parse(bad).expect_err(bad).code, ErrorCode::InvalidScope);
        }
    }

    #[test]
    fn az_20_a_scope_beyond_the_registered_ones_is_dropped() {
        let client = fixture("openid profile mcp:tools", None);
        assert_eq!(granted(&client, Some("profile admin openid")).expect("some are left"), ["profile", "openid"]);
        let nothing = granted(&client, Some("admin \u{7f}")).map_err(|error| error.code);
        assert_eq!(nothing, Err(ErrorCode::InvalidScope));
        let nothing = granted(&client, Some("admin root")).expect_err("nothing is left");
        assert_eq!(nothing.code, ErrorCode::InvalidScope);
        assert!(nothing.description.contains("(admin root)"), "{}", nothing.description);
    }

    #[test]
    fn rfc6749_3_3_an_absent_scope_takes_the_default() {
        assert_eq!(granted(&fixture("openid profile", Some("profile")), None).expect("default"), ["profile"]);
        assert_eq!(granted(&fixture("openid profile", None), None).expect("all registered"), ["openid", "profile"]);
        assert_eq!(granted(&fixture("", None), None).expect_err("nothing registered").code, ErrorCode::InvalidScope);
    }
}
