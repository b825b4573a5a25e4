//! `client create|list|show|update|delete|rotate-secret`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};

use super::host::{Host, read_object};
use super::output::{hint, plain, table};
use super::{Done, Failure, Global};
use crate::clients::presets::{Facts, Preset};
use crate::clients::{self, Changed, ClientError, Fresh};
use crate::protocol::client_metadata::ClientMetadata;
use crate::storage::durable::ClientRecord;
use crate::urls;

#[derive(clap::Subcommand)]
pub enum Client {
    /// Register a client; its secret is printed this once
    Create(Create),
    /// Show every client
    List,
    /// Show one client
    Show { client_id: String },
    /// Change a client: what is given replaces what was there
    Update(Update),
    /// Remove a client with its consents, and revoke its grants
    Delete { client_id: String },
    /// Give a client a new secret; it is printed this once
    RotateSecret {
        client_id: String,
        /// How long the old secret works beside the new one, such as 24h [default: not at all]
        #[arg(long, value_name = "DURATION", value_parser = crate::config::parse_duration)]
        keep: Option<Duration>,
    },
}

/// What both making and changing take. Flags win over the file.
#[derive(Args, Default)]
pub struct Members {
    /// The name people see
    #[arg(long)]
    name: Option<String>,
    /// Where answers may be sent; may be given several times
    #[arg(long, value_name = "URI")]
    redirect_uri: Vec<String>,
    /// Where people may be sent after a sign-out; may be given several times
    #[arg(long, value_name = "URI")]
    post_logout_redirect_uri: Vec<String>,
    /// authorization_code, refresh_token, client_credentials, password; may be given several times
    #[arg(long, value_name = "GRANT")]
    grant_type: Vec<String>,
    /// code; follows from the grants
    #[arg(long, value_name = "TYPE")]
    response_type: Vec<String>,
    /// The scopes it may ask for, separated by spaces
    #[arg(long)]
    scope: Option<String>,
    /// The scopes it gets when it names none
    #[arg(long, value_name = "SCOPE")]
    default_scope: Option<String>,
    /// A resource it may ask tokens for; may be given several times
    #[arg(long, value_name = "URI")]
    resource: Vec<String>,
    /// What it is as a resource server: it may introspect tokens for it; may be given several times
    #[arg(long, value_name = "VALUE")]
    audience: Vec<String>,
    /// client_secret_basic, client_secret_post or none
    #[arg(long, value_name = "METHOD")]
    auth_method: Option<String>,
    /// It cannot keep a secret: an app in a browser, on a phone, on a desktop
    #[arg(long, conflicts_with = "auth_method")]
    public: bool,
    /// It need not use PKCE (confidential clients only)
    #[arg(long)]
    no_pkce: bool,
    /// It is your own: no consent page, and it may hold the password grant
    #[arg(long)]
    first_party: bool,
    /// Further members as JSON (RFC 7591), `-` for standard input
    #[arg(long, value_name = "FILE")]
    metadata: Option<PathBuf>,
}

#[derive(Args)]
pub struct Create {
    #[command(flatten)]
    members: Members,
    /// Its client_id [default: made up]
    #[arg(long)]
    id: Option<String>,
    /// What a framework needs: nextjs, spa, native, django, mcp; prints the lines for the project
    #[arg(long, value_parser = preset)]
    preset: Option<Preset>,
}

#[derive(Args)]
pub struct Update {
    client_id: String,
    #[command(flatten)]
    members: Members,
    /// It must use PKCE
    #[arg(long, conflicts_with = "no_pkce")]
    pkce: bool,
    /// It is not your own
    #[arg(long, conflicts_with = "first_party")]
    no_first_party: bool,
    /// Nothing of it works any more
    #[arg(long, conflicts_with = "enable")]
    disable: bool,
    /// It works again
    #[arg(long)]
    enable: bool,
}

fn preset(name: &str) -> Result<Preset, String> {
    Preset::parse(name).ok_or_else(|| format!("none of {}", Preset::ALL.map(Preset::as_str).join(", ")))
}

pub async fn run(global: &Global, command: Client) -> Done {
    match command {
        Client::Create(create) => self::create(global, create).await,
        Client::List => list(global).await,
        Client::Show { client_id } => {
            let host = Host::open(global).await?;
            let record = host.storage.clients.find(&client_id).await.map_err(Failure::refused)?;
            let record = record.ok_or_else(|| refused(&ClientError::Unknown))?;
            global.output().answer(&shown(&record, None), || lines(&record, None))?;
            Ok(())
        }
        Client::Update(update) => self::update(global, update).await,
        Client::Delete { client_id } => {
            let host = Host::open(global).await?;
            clients::delete(&*host.storage.clients, &client_id, host.now(), &host.act()).await.map_err(|error| refused(&error))?;
            host.seen().await;
            global.output().answer(&json!({ "client_id": client_id, "deleted": true }), || format!("{client_id} is deleted"))?;
            Ok(())
        }
        Client::RotateSecret { client_id, keep } => {
            let host = Host::open(global).await?;
            let (fresh, now) = (host.random.bytes(), host.now());
            let rotated = clients::rotate_secret(&*host.storage.clients, &host.seal, &client_id, keep, fresh, now, &host.act()).await;
            let changed = rotated.map_err(|error| refused(&error))?;
            host.seen().await;
            tell(global, &changed)?;
            Ok(())
        }
    }
}

async fn create(global: &Global, Create { members, id, preset }: Create) -> Done {
    // What is wrong with the command line is said before a store is opened.
    let (given, id_in_file) = metadata(members)?;
    let metadata = preset.map_or_else(|| given.clone(), |preset| preset.complete(given.clone()));
    let host = Host::open(global).await?;
    let fresh = Fresh { id: host.random.bytes(), secret: host.random.bytes() };
    let id = id.or(id_in_file);
    let made = clients::create(&*host.storage.clients, &host.seal, id.as_deref(), metadata, fresh, host.now(), &host.act()).await;
    let changed = made.map_err(|error| refused(&error))?;
    host.ensure_keys(&changed.record.client).await?;
    tell(global, &changed)?;
    if let Some(preset) = preset.filter(|_| !global.json) {
        super::output::print(&format!("\n{}", snippet(&host, preset, &changed)))?;
    }
    Ok(())
}

async fn update(global: &Global, update: Update) -> Done {
    let Update { client_id, members, pkce, no_first_party, disable, enable } = update;
    let (mut metadata, _) = metadata(members)?;
    if pkce {
        metadata.require_pkce = Some(true);
    }
    if no_first_party {
        metadata.first_party = Some(false);
    }
    let changes = metadata != ClientMetadata::default();
    if !changes && !disable && !enable {
        return Err(Failure::Usage("nothing to change: name what is to be replaced (portero client update --help)".to_owned()));
    }
    let host = Host::open(global).await?;
    let (by, now) = (host.act(), host.now());
    let mut changed = None;
    if changes {
        let updated = clients::update(&*host.storage.clients, &host.seal, &client_id, metadata, host.random.bytes(), now, &by).await;
        let updated = updated.map_err(|error| refused(&error))?;
        host.ensure_keys(&updated.record.client).await?;
        changed = Some(updated);
    }
    if disable || enable {
        let record = clients::set_disabled(&*host.storage.clients, &client_id, disable, now, &by).await.map_err(|error| refused(&error))?;
        changed = Some(Changed { record, secret: changed.and_then(|changed| changed.secret) });
    }
    if let Some(changed) = changed {
        host.seen().await;
        tell(global, &changed)?;
    }
    Ok(())
}

async fn list(global: &Global) -> Done {
    const PAGE: u32 = 200;
    let host = Host::open(global).await?;
    let mut all = Vec::new();
    loop {
        let after = all.last().map(|record: &std::sync::Arc<ClientRecord>| record.client.client_id.clone());
        let page = host.storage.clients.list(after.as_deref(), PAGE).await.map_err(Failure::refused)?;
        let last = page.len() < PAGE as usize;
        all.extend(page);
        if last {
            break;
        }
    }
    let json = Value::Array(all.iter().map(|record| shown(record, None)).collect());
    global.output().answer(&json, || {
        let row = |record: &std::sync::Arc<ClientRecord>| {
            let client = &record.client;
            let kind = if client.is_public() { "public" } else { "confidential" };
            let state = [(record.disabled_at.is_some(), "disabled"), (client.first_party, "first-party"), (record.demo, "demo")];
            let state: Vec<&str> = state.into_iter().filter(|(holds, _)| *holds).map(|(_, word)| word).collect();
            let grants: Vec<&str> = client.grant_types.iter().map(|grant| grant.as_str()).collect();
            vec![client.client_id.clone(), plain(client.display_name()), kind.to_owned(), grants.join(" "), state.join(" ")]
        };
        table(&["CLIENT_ID", "NAME", "KIND", "GRANTS", ""], &all.iter().map(row).collect::<Vec<_>>())
    })?;
    Ok(())
}

/// The members of the file with those of the flags over them, and the `client_id` that the file may hold.
fn metadata(members: Members) -> Result<(ClientMetadata, Option<String>), Failure> {
    let mut json = members.metadata.as_deref().map(read_object).transpose()?.unwrap_or_default();
    let id = json.remove("client_id").and_then(|id| id.as_str().map(str::to_owned));
    if json.remove("client_secret").is_some() {
        hint("client_secret in the file is left out: secrets are made here");
    }
    // What a registration's answer holds beside the metadata.
    for member in ["client_id_issued_at", "client_secret_expires_at", "registration_access_token", "registration_client_uri"] {
        json.remove(member);
    }
    let mut set = |member: &str, value: Option<Value>| {
        if let Some(value) = value {
            json.insert(member.to_owned(), value);
        }
    };
    let list = |values: Vec<String>| (!values.is_empty()).then(|| Value::from(values));
    set("client_name", members.name.map(Value::from));
    set("redirect_uris", list(members.redirect_uri));
    set("post_logout_redirect_uris", list(members.post_logout_redirect_uri));
    set("grant_types", list(members.grant_type));
    set("response_types", list(members.response_type));
    set("scope", members.scope.map(Value::from));
    set("default_scope", members.default_scope.map(Value::from));
    set("resources", list(members.resource));
    set("audiences", list(members.audience));
    set("token_endpoint_auth_method", members.auth_method.or_else(|| members.public.then(|| "none".to_owned())).map(Value::from));
    set("require_pkce", members.no_pkce.then_some(Value::Bool(false)));
    set("first_party", members.first_party.then_some(Value::Bool(true)));
    let metadata = serde_json::from_value(Value::Object(json.clone())).map_err(|error| {
        // Alone, the member that is wrong is found by its name.
        let is_wrong = |(name, value): &(&String, &Value)| {
            serde_json::from_value::<ClientMetadata>(Value::Object([((*name).clone(), (*value).clone())].into_iter().collect())).is_err()
        };
        let name = json.iter().find(is_wrong).map_or("the metadata", |(name, _)| name.as_str());
        Failure::Refused(format!("{name}: {error}"))
    })?;
    Ok((metadata, id))
}

/// RFC 7591 §3.2.1, with `client_secret` only where it was made just now.
fn shown(record: &ClientRecord, secret: Option<&str>) -> Value {
    let mut members = match serde_json::to_value(&*record.client) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    members.insert("client_id_issued_at".to_owned(), record.created_at.timestamp().into());
    if let Some(secret) = secret {
        members.insert("client_secret".to_owned(), secret.into());
        // RFC 7591 §3.2.1: "REQUIRED if "client_secret" is issued. … The value "0" if it will not expire"
        members.insert("client_secret_expires_at".to_owned(), 0.into());
    }
    if record.disabled_at.is_some() {
        members.insert("disabled".to_owned(), true.into());
    }
    if record.demo {
        members.insert("demo".to_owned(), true.into());
    }
    Value::Object(members)
}

fn tell(global: &Global, changed: &Changed) -> Done {
    let secret = changed.secret.as_ref().map(clients::Secret::reveal);
    if secret.is_some() && !global.json {
        hint("The secret is shown this once and kept nowhere.");
    }
    global.output().answer(&shown(&changed.record, secret), || lines(&changed.record, secret))
}

/// A member a line, the ids first.
fn lines(record: &ClientRecord, secret: Option<&str>) -> String {
    let Value::Object(members) = shown(record, secret) else { return String::new() };
    let is_id = |member: &str| matches!(member, "client_id" | "client_secret");
    let (first, rest): (Vec<_>, Vec<_>) =
        members.iter().filter(|(member, _)| *member != "client_secret_expires_at").partition(|(member, _)| is_id(member));
    let text = |value: &Value| match value {
        Value::String(text) => plain(text),
        Value::Array(items) => items.iter().map(|item| plain(item.as_str().unwrap_or_default())).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    };
    let width = members.keys().map(String::len).max().unwrap_or_default();
    let line = |(member, value): (&String, &Value)| format!("{member:width$}  {}", text(value)).trim_end().to_owned();
    first.into_iter().chain(rest).map(line).collect::<Vec<_>>().join("\n")
}

fn snippet(host: &Host, preset: Preset, changed: &Changed) -> String {
    let (urls, client) = (host.urls(), &changed.record.client);
    preset.snippet(&Facts {
        issuer: urls.issuer(),
        authorization_endpoint: &urls.absolute(urls::AUTHORIZE),
        token_endpoint: &urls.absolute(urls::TOKEN),
        userinfo_endpoint: &urls.absolute(urls::USERINFO),
        end_session_endpoint: &urls.absolute(urls::LOGOUT),
        jwks_uri: &urls.absolute(urls::JWKS),
        client_id: &client.client_id,
        client_secret: changed.secret.as_ref().map(clients::Secret::reveal),
        redirect_uri: client.redirect_uris.first().map_or("", String::as_str),
        post_logout_redirect_uri: client.post_logout_redirect_uris.first().map_or("", String::as_str),
        scope: &client.scope,
    })
}

/// A member that is refused, with the flag that sets it: whoever typed the flag knows no other name.
fn refused(error: &ClientError) -> Failure {
    let ClientError::Metadata(bad) = error else { return Failure::refused(error) };
    let flag = match bad.member {
        "client_name" => "name",
        "redirect_uris" => "redirect-uri",
        "post_logout_redirect_uris" => "post-logout-redirect-uri",
        "grant_types" => "grant-type",
        "response_types" => "response-type",
        "scope" => "scope",
        "default_scope" => "default-scope",
        "resources" => "resource",
        "audiences" => "audience",
        "token_endpoint_auth_method" => "auth-method",
        _ => return Failure::refused(error),
    };
    Failure::refused(format!("{} (--{flag}): {}", bad.member, bad.reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_file() {
        let path = std::env::temp_dir().join(format!("portero-metadata-{}.json", std::process::id()));
        std::fs::write(&path, r#"{"client_id":"notes","client_secret":"x","client_name":"File","scope":"openid","jwks_uri":null}"#)
            .expect("written");
        let members = Members {
            name: Some("Flag".to_owned()),
            redirect_uri: vec!["https://a.example/callback".to_owned()],
            public: true,
            metadata: Some(path.clone()),
            ..Members::default()
        };
        let (metadata, id) = metadata(members).expect("valid");
        std::fs::remove_file(&path).expect("removable");
        assert_eq!(id.as_deref(), Some("notes"));
        assert_eq!(metadata.client_name.as_deref(), Some("Flag"));
        assert_eq!(metadata.scope.as_deref(), Some("openid"));
        assert_eq!(metadata.token_endpoint_auth_method.as_deref(), Some("none"));
        assert_eq!(metadata.redirect_uris, Some(vec!["https://a.example/callback".to_owned()]));
        assert_eq!((metadata.require_pkce, metadata.first_party), (None, None));
    }

    #[test]
    fn what_is_refused_is_named_as_it_was_typed() {
        use crate::protocol::client::MetadataError;

        let told = |error: ClientError| match refused(&error) {
            Failure::Refused(told) | Failure::Usage(told) => told,
            _ => String::new(),
        };
        assert_eq!(told(MetadataError::new("redirect_uris", "must use https").into()), "redirect_uris (--redirect-uri): must use https");
        assert_eq!(told(MetadataError::new("jwks_uri", "must use https").into()), "jwks_uri: must use https");
        assert_eq!(told(ClientError::Unknown), "there is no such client");
        // Every flag that is named is one.
        let all = <Create as clap::Args>::augment_args(clap::Command::new("create"));
        for member in [
            "client_name",
            "redirect_uris",
            "post_logout_redirect_uris",
            "grant_types",
            "response_types",
            "scope",
            "default_scope",
            "resources",
            "audiences",
            "token_endpoint_auth_method",
        ] {
            let told = told(MetadataError::new(member, "x").into());
            let flag = told.split_once("(--").and_then(|(_, rest)| rest.split_once(')')).map(|(flag, _)| flag);
            assert!(all.get_arguments().any(|argument| argument.get_long() == flag), "{told}");
        }
    }
}
