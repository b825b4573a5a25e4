//! What must hold to use a refresh token (RFC 6749 §6, RFC 9700 §4.14). Called by `tokens::grant`.
//!
//! RFC 9700 §4.14.2: "Authorization servers MUST utilize one of these methods to detect refresh token replay by malicious actors for public
//! clients". Ours is rotation, a step of the store (`storage::durable::Grants::rotate`). Narrowing resources is `resource`, the value itself
//! `tokens::refresh`'s.

use std::time::Duration;

use super::error::OAuthError;
use super::machine::{self, RefreshFacts};
use super::scope;
use crate::clock::Time;

/// May this client use the refresh token, and for which scopes? `bound_client_id` and `granted` are those of its grant.
///
/// # Errors
/// `invalid_grant` for another client's, `invalid_scope` for more than was granted.
pub fn check(bound_client_id: &str, client_id: &str, granted: &[String], asked: Option<&str>) -> Result<Vec<String>, OAuthError> {
    // RFC 6749 §6: "The requested scope MUST NOT include any scope not originally granted by the resource owner, and if omitted is
    // treated as equal to the scope originally granted by the resource owner."
    let facts = RefreshFacts { bound_client_id, granted_scope: &scope::join(granted), client_id, scope: asked };
    let set = machine::refresh(&facts)?;
    let ordered = asked.map_or_else(|| Ok(granted.to_vec()), scope::parse)?;
    let kept: Vec<String> = ordered.into_iter().filter(|name| set.iter().any(|kept| kept == name)).collect();
    if kept.is_empty() && !granted.is_empty() {
        return Err(OAuthError::invalid_scope("The scope names nothing"));
    }
    Ok(kept)
}

/// Is the grant young enough, and was it used lately?
///
/// RFC 9700 §4.14.2: "Refresh tokens SHOULD expire if the client has been inactive for some time".
///
/// # Errors
/// `invalid_grant` past its absolute end, however often it was used, or past the time it may lie unused.
pub fn live(rotated_at: Time, expires_at: Time, idle: Duration, now: Time) -> Result<(), OAuthError> {
    if now < expires_at && now < rotated_at + idle { Ok(()) } else { Err(OAuthError::invalid_grant("The refresh token has expired")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::error::ErrorCode;

    fn narrow(granted: &[String], asked: Option<&str>) -> Result<Vec<String>, OAuthError> {
        check("s6BhdRkqt3", "s6BhdRkqt3", granted, asked)
    }

    fn granted() -> Vec<String> {
        ["openid", "profile", "email"].map(str::to_owned).to_vec()
    }

    #[test]
    fn rt_09_rfc6749_6_narrower_or_the_same_in_the_order_asked() {
        assert_eq!(narrow(&granted(), None).expect("the same"), granted());
        assert_eq!(narrow(&granted(), Some("email openid")).expect("narrower"), ["email", "openid"]);
        assert_eq!(narrow(&[], None).expect("nothing of nothing"), [""; 0]);
    }

    #[test]
    fn rt_08_rfc6749_6_wider_is_invalid_scope() {
        for asked in ["openid admin", "admin", "OPENID", "openid\"", " "] {
            assert_eq!(narrow(&granted(), Some(asked)).expect_err(asked).code, ErrorCode::InvalidScope, "{asked}");
        }
    }

    #[test]
    fn rt_07_a_refresh_token_is_its_clients_alone() {
        assert_eq!(check("a", "b", &granted(), None).expect_err("a stranger").code, ErrorCode::InvalidGrant);
        assert_eq!(check("a", "b", &granted(), Some("admin")).expect_err("a stranger").code, ErrorCode::InvalidGrant, "told nothing more");
        assert_eq!(check("a", "a", &granted(), Some("email")).expect("its own"), ["email"]);
    }

    #[test]
    fn rt_10_sliding_never_goes_past_the_absolute_end() {
        let at = |days: i64| Time::from_timestamp(1_700_000_000 + days * 86_400, 0).expect("in range");
        let idle = Duration::from_secs(14 * 86_400);
        for (rotated, now, alive) in [(0, 0, true), (0, 13, true), (0, 14, false), (29, 29, true), (29, 30, false), (30, 31, false)] {
            let outcome = live(at(rotated), at(30), idle, at(now));
            assert_eq!(outcome.is_ok(), alive, "{rotated} {now}");
            assert!(outcome.is_ok() || outcome.is_err_and(|error| error.code == ErrorCode::InvalidGrant));
        }
    }
}
