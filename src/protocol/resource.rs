//! Resource indicators: what a token is for (RFC 8707).
//!
//! Called by `authorization` and by the grants of the token endpoint. No resource at all means the issuer itself
//! (`access_token`).

use url::Url;

use super::client::Client;
use super::error::OAuthError;

/// The value in a deployment's list that opens every resource to every client.
pub const ANY: &str = "*";
const MAX_COUNT: usize = 10;
/// Of one, and of all that are asked for together: a token that names them must be one that a header carries.
const MAX_LENGTH: usize = 2048;

/// RFC 8707 §2: "Its value MUST be an absolute URI, as specified by Section 4.3 of [RFC3986]. The URI MUST NOT include a fragment component."
#[must_use]
pub fn is_valid(uri: &str) -> bool {
    uri.len() <= MAX_LENGTH
        && uri.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'#' | b'"' | b'\\' | b'<' | b'>'))
        && Url::parse(uri).is_ok()
}

/// The resources a client may have a token for, of those it asked for: in the order of the request, each once. The issuer is everybody's: without
/// any resource a token is for it.
///
/// # Errors
/// `invalid_target` when one is malformed, or neither the client's nor open to all.
pub fn allowed<'a>(
    client: &Client,
    open: &[String],
    issuer: &str,
    asked: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<String>, OAuthError> {
    let asked = distinct(asked)?;
    // RFC 8707 §2: "invalid_target: The requested resource is invalid, missing, unknown, or malformed."
    match asked.iter().find(|uri| !may_have(client, open, issuer, uri)) {
        None => Ok(asked),
        Some(uri) => Err(OAuthError::invalid_target(format!("The resource {} is not open to this client", shortened(uri)))),
    }
}

fn may_have(client: &Client, open: &[String], issuer: &str, uri: &str) -> bool {
    uri == issuer || open.iter().any(|open| open == ANY || open == uri) || client.resources.iter().any(|own| own == uri)
}

/// Of resources that were granted those that still are: not what an administrator has taken from the client since.
///
/// # Errors
/// `invalid_target` where none is left.
pub fn still_allowed(client: &Client, open: &[String], issuer: &str, granted: Vec<String>) -> Result<Vec<String>, OAuthError> {
    if granted.is_empty() {
        return Ok(granted);
    }
    let left: Vec<String> = granted.into_iter().filter(|uri| may_have(client, open, issuer, uri)).collect();
    if left.is_empty() {
        Err(OAuthError::invalid_target("None of the granted resources is open to this client any more"))
    } else {
        Ok(left)
    }
}

/// The resources of one access token out of those that were granted, which is the issuer if none was named; all of them when none is named now.
///
/// # Errors
/// `invalid_target` for one that was not granted (RFC 8707 §2.2).
pub fn narrow(granted: &[String], issuer: &str, asked: &[&str]) -> Result<Vec<String>, OAuthError> {
    if asked.is_empty() {
        return Ok(granted.to_vec());
    }
    let asked = distinct(asked.iter().copied())?;
    let was_granted = |uri: &String| if granted.is_empty() { uri == issuer } else { granted.contains(uri) };
    match asked.iter().find(|uri| !was_granted(uri)) {
        None => Ok(asked),
        Some(uri) => Err(OAuthError::invalid_target(format!("The resource {} is not among those that were granted", shortened(uri)))),
    }
}

/// Enough of a URI to know which one is meant. It is of ASCII ([`is_valid`]).
fn shortened(uri: &str) -> &str {
    &uri[..uri.len().min(100)]
}

fn distinct<'a>(asked: impl IntoIterator<Item = &'a str>) -> Result<Vec<String>, OAuthError> {
    let mut uris: Vec<String> = Vec::new();
    for uri in asked {
        if !is_valid(uri) {
            return Err(OAuthError::invalid_target("A resource must be an absolute URI without a fragment"));
        }
        if !uris.iter().any(|known| known == uri) {
            uris.push(uri.to_owned());
        }
    }
    if uris.len() > MAX_COUNT || uris.iter().map(String::len).sum::<usize>() > MAX_LENGTH {
        return Err(OAuthError::invalid_target("The resources are too many or too long for one token"));
    }
    Ok(uris)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::fixture;
    use crate::protocol::error::ErrorCode;

    const ISSUER: &str = "https://id.example";
    const CAL: &str = "https://cal.example.com/";
    const CONTACTS: &str = "https://contacts.example.com/app/";

    #[test]
    fn az_30_rfc8707_2_only_absolute_uris_without_fragment() {
        for bad in ["", "/api", "api", "//api.example", "https://api.example/#f", "https://api example/", "https://\u{e9}.example/", "*"] {
            assert!(!is_valid(bad), "{bad}");
            let error = allowed(&fixture("openid", None), &[ANY.to_owned()], ISSUER, [bad]).expect_err(bad);
            assert_eq!(error.code, ErrorCode::InvalidTarget);
        }
        assert!(is_valid(CAL) && is_valid("https://api.example/mcp?x=1") && is_valid("urn:example:api"));
    }

    #[test]
    fn az_30_rfc8707_2_1_two_known_resources_are_both_honoured() {
        let mut client = fixture("openid", None);
        client.resources = vec![CAL.to_owned()];
        let open = [CONTACTS.to_owned()];
        assert_eq!(allowed(&client, &open, ISSUER, [CONTACTS, CAL, CONTACTS]).expect("both known"), [CONTACTS, CAL]);
        let unknown = allowed(&client, &[], ISSUER, [CAL, CONTACTS]).expect_err("unknown");
        assert_eq!(unknown.code, ErrorCode::InvalidTarget);
        assert!(unknown.description.contains(CONTACTS), "{}", unknown.description);
        assert_eq!(allowed(&client, &[ANY.to_owned()], ISSUER, ["https://any.example"]).expect("open"), ["https://any.example"]);
        assert_eq!(allowed(&client, &open, ISSUER, []).expect("none asked"), [""; 0]);
        assert_eq!(allowed(&client, &[], ISSUER, [CAL, ISSUER]).expect("its own, and everybody's"), [CAL, ISSUER]);
        let many: Vec<String> = (0..=MAX_COUNT).map(|n| format!("https://r{n}.example")).collect();
        assert!(allowed(&client, &[ANY.to_owned()], ISSUER, many.iter().map(String::as_str)).is_err());
        let long: Vec<String> = (0..3).map(|n| format!("https://r{n}.example/{}", "x".repeat(663))).collect();
        assert!(allowed(&client, &[ANY.to_owned()], ISSUER, long.iter().map(String::as_str)).is_ok(), "{}", 3 * long[0].len());
        let longer = long.iter().map(String::as_str).chain(["urn:x"]);
        assert_eq!(allowed(&client, &[ANY.to_owned()], ISSUER, longer).expect_err("too long").code, ErrorCode::InvalidTarget);
    }

    #[test]
    fn what_was_taken_from_the_client_is_in_no_token() {
        let mut client = fixture("openid", None);
        client.resources = vec![CAL.to_owned()];
        let left = |granted: &[&str]| still_allowed(&client, &[], ISSUER, granted.iter().map(|uri| (*uri).to_owned()).collect());
        assert_eq!(left(&[CAL, CONTACTS, ISSUER]).expect("some"), [CAL, ISSUER]);
        assert_eq!(left(&[CONTACTS]).expect_err("none").code, ErrorCode::InvalidTarget);
        assert_eq!(left(&[]).expect("the issuer's"), [""; 0]);
    }

    #[test]
    fn rt_21_rfc8707_2_2_a_token_is_for_what_was_granted_or_less() {
        let granted = [CAL.to_owned(), CONTACTS.to_owned()];
        assert_eq!(narrow(&granted, ISSUER, &[]).expect("all"), granted);
        assert_eq!(narrow(&granted, ISSUER, &[CONTACTS]).expect("one"), [CONTACTS]);
        for bad in ["https://other.example/", "https://cal.example.com", "not a uri"] {
            assert_eq!(narrow(&granted, ISSUER, &[CAL, bad]).expect_err(bad).code, ErrorCode::InvalidTarget);
        }
        assert!(narrow(&[], ISSUER, &[CAL]).is_err(), "a grant for the issuer is not one for a resource");
        assert_eq!(narrow(&[], ISSUER, &[ISSUER]).expect("what it is for anyway"), [ISSUER]);
        assert!(narrow(&granted, ISSUER, &[ISSUER]).is_err(), "nor the other way round");
    }
}
