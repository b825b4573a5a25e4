//! `trusted_proxies`, `fetch_allow`, `pkce`, `resources`, `limits`, `docs`: what is let through.

use ipnet::IpNet;
use url::Url;

use super::reader::Setting;
use super::reader::{Reader, choices};

/// Who must use PKCE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PkcePolicy {
    /// Every client, unless its own switch says otherwise.
    #[default]
    All,
    /// Public clients; confidential ones may leave it out.
    Public,
}
choices!(PkcePolicy { All: "all", Public: "public" });

/// What is let through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Addresses whose forwarded headers count.
    pub trusted_proxies: Vec<IpNet>,
    /// Networks that outgoing requests may go to although they are private.
    pub fetch_allow: Vec<IpNet>,
    pub pkce: PkcePolicy,
    /// Resources open to every client; `*` is all of them.
    pub resources: Vec<String>,
    /// Off only for tests.
    pub limits: bool,
    /// The documentation of the API is there for everybody to read.
    pub docs: bool,
}

impl Access {
    pub(super) fn read(reader: &mut Reader<'_>, development: bool) -> Self {
        let open = if development { vec!["*".to_owned()] } else { Vec::new() };
        Self {
            trusted_proxies: reader.get("trusted_proxies", Vec::new()),
            fetch_allow: reader.get("fetch_allow", Vec::new()),
            pkce: reader.get("pkce", PkcePolicy::All),
            resources: reader.get("resources", open),
            limits: reader.get("limits", true),
            docs: reader.get("docs", development),
        }
    }

    pub(super) fn check(&self, reader: &mut Reader<'_>, production: bool) {
        if production && !self.limits {
            let reason = "is off: without limits passwords can be guessed as fast as the machine allows. Off is for tests".to_owned();
            reader.problem("limits", reason, Some("on"));
        }
        if production && !self.fetch_allow.is_empty() {
            reader.warn(format!("PORTERO_FETCH_ALLOW lets outgoing requests into private networks: {}", self.fetch_allow.show()));
        }
        if self.trusted_proxies.iter().any(|net| net.prefix_len() == 0) {
            let reason = "trusts every address, so that anybody may say where they come from; name your proxies".to_owned();
            reader.problem("trusted_proxies", reason, Some("10.0.0.0/8"));
        }
        for resource in self.resources.iter().filter(|resource| *resource != "*") {
            // RFC 8707 §2: "Its value MUST be an absolute URI … The URI MUST NOT include a fragment component."
            if Url::parse(resource).is_err() || resource.contains('#') {
                let reason = format!("{resource} is not an absolute URI without a fragment");
                reader.problem("resources", reason, Some("https://api.example.org"));
            }
        }
        if production && self.resources.iter().any(|resource| resource == "*") {
            reader.warn("PORTERO_RESOURCES is *: every client may ask for tokens for any resource".to_owned());
        }
    }
}
