//! The clients of a development server: one with a secret, one without. Their rows are marked, and production refuses to start beside them.
//!
//! The secret is derived from the master key, so that every start can print it again. Called by `app` when it opens in development.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{ClientError, SECRET_PREFIX, Secret, stored};
use crate::protocol::client::{Client, GrantType};
use crate::protocol::client_metadata::{ClientMetadata, Defaults};
use crate::protocol::scope;
use crate::seal::{Purpose, Seal};
use crate::storage::durable::{Act, ClientRecord, Clients};
use crate::storage::{StorageError, Time};

pub const CONFIDENTIAL: &str = "demo-web";
pub const PUBLIC: &str = "demo-native";

/// Where programs on this machine listen.
const LOOPBACK: [&str; 2] = ["http://127.0.0.1/callback", "http://[::1]/callback"];

/// What a start prints. None where somebody made a client of that name by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoClients {
    /// It holds every grant, the password grant too: it is first-party.
    pub confidential: Option<(&'static str, Secret)>,
    pub public: Option<&'static str>,
}

/// Where the demo page of this server takes its answers.
#[derive(Clone, Copy, Debug)]
pub struct Addresses<'a> {
    pub redirect_uri: &'a str,
    pub post_logout_redirect_uri: &'a str,
}

/// Makes the demo clients, or brings them up to date with this start's addresses.
///
/// # Errors
/// [`ClientError`].
pub async fn ensure(clients: &dyn Clients, seal: &Seal, addresses: Addresses<'_>, now: Time, by: &Act) -> Result<DemoClients, ClientError> {
    let mac = seal.mac(Purpose::Demo, &[b"client", CONFIDENTIAL.as_bytes()]);
    let secret = Secret(format!("{SECRET_PREFIX}{}", URL_SAFE_NO_PAD.encode(mac.0)));
    let confidential = ensure_one(clients, seal, confidential(addresses)?, Some(&secret), now, by).await?;
    let public = ensure_one(clients, seal, public(addresses)?, None, now, by).await?;
    Ok(DemoClients { confidential: confidential.then_some((CONFIDENTIAL, secret)), public: public.then_some(PUBLIC) })
}

/// False where a client of that id is there that is not ours.
async fn ensure_one(
    clients: &dyn Clients,
    seal: &Seal,
    client: Client,
    secret: Option<&Secret>,
    now: Time,
    by: &Act,
) -> Result<bool, ClientError> {
    let secrets: Vec<_> = secret.map(|secret| stored(seal, &client.client_id, secret, now)).into_iter().collect();
    let record =
        ClientRecord { client: Arc::new(client), secrets, demo: true, disabled_at: None, revision: 0, created_at: now, updated_at: now };
    if let Some(before) = clients.find(&record.client.client_id).await? {
        let digests = |record: &ClientRecord| record.secrets.iter().map(|secret| secret.digest).collect::<Vec<_>>();
        let same = before.client == record.client && digests(&before) == digests(&record) && before.disabled_at.is_none();
        if before.demo && !same {
            clients.update(&ClientRecord { created_at: before.created_at, revision: before.revision, ..record }, None, by).await?;
        }
        return Ok(before.demo);
    }
    match clients.create(&record, by).await {
        Ok(()) => Ok(true),
        // A second process of the same development server was faster.
        Err(StorageError::Conflict(_)) => Ok(clients.find(&record.client.client_id).await?.is_some_and(|there| there.demo)),
        Err(fault) => Err(fault.into()),
    }
}

fn confidential(addresses: Addresses<'_>) -> Result<Client, ClientError> {
    let metadata = ClientMetadata {
        client_name: Some("Demo (web)".into()),
        first_party: Some(true),
        redirect_uris: Some(vec![LOOPBACK[0].to_owned()]),
        ..ClientMetadata::default()
    };
    let defaults = Defaults { grant_types: GrantType::ALL.to_vec(), scope: scope::STANDARD.join(" ") };
    let client = metadata.into_client(CONFIDENTIAL, &defaults)?;
    Ok(at(Client { redirect_uris: Vec::new(), ..client }, addresses))
}

fn public(addresses: Addresses<'_>) -> Result<Client, ClientError> {
    let metadata = ClientMetadata {
        client_name: Some("Demo (native)".into()),
        token_endpoint_auth_method: Some("none".into()),
        redirect_uris: Some(LOOPBACK.map(str::to_owned).to_vec()),
        ..ClientMetadata::default()
    };
    let defaults = Defaults { grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken], scope: scope::STANDARD.join(" ") };
    Ok(at(metadata.into_client(PUBLIC, &defaults)?, addresses))
}

/// With the page of this server itself, wherever that is: http may be no address for anybody's client, and yet a development server's own (a
/// container's name, another machine of the house).
fn at(mut client: Client, addresses: Addresses<'_>) -> Client {
    client.redirect_uris.insert(0, addresses.redirect_uri.to_owned());
    client.post_logout_redirect_uris = vec![addresses.post_logout_redirect_uri.to_owned()];
    client
}
