//! `user create|list|show|disable|enable|set-password`; `import` and `export` are in their own file.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value};

use super::host::{Host, read_object, read_stdin};
use super::import::{Export, Import};
use super::output::{plain, table};
use super::{Done, Failure, Global};
use crate::accounts::administration;
use crate::accounts::users::{self, AccountError, Fresh, NewAccount};
use crate::clock::Time;
use crate::storage::durable::User as Account;

#[derive(clap::Subcommand)]
pub enum User {
    /// Make an account
    Create(Create),
    /// Show every account
    List,
    /// Show one account
    Show {
        /// Id, e-mail or user name
        user: String,
    },
    /// Keep somebody out: sessions end, grants are revoked
    Disable {
        /// Id, e-mail or user name
        user: String,
    },
    /// Let somebody in again
    Enable {
        /// Id, e-mail or user name
        user: String,
    },
    /// Set a password; sessions end, grants are revoked
    SetPassword {
        /// Id, e-mail or user name
        user: String,
        /// Read the password from standard input: on the command line others would see it
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// Move people in from another system, with their passwords; again and again until the switch
    Import(Import),
    /// Write everybody, with their stored passwords, in the form that an import reads
    Export(Export),
}

#[derive(Args)]
pub struct Create {
    #[arg(long)]
    email: String,
    #[arg(long)]
    username: Option<String>,
    /// The name people see
    #[arg(long)]
    name: Option<String>,
    /// Their language, such as es or es-MX
    #[arg(long)]
    locale: Option<String>,
    /// The address is known to be theirs
    #[arg(long)]
    verified: bool,
    /// owner, user_admin, client_admin, auditor, or one of an app; may be given several times
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
    /// Standard claims (OIDC Core 5.1) as JSON, `-` for standard input
    #[arg(long, value_name = "FILE")]
    claims: Option<PathBuf>,
    /// Read the password from standard input [default: none, so that nobody can sign in by password]
    #[arg(long)]
    password_stdin: bool,
}

pub async fn run(global: &Global, command: User) -> Done {
    match command {
        User::Create(create) => self::create(global, create).await,
        User::List => list(global).await,
        User::Import(import) => super::import::import(global, import).await,
        User::Export(export) => super::import::export(global, export).await,
        User::Show { user } => {
            let host = Host::open(global).await?;
            let account = find(&host, &user).await?;
            tell(global, &account)?;
            Ok(())
        }
        User::Disable { user } => set_disabled(global, &user, true).await,
        User::Enable { user } => set_disabled(global, &user, false).await,
        User::SetPassword { user, password_stdin: _ } => {
            let password = read_stdin("The password")?;
            let host = Host::open(global).await?;
            let account = find(&host, &user).await?;
            let (desk, by) = (host.desk_parts()?, host.act());
            let done = administration::set_password(&host.desk(&desk), &account.id, &password, &host.asking(&by)).await;
            done.map_err(|error| refused(&error))?;
            tell(global, &find(&host, &account.id).await?)?;
            Ok(())
        }
    }
}

async fn create(global: &Global, create: Create) -> Done {
    let from_stdin = |path: &PathBuf| path.as_os_str() == "-";
    if create.password_stdin && create.claims.as_ref().is_some_and(from_stdin) {
        return Err(Failure::Usage("standard input holds the password or the claims, not both: put the claims into a file".to_owned()));
    }
    let claims = create.claims.as_deref().map(read_object).transpose()?.unwrap_or_default();
    let password = create.password_stdin.then(|| read_stdin("The password")).transpose()?;
    let host = Host::open(global).await?;
    let breached = host.breached()?;
    let account = NewAccount {
        email: &create.email,
        email_verified: create.verified,
        username: create.username.as_deref(),
        name: create.name.as_deref(),
        locale: create.locale.as_deref(),
        roles: create.role,
        claims,
        attributes: Map::new(),
        rules: host.rules(breached.as_ref()),
        password: password.as_ref().map(|password| password.as_str()),
        demo: false,
    };
    let fresh = Fresh { id: host.random.bytes(), salt: host.random.bytes() };
    let made = users::create(&*host.storage.users, &host.hasher()?, account, fresh, host.now(), &host.act()).await;
    tell(global, &made.map_err(|error| refused(&error))?)?;
    Ok(())
}

async fn set_disabled(global: &Global, user: &str, disabled: bool) -> Done {
    let host = Host::open(global).await?;
    let account = find(&host, user).await?;
    let (desk, by) = (host.desk_parts()?, host.act());
    let done = administration::set_disabled(&host.desk(&desk), &account, disabled, &host.asking(&by)).await;
    done.map_err(|error| refused(&error))?;
    tell(global, &find(&host, &account.id).await?)?;
    Ok(())
}

async fn list(global: &Global) -> Done {
    let host = Host::open(global).await?;
    let all = all(&host).await?;
    let json = Value::Array(all.iter().map(shown).collect());
    global.output().answer(&json, || {
        let row = |user: &Account| {
            let state = if user.disabled_at.is_some() { "disabled" } else { "" };
            let cell = |text: &Option<String>| plain(text.as_deref().unwrap_or_default());
            vec![user.id.clone(), plain(&user.email), cell(&user.username), cell(&user.name), user.roles.join(" "), state.to_owned()]
        };
        table(&["ID", "EMAIL", "USERNAME", "NAME", "ROLES", ""], &all.iter().map(row).collect::<Vec<_>>())
    })?;
    Ok(())
}

async fn all(host: &Host) -> Result<Vec<Account>, Failure> {
    const PAGE: u32 = 200;
    let mut all: Vec<Account> = Vec::new();
    loop {
        let after = all.last().map(|user| user.id.clone());
        let page = host.storage.users.list(after.as_deref(), PAGE).await.map_err(Failure::refused)?;
        let last = page.len() < PAGE as usize;
        all.extend(page);
        if last {
            return Ok(all);
        }
    }
}

async fn find(host: &Host, named: &str) -> Result<Account, Failure> {
    let found = users::find(&*host.storage.users, named).await.map_err(Failure::refused)?;
    found.ok_or_else(|| refused(&AccountError::Unknown))
}

fn moment(at: Time) -> Value {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true).into()
}

/// What is not known is left out.
fn shown(user: &Account) -> Value {
    let mut members = Map::new();
    let mut set = |member: &str, value: Option<Value>| {
        if let Some(value) = value {
            members.insert(member.to_owned(), value);
        }
    };
    set("id", Some(user.id.clone().into()));
    set("email", Some(user.email.clone().into()));
    set("email_verified", Some(user.email_verified.into()));
    set("username", user.username.clone().map(Value::from));
    set("name", user.name.clone().map(Value::from));
    set("locale", user.locale.clone().map(Value::from));
    set("roles", Some(user.roles.clone().into()));
    set("claims", (!user.claims.is_empty()).then(|| Value::Object(user.claims.clone())));
    set("attributes", (!user.attributes.is_empty()).then(|| Value::Object(user.attributes.clone())));
    set("external_ids", (!user.external.is_empty()).then(|| serde_json::json!(user.external)));
    set("reset_required", user.reset_required.then_some(Value::Bool(true)));
    set("password_changed_at", user.password_changed_at.map(moment));
    set("disabled", Some(user.disabled_at.is_some().into()));
    set("disabled_at", user.disabled_at.map(moment));
    set("demo", user.demo.then_some(Value::Bool(true)));
    set("created_at", Some(moment(user.created_at)));
    set("updated_at", Some(moment(user.updated_at)));
    Value::Object(members)
}

fn tell(global: &Global, user: &Account) -> Done {
    let json = shown(user);
    global.output().answer(&json, || {
        let Value::Object(members) = &json else { return String::new() };
        let width = members.keys().map(String::len).max().unwrap_or_default();
        let line = |(member, value): (&String, &Value)| format!("{member:width$}  {}", cell(value)).trim_end().to_owned();
        members.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}

/// A member's value in a line of text.
fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(" "),
        other => plain(&other.to_string()),
    }
}

fn refused(error: &AccountError) -> Failure {
    Failure::refused(error)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_shown_whatever_it_holds() {
        assert_eq!(cell(&json!(["owner", "auditor"])), "owner auditor");
        assert_eq!(cell(&json!([{"source": "flask-jwt", "id": "7"}])), r#"{"source":"flask-jwt","id":"7"}"#);
        assert_eq!((cell(&json!("a\u{1b}b")), cell(&json!(true))), ("a\u{fffd}b".to_owned(), "true".to_owned()));
    }
}
