//! `issuer`, `env`, `listen`, `management_listen`: who the server is and where it listens.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use url::{Host, Url};

use super::reader::{Reader, Setting, choices};
use super::source::Source;

/// What the server is run for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Development,
    Production,
}
choices!(Mode { Development: "development", Production: "production" });

/// Why the server is in its mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModeReason {
    /// `PORTERO_ENV` says so.
    Setting,
    /// Issuer and listen address are on this machine.
    Loopback,
    /// One of them is not.
    Elsewhere,
}

impl ModeReason {
    /// The last part of the name of its words.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Setting => "setting",
            Self::Loopback => "loopback",
            Self::Elsewhere => "elsewhere",
        }
    }
}

impl fmt::Display for ModeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Setting => "PORTERO_ENV says so",
            Self::Loopback => "issuer and listen address are on this machine",
            Self::Elsewhere => "issuer or listen address is not on this machine",
        })
    }
}

/// Who the server is and where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub mode: Mode,
    pub mode_reason: ModeReason,
    pub issuer: String,
    /// It follows from the listen address, because nobody set it.
    pub issuer_derived: bool,
    pub listen: SocketAddr,
    pub management_listen: SocketAddr,
}

pub(super) const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
pub const MANAGEMENT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);

impl Server {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let listen = reader.get("listen", LISTEN);
        let management_listen = reader.get("management_listen", MANAGEMENT_LISTEN);
        let given: Option<String> = reader.optional("issuer");
        let issuer_derived = given.is_none();
        let issuer = given.unwrap_or_else(|| issuer_of(listen));
        if issuer_derived {
            reader.note("issuer", Some(issuer.clone()), Source::Derived("from listen"));
        }
        let chosen: Option<Mode> = reader.optional("env");
        // A listen address that is not loopback is a server for others, whatever the issuer that follows from it.
        let local = listen.ip().is_loopback() && Url::parse(&issuer).is_ok_and(|url| is_loopback(&url));
        let (mode, mode_reason) = match chosen {
            Some(mode) => (mode, ModeReason::Setting),
            None if local => (Mode::Development, ModeReason::Loopback),
            None => (Mode::Production, ModeReason::Elsewhere),
        };
        if chosen.is_none() {
            let from = if local { "issuer and listen are loopback" } else { "issuer or listen is not loopback" };
            reader.note("env", Some(mode.show()), Source::Derived(from));
        }
        Self { mode, mode_reason, issuer, issuer_derived, listen, management_listen }
    }

    pub(super) fn check(&self, reader: &mut Reader<'_>) {
        let production = self.mode == Mode::Production;
        match check_issuer(&self.issuer) {
            Err(reason) => reader.problem("issuer", reason, Some("https://id.example.org")),
            Ok(url) if production && url.scheme() == "http" && !is_loopback(&url) => {
                let reason = format!(
                    "{} is http and not on this machine: passwords and tokens would cross the network readable. In production the issuer is \
                     https; a proxy before the server may do the TLS",
                    self.issuer
                );
                reader.problem("issuer", reason, Some("https://id.example.org"));
            }
            Ok(_) if production && self.issuer_derived && self.listen.ip().is_unspecified() => {
                let reason = format!("is not set, and the listen address {} is not one that others can go to", self.listen);
                reader.problem("issuer", reason, Some("https://id.example.org"));
            }
            Ok(url) if !production && (!is_loopback(&url) || !self.listen.ip().is_loopback()) => reader.warn(
                "PORTERO_ENV=development on an address that others can reach: whoever can read the start of the log knows the demo secrets"
                    .to_owned(),
            ),
            Ok(_) => {}
        }
        if self.management_listen == self.listen && self.listen.port() != 0 {
            let reason = format!("{} is the public listen address, too; health and metrics have their own", self.management_listen);
            reader.problem("management_listen", reason, Some("127.0.0.1:9090"));
        }
    }
}

/// `http://` and the address. "All addresses" is no place to go to; its own machine is.
pub(super) fn issuer_of(listen: SocketAddr) -> String {
    match listen {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => format!("http://127.0.0.1:{}", v4.port()),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => format!("http://[::1]:{}", v6.port()),
        _ => format!("http://{listen}"),
    }
}

/// Is that host this machine, by its address or by a name that can mean nothing else (RFC 6761 §6.3)?
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// OIDC Discovery §3: "URL using the https scheme with no query or fragment components". http stands for this machine and for tests.
/// Everybody compares the issuer as a string, browsers name our origin as they normalise it: so only the normal form is taken.
fn check_issuer(issuer: &str) -> Result<Url, String> {
    let url = Url::parse(issuer).map_err(|error| format!("{issuer} is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{issuer} is neither https nor http"));
    }
    if issuer.contains(['?', '#']) {
        return Err(format!("{issuer} has a query or fragment; an issuer has none"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user name or password; an issuer has none".to_owned());
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-._~".contains(c);
    if !url.path().chars().all(plain) || url.path().contains("//") {
        return Err(format!("the path of {issuer} may hold letters, digits, - . _ ~ and single slashes only"));
    }
    let normal = url.as_str();
    if normal != issuer && normal.strip_suffix('/') != Some(issuer) {
        return Err(format!("{issuer} is not in its normal form; write {}", normal.trim_end_matches('/')));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_taken_in_its_normal_form_only() {
        for good in
            ["https://id.example", "https://id.example/", "http://127.0.0.1:8080", "https://example.org:8443/auth", "http://[::1]:8080"]
        {
            assert!(check_issuer(good).is_ok(), "{good}");
        }
        for bad in [
            "id.example",
            "ftp://id.example",
            "https://ID.example",
            "https://id.example:443",
            "https://id.example?x",
            "https://id.example#",
            "https://u:p@id.example",
            "https://id.example/a//b",
            "https://id.example/a/../b",
            "https://id.example/%61",
            "https://id.example/{x}",
            " https://id.example",
            "http://127.1:8080",
        ] {
            assert!(check_issuer(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn all_addresses_are_no_place_to_go_to() {
        assert_eq!(issuer_of("0.0.0.0:8080".parse().expect("address")), "http://127.0.0.1:8080");
        assert_eq!(issuer_of("[::]:8080".parse().expect("address")), "http://[::1]:8080");
        assert_eq!(issuer_of("192.0.2.7:80".parse().expect("address")), "http://192.0.2.7:80");
    }
}
