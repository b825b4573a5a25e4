//! How often somebody may try: by address in the short-lived store, by account in SQL.
//!
//! Owns: the rules, the keys that are counted under, the cookie of a known device. Leaves to others: counting (`storage.ephemeral`,
//! `storage.attempts`), the order of the checks (`authenticate`). What is counted under is a keyed digest: neither store learns a name or
//! an address.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::request::network;
use crate::seal::{Digest, Purpose, Seal};
use crate::storage::ephemeral::{Ephemeral, Rule, Taken};
use crate::storage::{Result, Time};

/// 30 sign-ins a minute from one address.
const ADDRESS: Rule = Rule { burst: 30, every: Duration::from_secs(2) };

/// 600 authorization requests at once from one address that a person must answer, then five a second: each is kept for up to an hour, with up to 16 KB.
const FLOWS: Rule = Rule { burst: 600, every: Duration::from_millis(200) };
/// 20 sign-ups at once from one address, then two a minute.
const SIGN_UPS: Rule = Rule { burst: 20, every: Duration::from_secs(30) };
/// 10 requests at once for a mail (reset, confirmation) from one address, then one a minute.
const REQUESTS: Rule = Rule { burst: 10, every: Duration::from_secs(60) };
/// Three mails at once to one address, then three an hour, whoever asks; under the name that was typed, and under the address it stands for.
const MAILS: Rule = Rule { burst: 3, every: Duration::from_secs(20 * 60) };

/// What is asked for beside signing in, as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// An account, by where it is asked from.
    SignUp,
    /// A mail, by where it is asked from.
    Request,
    /// A mail, by the name that was typed: canonical, known or unknown alike. Whoever asks is told when there are no more.
    Mail { to: &'a str },
    /// A mail, by the address it goes to, whichever name was typed; a name that nobody has is one by itself. Never told: an allowance that is used up
    /// under a name that nobody typed would tell whose it is.
    Box { of: &'a str },
}

impl Asked<'_> {
    /// Its name in the audit trail.
    #[must_use]
    pub const fn act(&self) -> &'static str {
        match self {
            Self::SignUp => "user.sign_up",
            Self::Request | Self::Mail { .. } | Self::Box { .. } => "mail.request",
        }
    }
}

/// `PORTERO_LIMITS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// False only for tests; production refuses it.
    pub enabled: bool,
}

impl Limits {
    /// Takes one sign-in from the allowance of an address; some: it has none left, until then.
    ///
    /// # Errors
    /// The fault of the store. It is no reason to let anybody through uncounted.
    pub async fn throttled(&self, store: &dyn Ephemeral, seal: &Seal, address: Option<IpAddr>, now: Time) -> Result<Option<Duration>> {
        self.taken(store, seal, "sign-in", &ADDRESS, address, now).await
    }

    /// Takes one authorization request that must be kept from the allowance of an address; some: it has none left, until then.
    ///
    /// # Errors
    /// The fault of the store, which could not keep it either.
    pub async fn flow(&self, store: &dyn Ephemeral, seal: &Seal, address: Option<IpAddr>, now: Time) -> Result<Option<Duration>> {
        self.taken(store, seal, "flow", &FLOWS, address, now).await
    }

    /// Takes one from the allowance of an address under the rule of that name; some: it has none left, until then.
    ///
    /// # Errors
    /// The fault of the store.
    pub async fn taken(
        &self,
        store: &dyn Ephemeral,
        seal: &Seal,
        name: &str,
        rule: &Rule,
        address: Option<IpAddr>,
        now: Time,
    ) -> Result<Option<Duration>> {
        let Some(address) = address.filter(|_| self.enabled) else { return Ok(None) };
        let key = format!("limit:{name}:{}", network_key(seal, address).hex());
        match store.take(&key, rule, now).await? {
            Taken::Admitted { .. } => Ok(None),
            Taken::Refused { retry_after } => Ok(Some(retry_after)),
        }
    }
}

impl Limits {
    /// Takes one from the allowance of what is asked; some: there is none left, until then.
    ///
    /// # Errors
    /// The fault of the store: nobody is let through uncounted.
    pub async fn asked(
        &self,
        store: &dyn Ephemeral,
        seal: &Seal,
        what: Asked<'_>,
        address: Option<IpAddr>,
        now: Time,
    ) -> Result<Option<Duration>> {
        let (kind, rule, key) = match (what, address) {
            _ if !self.enabled => return Ok(None),
            (Asked::SignUp, Some(address)) => ("sign-up", SIGN_UPS, network_key(seal, address)),
            (Asked::Request, Some(address)) => ("request", REQUESTS, network_key(seal, address)),
            (Asked::Mail { to }, _) => ("mail", MAILS, seal.mac(Purpose::Identifier, &[b"mail", to.as_bytes()])),
            (Asked::Box { of }, _) => ("mail-box", MAILS, seal.mac(Purpose::Identifier, &[b"mail box", of.as_bytes()])),
            (Asked::SignUp | Asked::Request, None) => return Ok(None),
        };
        match store.take(&format!("limit:{kind}:{}", key.hex()), &rule, now).await? {
            Taken::Admitted { .. } => Ok(None),
            Taken::Refused { retry_after } => Ok(Some(retry_after)),
        }
    }
}

fn network_key(seal: &Seal, address: IpAddr) -> Digest {
    match network(address) {
        IpAddr::V4(v4) => seal.mac(Purpose::Identifier, &[b"address", &v4.octets()]),
        IpAddr::V6(v6) => seal.mac(Purpose::Identifier, &[b"address", &v6.octets()[..8]]),
    }
}

/// What the failures under a name are counted under, known or unknown alike. `identifier` is canonical (`email::identifier`).
#[must_use]
pub fn name_key(seal: &Seal, identifier: &str) -> Digest {
    seal.mac(Purpose::Identifier, &[b"account", identifier.as_bytes()])
}

/// What the failures of an account are counted under, whichever of its names was typed; a name that nobody has is one by itself, so that both cost
/// the same. `user_id` is none for it.
#[must_use]
pub fn account_key(seal: &Seal, user_id: Option<&str>, identifier: &str) -> Digest {
    match user_id {
        Some(id) => seal.mac(Purpose::Identifier, &[b"person", id.as_bytes()]),
        None => seal.mac(Purpose::Identifier, &[b"nobody", identifier.as_bytes()]),
    }
}

/// The same for a browser that signed in to this account before: its own count, so that a stranger cannot lock its owner out.
#[must_use]
pub fn device_key(seal: &Seal, user_id: &str, device: Device) -> Digest {
    seal.mac(Purpose::Identifier, &[b"device", user_id.as_bytes(), &device.0])
}

/// A browser that signed in to an account before. It says nothing else: no session, no right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device([u8; 16]);

impl Device {
    /// The value of the cookie that a browser gets after it signed in as `user_id`. `random` is fresh.
    #[must_use]
    pub fn cookie(seal: &Seal, user_id: &str, random: [u8; 16]) -> String {
        let mac = seal.mac(Purpose::Device, &[user_id.as_bytes(), &random]);
        URL_SAFE_NO_PAD.encode([&random[..], &mac.0].concat())
    }

    /// Did the browser that shows this cookie sign in as `user_id` before?
    #[must_use]
    pub fn known(seal: &Seal, user_id: &str, cookie: &str) -> Option<Self> {
        let bytes = (cookie.len() == 64).then(|| URL_SAFE_NO_PAD.decode(cookie).ok()).flatten()?;
        let (random, mac) = bytes.split_first_chunk::<16>()?;
        let mac = Digest(mac.try_into().ok()?);
        mac.matches(&seal.mac(Purpose::Device, &[user_id.as_bytes(), random])).then_some(Self(*random))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal() -> Seal {
        Seal::new(&[7; 32])
    }

    #[test]
    fn bf_08_an_ipv6_network_is_one_address() {
        let key = |address: &str| network_key(&seal(), address.parse().expect("an address"));
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }

    #[test]
    fn a_device_is_known_to_its_own_account_only() {
        let cookie = Device::cookie(&seal(), "usr_1", [9; 16]);
        assert_eq!(Device::known(&seal(), "usr_1", &cookie), Some(Device([9; 16])));
        assert_eq!(Device::known(&seal(), "usr_2", &cookie), None);
        assert_eq!(Device::known(&Seal::new(&[8; 32]), "usr_1", &cookie), None);
        let changed = format!("A{}", &cookie[1..]);
        for bad in ["", "x", &cookie[1..], &changed, &format!("{cookie}A"), &"é".repeat(32)] {
            assert_eq!(Device::known(&seal(), "usr_1", bad), None, "{bad}");
        }
    }

    #[test]
    fn an_account_and_its_devices_have_counts_of_their_own() {
        let keys = [
            name_key(&seal(), "ana@example.org"),
            name_key(&seal(), "usr_1"),
            account_key(&seal(), Some("usr_1"), "ana@example.org"),
            account_key(&seal(), None, "ana@example.org"),
            account_key(&seal(), None, "usr_1"),
            device_key(&seal(), "usr_1", Device([1; 16])),
            device_key(&seal(), "usr_1", Device([2; 16])),
            device_key(&seal(), "usr_2", Device([1; 16])),
        ];
        for (at, a) in keys.iter().enumerate() {
            assert!(keys[at + 1..].iter().all(|b| a != b));
        }
    }
}
