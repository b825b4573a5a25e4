//! `admin setup-link`.

use serde_json::json;

use super::host::Host;
use super::output::hint;
use super::{Done, Failure, Global};
use crate::web::setup;

#[derive(clap::Subcommand)]
pub enum Admin {
    /// Print the link that creates the first administrator
    SetupLink,
}

pub async fn run(global: &Global, Admin::SetupLink: &Admin) -> Done {
    let host = Host::open(global).await?;
    if host.storage.users.any_owner().await.map_err(Failure::refused)? {
        return Err(Failure::Refused(
            "there is an administrator already, so that set-up is closed; another one is made by: portero user create --role owner …"
                .to_owned(),
        ));
    }
    // Whoever has the link becomes an owner.
    host.storage.audit.done("admin.setup_link", None, host.now(), &host.act()).await.map_err(Failure::refused)?;
    let link = setup::link(&host.urls(), &host.seal, host.random.bytes(), host.now());
    let seconds = setup::LINK_LIVES.as_secs();
    hint(&format!("The link works once, for {} minutes.", seconds / 60));
    global.output().answer(&json!({ "setup_link": link, "expires_in": seconds }), || link.clone())?;
    Ok(())
}
