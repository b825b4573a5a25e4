//! One suite for each kind of store, run on every backend.
//!
//! SQLite (as a file, and in memory) and the in-process store are always there. Postgres and Redis are where `PORTERO_TEST_POSTGRES_URL` and
//! `PORTERO_TEST_REDIS_URL` name one; without them their half is left out, unless `PORTERO_TEST_BACKENDS=all`, which makes
//! that a failure. Every SQL statement is executed by at least one case, on both databases. Each case has a database (on Postgres a schema) and a
//! part of Redis of its own.

mod account_races;
mod accounts;
mod activity;
mod durable;
mod ephemeral;
mod faults;
mod grants;
mod imports;
mod organizations;
mod outbox;
mod pending;
mod people;
mod races;
mod together;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Map, json};

use super::durable::{Act, Actor, ByCode, ClientRecord, ClientSecret, Grant, GrantId, NewUser, Session, User};
use super::sql::scratch;
use super::{Digest, Schema, Storage, StorageOptions, Time};
use crate::protocol::client::{AccessTokenFormat, AuthMethod, Client, GrantType, SigningAlg};
use crate::seal::Seal;

/// Makes a test of each case on each database: `on_every_database!(case, …)`.
macro_rules! on_every_database {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $case() {
                let place = crate::storage::conformance::Place::sqlite();
                super::$case(&place).await;
                place.clear().await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $case() {
                let Some(place) = crate::storage::conformance::Place::postgres().await else { return };
                super::$case(&place).await;
                place.clear().await;
            })*
        }
    };
}
use on_every_database;

/// A database of a case's own; opening it twice makes two replicas.
struct Place {
    url: String,
    folder: Option<PathBuf>,
    schema: Option<(String, String)>,
}

impl Place {
    fn sqlite() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let folder =
            std::env::temp_dir().join(format!("portero-conformance-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        Self { url: format!("sqlite:{}", folder.join("portero.db").display()), folder: Some(folder), schema: None }
    }

    async fn postgres() -> Option<Self> {
        let server = configured("PORTERO_TEST_POSTGRES_URL")?;
        let (url, schema) = scratch::make_schema(&server).await;
        Some(Self { url, folder: None, schema: Some((server, schema)) })
    }

    async fn open(&self) -> Storage {
        Storage::open(&StorageOptions::new(&self.url), seal(), Schema::Migrate).await.expect("the database opens")
    }

    async fn clear(&self) {
        if let Some(folder) = &self.folder {
            std::fs::remove_dir_all(folder).expect("the folder was made by the case");
        }
        if let Some((server, schema)) = &self.schema {
            scratch::drop_schema(server, schema).await;
        }
    }
}

/// The address of a backend, or none where this run goes without.
fn configured(variable: &str) -> Option<String> {
    let value = std::env::var(variable).ok().filter(|value| !value.is_empty());
    let all = std::env::var("PORTERO_TEST_BACKENDS").is_ok_and(|value| value == "all");
    assert!(value.is_some() || !all, "PORTERO_TEST_BACKENDS=all, but {variable} is not set");
    value
}

fn seal() -> Seal {
    Seal::new(&[7; 32])
}

/// Seconds after a fixed moment.
fn at(seconds: i64) -> Time {
    Time::from_timestamp(1_790_000_000 + seconds, 0).expect("a moment")
}

fn digest(n: u32) -> Digest {
    seal().digest(crate::seal::Purpose::Token, &n.to_string())
}

/// Of a client that nobody is asked for.
fn by_code(digest: &Digest, idle: Duration) -> ByCode<'_> {
    ByCode { digest, idle, consent: false }
}

fn operator() -> Act {
    Act { actor: Actor::Operator, client_id: None, address: None, request_id: "req_1".to_owned() }
}

fn person(id: &str) -> Act {
    Act {
        actor: Actor::Person(id.to_owned()),
        client_id: Some("app".to_owned()),
        address: Some("192.0.2.7".parse().expect("an address")),
        request_id: "req_2".to_owned(),
    }
}

fn user(id: &str) -> NewUser {
    let mut claims = Map::new();
    claims.insert("given_name".to_owned(), json!("Ñuño"));
    claims.insert("address".to_owned(), json!({ "locality": "León" }));
    NewUser {
        user: User {
            id: id.to_owned(),
            email: format!("{id}@Example.org"),
            email_verified: true,
            username: Some(id.to_uppercase()),
            name: Some(format!("The {id}")),
            locale: Some("es-MX".to_owned()),
            claims,
            roles: vec!["auditor".to_owned()],
            demo: false,
            revision: 1,
            created_at: at(0),
            updated_at: at(0),
            ..User::default()
        },
        email_canonical: format!("{id}@example.org"),
        username_canonical: Some(id.to_owned()),
        password_hash: Some("$argon2id$old".to_owned()),
    }
}

fn owner(id: &str) -> NewUser {
    let mut new = user(id);
    new.user.roles.push("owner".to_owned());
    new
}

pub(crate) fn client(id: &str) -> ClientRecord {
    ClientRecord {
        client: Arc::new(Client {
            client_id: id.to_owned(),
            client_name: Some(format!("The {id} of «Ñ»")),
            client_uri: None,
            logo_uri: None,
            policy_uri: None,
            tos_uri: None,
            contacts: vec![],
            redirect_uris: vec!["https://app.example/callback".to_owned()],
            post_logout_redirect_uris: vec![],
            grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            response_types: vec!["code".to_owned()],
            token_endpoint_auth_method: AuthMethod::ClientSecretBasic,
            scope: "openid profile".to_owned(),
            default_scope: None,
            id_token_signed_response_alg: SigningAlg::RS256,
            access_token_signed_response_alg: SigningAlg::RS256,
            access_token_format: AccessTokenFormat::Jwt,
            default_max_age: None,
            require_auth_time: false,
            require_pkce: Some(true),
            first_party: false,
            refresh_token_rotation: true,
            claims_in_id_token: true,
            external_id_source: Some("flask-jwt".to_owned()),
            resources: vec![],
            audiences: vec![],
        }),
        secrets: vec![ClientSecret { digest: digest(1), created_at: at(0), expires_at: Some(at(1000)) }],
        demo: false,
        disabled_at: None,
        revision: 0,
        created_at: at(0),
        updated_at: at(0),
    }
}

fn session(id: &str, user_id: &str, now: Time) -> Session {
    Session {
        id: id.to_owned(),
        user_id: user_id.to_owned(),
        auth_time: now,
        acr: "1".to_owned(),
        amr: "pwd".to_owned(),
        created_at: now,
        last_seen_at: now,
        expires_at: now + chrono::Duration::days(14),
        ended_at: None,
        address: Some("192.0.2.7".to_owned()),
        user_agent: Some("a browser".to_owned()),
    }
}

fn grant_id(n: u32) -> GrantId {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&n.to_be_bytes());
    GrantId(id)
}

/// A grant of `ana` at `app`, from the session named.
fn grant(n: u32, session_id: Option<&str>) -> Grant {
    Grant {
        id: grant_id(n),
        client_id: "app".to_owned(),
        user_id: "ana".to_owned(),
        session_id: session_id.map(str::to_owned),
        offline: false,
        scope: "openid profile".to_owned(),
        resource: "https://api.example/".to_owned(),
        claims: Some(r#"{"userinfo":{"email":null}}"#.to_owned()),
        nonce: Some("n-0S6".to_owned()),
        auth_time: at(0),
        acr: "1".to_owned(),
        amr: "pwd".to_owned(),
        generation: 0,
        rotated_at: at(0),
        created_at: at(0),
        expires_at: at(30 * 24 * 3600),
        revoked_at: None,
    }
}

/// A database with `ana`, `app` and ana's session `s1` behind the cookie `digest(1)`.
async fn furnished(place: &Place) -> Storage {
    let storage = place.open().await;
    storage.users.create(&user("ana"), &operator()).await.expect("ana is new");
    storage.clients.create(&client("app"), &operator()).await.expect("app is new");
    storage.sessions.start(&session("s1", "ana", at(0)), &digest(1), None, &person("ana")).await.expect("a session starts");
    storage
}

/// What the audit trail says, newest first: act, actor, subject, result, reason, count.
async fn trail(storage: &Storage, limit: u32) -> Vec<String> {
    let rows = storage.audit.recent(limit).await.expect("the trail is read");
    rows.iter()
        .map(|row| {
            let subject = row.subject.as_deref().unwrap_or("-");
            let reason = row.reason.as_deref().unwrap_or("-");
            format!("{} {} {subject} {} {reason} {}", row.act, row.actor, row.result, row.count)
        })
        .collect()
}
