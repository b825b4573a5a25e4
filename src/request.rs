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
