//! `healthcheck`: asks the running server, for containers without a shell. Needs nothing but the management address.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::json;

use super::{Done, Failure, Global};
use crate::config::Config;

/// For connecting, and for the answer: both together are shorter than the `--timeout` of `HEALTHCHECK` in the Dockerfile, so that what it says is read.
const TIMEOUT: Duration = Duration::from_secs(2);

#[derive(clap::Args)]
pub struct Healthcheck {
    /// Ask only whether the process lives (/livez), not whether it can serve (/readyz)
    #[arg(long)]
    live: bool,
    /// The management address [default: as configured]
    #[arg(long, value_name = "ADDRESS")]
    management_listen: Option<String>,
}

pub fn run(global: &Global, healthcheck: &Healthcheck) -> Done {
    let flags = healthcheck.management_listen.iter().map(|address| ("--management-listen", "management_listen", address.clone()));
    let address = Config::management_listen(&global.inputs(flags.collect()))?;
    let path = if healthcheck.live { "/livez" } else { "/readyz" };
    let status = ask(address, path).map_err(|error| Failure::Refused(format!("{address} does not answer: {error}")))?;
    global
        .output()
        .answer(&json!({ "ok": status == 200, "status": status }), || (if status == 200 { "ok" } else { "not ready" }).to_owned())?;
    if status == 200 { Ok(()) } else { Err(Failure::Told) }
}

/// The status of a GET. "All addresses" are asked on this machine's own.
pub fn ask(mut address: SocketAddr, path: &str) -> std::io::Result<u16> {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    // "HTTP/1.1 200": the rest is of no interest.
    let mut start = [0u8; 12];
    stream.read_exact(&mut start)?;
    let status = std::str::from_utf8(&start).ok().and_then(|start| start.strip_prefix("HTTP/1.1 ")).and_then(|code| code.parse().ok());
    status.ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidData, "the answer is not HTTP"))
}
