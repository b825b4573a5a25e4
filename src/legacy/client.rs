//! The first-party client that a dialect's tokens belong to: made at the start, and held to what the file says.
//!
//! It has a secret that nobody knows: its people sign in through the dialect alone. An operator who wants it at the token endpoint as well, on
//! the way to standards, gives it one (`portero client rotate-secret`). Redirect URIs are the operator's: they say which web origins may read
//! the dialect's answers.

use std::collections::BTreeMap;

use super::dialect::Dialect;
use super::mount::Mounted;
use crate::app::App;
use crate::clients::{self, ClientError, Fresh};
use crate::protocol::client::{AuthMethod, Client, GrantType};
use crate::protocol::client_metadata::ClientMetadata;
use crate::storage::durable::{Act, Actor};

/// Makes the client, or brings it to what the file says.
///
/// # Errors
/// Why that cannot be, and what to do.
pub async fn ensure(app: &App, dialect: &Dialect) -> Result<(), String> {
    let by = Act { actor: Actor::System, client_id: None, address: None, request_id: "start".to_owned() };
    let (id, now) = (dialect.client.id.as_str(), app.clock.now());
    let clients = &*app.storage.clients;
    let there = clients.find(id).await.map_err(|fault| fault.to_string())?;
    let client = match there {
        None => {
            let fresh = Fresh { id: app.random.bytes(), secret: app.random.bytes() };
            match clients::create(clients, &app.seal, Some(id), wanted(dialect, None), fresh, now, &by).await {
                Ok(made) => made.record.client,
                // Another replica was faster, with the same file.
                Err(ClientError::Taken) => return Ok(()),
                Err(error) => return Err(format!("the client {id} cannot be made: {error}")),
            }
        }
        Some(record) if record.demo || record.client.is_public() => {
            return Err(format!("there is a client {id} already that is public or a demo; write another id in [client]"));
        }
        Some(record) if fits(&record.client, dialect) => record.client.clone(),
        Some(record) => {
            let changed =
                clients::update(clients, &app.seal, id, wanted(dialect, Some(&record.client)), app.random.bytes(), now, &by).await;
            changed.map_err(|error| format!("the client {id} cannot be changed: {error}"))?.record.client
        }
    };
    app.ensure_keys(&client, &by).await.map_err(|fault| fault.to_string())
}

fn fits(client: &Client, dialect: &Dialect) -> bool {
    client.first_party
        && client.refresh_token_rotation == dialect.client.rotation
        && dialect.client.scope.split_whitespace().all(|scope| client.has_scope(scope))
        && grants(dialect).iter().all(|grant| client.allows(*grant))
}

fn grants(dialect: &Dialect) -> Vec<GrantType> {
    if dialect.refreshes() { vec![GrantType::Password, GrantType::RefreshToken] } else { vec![GrantType::Password] }
}

/// The members that are the file's. What an operator added to the client stays.
fn wanted(dialect: &Dialect, before: Option<&Client>) -> ClientMetadata {
    let mut names = grants(dialect);
    let mut scope: Vec<&str> = dialect.client.scope.split_whitespace().collect();
    if let Some(before) = before {
        names.extend(before.grant_types.iter().filter(|grant| !names.contains(grant)).copied().collect::<Vec<_>>());
        scope.extend(before.scope.split_whitespace().filter(|name| !scope.contains(name)).collect::<Vec<_>>());
    }
    let new = before.is_none();
    ClientMetadata {
        client_name: new.then(|| dialect.client.title.clone().unwrap_or_else(|| dialect.name.clone())),
        token_endpoint_auth_method: new.then(|| AuthMethod::ClientSecretBasic.as_str().to_owned()),
        redirect_uris: new.then(Vec::new),
        grant_types: Some(names.iter().map(|grant| grant.as_str().to_owned()).collect()),
        scope: Some(scope.join(" ")),
        first_party: Some(true),
        refresh_token_rotation: Some(dialect.client.rotation),
        ..ClientMetadata::default()
    }
}

/// Dialects that share a client and want it to be two things.
#[must_use]
pub fn disagreements(mounted: &[Mounted]) -> Vec<String> {
    let mut seen: BTreeMap<&str, &Mounted> = BTreeMap::new();
    let mut found = Vec::new();
    for mount in mounted {
        let client = &mount.dialect.client;
        let before = *seen.entry(client.id.as_str()).or_insert(mount);
        if before.dialect.client.rotation != client.rotation {
            found.push(format!("{} and {} use the client {} with and without rotation", before.from, mount.from, client.id));
        }
    }
    found
}
