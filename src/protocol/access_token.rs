//! What an access token says (RFC 9068 §2), the same for a signed JWT and for sealed bytes.
//!
//! Leaves to others: signing (`keys`), minting and reading (`tokens`), and whether it was revoked (`storage`).

use serde::{Deserialize, Serialize};

use super::SKEW;
use crate::clock::Time;

/// RFC 9068 §2.1: "It is RECOMMENDED that the "application/" prefix be omitted. Therefore, the "typ" value used SHOULD be "at+jwt"."
pub const TYPE: &str = "at+jwt";

/// The claims of RFC 9068 §2.2, and Portero's own `sid` and `gid`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    pub iss: String,
    /// The person, or the client where it acts for itself (RFC 9068 §2.2).
    pub sub: String,
    pub aud: Audience,
    pub exp: i64,
    pub iat: i64,
    pub jti: String,
    pub client_id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amr: Option<Vec<String>>,
    /// The session it was issued in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The grant it was issued under; none for a token of the client itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<String>,
    /// What an old service called the person, in the type in which its tokens said it: for resource servers whose rows hold that id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<serde_json::Value>,
}

impl AccessClaims {
    /// Issued here and in time. Says nothing about revocation.
    ///
    /// RFC 7519 §4.1.4: "The processing of the "exp" claim requires that the current date/time MUST be before the expiration date/time
    /// listed in the "exp" claim."
    #[must_use]
    pub fn live(&self, issuer: &str, now: Time) -> bool {
        self.iss == issuer && now.timestamp() < self.exp && self.iat <= (now + SKEW).timestamp()
    }

    #[must_use]
    pub fn has_scope(&self, name: &str) -> bool {
        self.scope.split(' ').any(|scope| scope == name)
    }
}

/// `aud`: one value or several (RFC 7519 §4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    #[must_use]
    pub fn one(value: impl Into<String>) -> Self {
        Self::One(value.into())
    }

    /// RFC 7519 §4.1.3: "In the special case when the JWT has one audience, the "aud" value MAY be a single case-sensitive string". It is,
    /// because resource servers compare it as one.
    #[must_use]
    pub fn many(values: Vec<String>) -> Self {
        match <[String; 1]>::try_from(values) {
            Ok([only]) => Self::One(only),
            Err(values) => Self::Many(values),
        }
    }

    #[must_use]
    pub fn values(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }

    #[must_use]
    pub fn contains(&self, value: &str) -> bool {
        self.values().iter().any(|known| known == value)
    }

    /// Is it this one and no other? Whoever else a token is for has it as well, and could use it here (RFC 9068 §5).
    #[must_use]
    pub fn is_only(&self, value: &str) -> bool {
        matches!(self.values(), [only] if only == value)
    }
}

/// RFC 9068 §4: "The resource server MUST verify that the "typ" header value is "at+jwt" or "application/at+jwt" and reject tokens
/// carrying any other value." The algorithm is the key's, never the header's.
#[must_use]
pub fn is_type(typ: Option<&str>) -> bool {
    // RFC 7515 §4.1.9: a media type, compared without regard to case.
    typ.is_some_and(|typ| typ.eq_ignore_ascii_case(TYPE) || typ.eq_ignore_ascii_case("application/at+jwt"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claims() -> AccessClaims {
        AccessClaims {
            iss: "https://authorization-server.example.com/".to_owned(),
            sub: "5ba552d67".to_owned(),
            aud: Audience::one("https://rs.example.com/"),
            exp: 1_639_528_912,
            iat: 1_618_354_090,
            jti: "dbe39bf3a3ba4238a513f51d6e1691c4".to_owned(),
            client_id: "s6BhdRkqt3".to_owned(),
            scope: "openid profile reademail".to_owned(),
            auth_time: None,
            acr: None,
            amr: None,
            sid: None,
            gid: None,
            external_id: None,
        }
    }

    #[test]
    fn rfc9068_3_example() {
        let example = json!({
            "iss": "https://authorization-server.example.com/",
            "sub": "5ba552d67",
            "aud": "https://rs.example.com/",
            "exp": 1639528912,
            "iat": 1618354090,
            "jti": "dbe39bf3a3ba4238a513f51d6e1691c4",
            "client_id": "s6BhdRkqt3",
            "scope": "openid profile reademail"
        });
        assert_eq!(serde_json::from_value::<AccessClaims>(example.clone()).expect("the example"), claims());
        assert_eq!(serde_json::to_value(claims()).expect("JSON"), example, "tj_07: nothing more, and never null");
        let machine = AccessClaims { scope: String::new(), ..claims() };
        assert!(!serde_json::to_string(&machine).expect("JSON").contains("scope"));
    }

    #[test]
    fn rfc7519_4_1_3_audience_is_one_string_where_it_is_one() {
        let written =
            |values: &[&str]| serde_json::to_value(Audience::many(values.iter().map(|&value| value.to_owned()).collect())).expect("JSON");
        assert_eq!(written(&["a"]), json!("a"));
        assert_eq!(written(&["a", "b"]), json!(["a", "b"]));
        let both: Audience = serde_json::from_value(json!(["a", "b"])).expect("valid");
        assert!(both.contains("b") && !both.contains("c") && Audience::one("a").contains("a"));
        assert!(!both.is_only("b") && Audience::one("a").is_only("a") && !Audience::one("a").is_only("b"));
    }

    #[test]
    fn tj_14_rfc7519_4_1_4_times_and_issuer() {
        let live = |seconds| claims().live(&claims().iss, Time::from_timestamp(seconds, 0).expect("in range"));
        for (seconds, expected) in [
            (1_618_354_090, true),
            (1_639_528_911, true),
            (1_639_528_912, false),
            (1_639_528_913, false),
            (1_618_354_090 - SKEW.num_seconds(), true),
            (1_618_354_090 - SKEW.num_seconds() - 1, false),
        ] {
            assert_eq!(live(seconds), expected, "{seconds}");
        }
        let now = Time::from_timestamp(1_618_354_090, 0).expect("in range");
        assert!(!claims().live("https://authorization-server.example.com", now), "compared as a string");
    }

    #[test]
    fn tj_05_rfc9068_4_typ() {
        for (typ, expected) in
            [(Some("at+jwt"), true), (Some("application/AT+JWT"), true), (Some("JWT"), false), (Some("logout+jwt"), false), (None, false)]
        {
            assert_eq!(is_type(typ), expected, "{typ:?}");
        }
    }

    #[test]
    fn tj_04_tj_08_malformed_claims_are_not_read() {
        let good = serde_json::to_string(&claims()).expect("JSON");
        assert!(serde_json::from_str::<AccessClaims>(&good).is_ok());
        for (from, to) in [
            ("1639528912", "\"1639528912\""),
            ("1639528912", "1639528912.5"),
            ("1639528912", "1e400"),
            ("\"https://rs.example.com/\"", "[\"https://rs.example.com/\",1]"),
            ("\"sub\":", "\"sub\":\"x\",\"sub\":"),
            ("\"jti\":", "\"other\":"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good);
            assert!(serde_json::from_str::<AccessClaims>(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tj_17_scopes_are_compared_whole() {
        assert!(claims().has_scope("openid") && !claims().has_scope("read") && !claims().has_scope(""));
    }
}
