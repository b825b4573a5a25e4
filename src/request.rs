//! What every request carries from the first layer on: its id and where it came from. A leaf.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Set by `layers`, read by every handler from the request's extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestContext {
    /// Told to the client as `X-Request-Id`, written to log and audit.
    pub id: Arc<str>,
    /// The client's address, behind the trusted proxies; none where there is no socket.
    pub address: Option<IpAddr>,
}

/// What limits by address count under: an IPv4 address stands for itself, an IPv6 address for its /64, which is what one household or one
/// machine is given.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

/// A browser and system in words of ours, such as `Firefox, Linux`: what people know a session by. Nothing of what the browser says of itself is
/// repeated, as it may say anything.
#[must_use]
pub fn device(user_agent: &str) -> Option<String> {
    let first = |known: &[(&'static str, &'static str)]| known.iter().find(|(part, _)| user_agent.contains(part)).map(|(_, name)| *name);
    // Each names the ones below it, too.
    let browser = first(&[
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = first(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Macintosh", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => Some(format!("{browser}, {system}")),
        (one, other) => one.or(other).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::device;

    #[test]
    fn a_device_is_told_in_words_of_ours() {
        let told = |agent: &str| device(agent).unwrap_or_default();
        assert_eq!(told("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"), "Firefox, Linux");
        let chrome = "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36";
        assert_eq!(told(chrome), "Chrome, Android");
        assert_eq!(told(&chrome.replace("Safari/537.36", "Safari/537.36 Edg/156.0")), "Edge, Android");
        assert_eq!(
            told("Mozilla/5.0 (iPhone; CPU iPhone OS 20_0 like Mac OS X) Version/20.0 Mobile/15E148 Safari/604.1"),
            "Safari, iPhone"
        );
        assert_eq!(told("curl/8.0"), "curl");
        assert_eq!(device("visit evil.example"), None);
    }
}
