//! What every request carries from the first layer on: its id and where it came from. A leaf.

use std::net::IpAddr;
use std::sync::Arc;

/// Set by `layers`, read by every handler from the request's extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestContext {
    /// Told to the client as `X-Request-Id`, written to log and audit.
    pub id: Arc<str>,
    /// The client's address, behind the trusted proxies; none where there is no socket.
    pub address: Option<IpAddr>,
}
