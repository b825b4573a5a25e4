//! Where pages meet the interaction that they belong to: finding it, writing to it, going on.

use std::sync::Arc;

use axum::response::Response;

use super::Asked;
use crate::browser::error::{PageError, PageReason};
use crate::browser::flow::{FlowStep, check, mac};
use crate::browser::layout::{LONGEST_NAME, see_other, shown_name};
use crate::protocol::authorization::{self, Prompt};
use crate::protocol::client::Client;
use crate::storage::StorageError;
use crate::storage::ephemeral::Version;
use crate::storage::records::Interaction;

/// How often a flow may change under our hands, each time by another tab, before the person is asked again.
const TRIES: usize = 8;

/// A flow that was proven to belong to this browser.
pub(super) struct Open {
    pub id: String,
    pub interaction: Interaction,
    version: Version,
    pub client: Arc<Client>,
    /// Where the app's picture stands, if it has one.
    pub logo: Option<String>,
    /// The address of the page, for its form and for starting it again.
    pub here: String,
}

impl Open {
    /// The app's name, fit to be shown.
    pub(super) fn app(&self) -> String {
        match shown_name(self.client.display_name(), LONGEST_NAME) {
            name if name.is_empty() => shown_name(&self.client.client_id, LONGEST_NAME),
            name => name,
        }
    }

    /// Did the app ask to let the person choose an account (OIDC Core §3.1.2.1, `prompt=select_account`)?
    pub(super) fn wants_choice(&self) -> bool {
        self.interaction.request.prompt.contains(Prompt::SelectAccount)
    }

    /// Whom the app expects (OIDC Core §3.1.2.1, `login_hint`).
    pub(super) fn hint(&self) -> Option<&str> {
        self.interaction.request.login_hint.as_deref()
    }

    /// The flow stands in a window that the app opened (OIDC Core §3.1.2.1, `display=popup`).
    fn is_popup(&self) -> bool {
        self.interaction.request.display.as_deref() == Some("popup")
    }

    /// The sign-in page of this flow.
    pub(super) fn sign_in(&self, asked: &Asked<'_>) -> String {
        asked.app.urls.sign_in(&self.id, &mac(&asked.app.seal, FlowStep::SignIn, &self.id, &self.interaction.browser))
    }

    /// Another page of the way to a sign-in, in this flow.
    pub(super) fn page(&self, asked: &Asked<'_>, path: &str) -> String {
        let given = mac(&asked.app.seal, FlowStep::SignIn, &self.id, &self.interaction.browser);
        format!("{}?interaction={}&mac={given}", asked.app.urls.path(path), self.id)
    }

    /// Writes what the person did, and leads back to the dispatcher. What another tab wrote meanwhile stays beside it; a flow that was
    /// answered meanwhile stays answered.
    pub(super) async fn go_on(mut self, asked: &Asked<'_>, did: impl Fn(&mut Interaction)) -> Result<Response, StorageError> {
        let records = &asked.app.storage.ephemeral;
        for _ in 0..TRIES {
            did(&mut self.interaction);
            if records.replace(&self.id, &self.version, &self.interaction, asked.app.random.bytes()).await? {
                break;
            }
            let Some((interaction, version)) = records.read(&self.id).await? else { break };
            (self.interaction, self.version) = (interaction, version);
        }
        Ok(self.back(asked))
    }

    /// Back to the dispatcher, which knows what comes next.
    pub(super) fn back(&self, asked: &Asked<'_>) -> Response {
        let urls = &asked.app.urls;
        see_other(urls, &urls.resume(&self.id, &mac(&asked.app.seal, FlowStep::Resume, &self.id, &self.interaction.browser)))
    }
}

/// The flow that the page's address names; none where it names none.
///
/// # Errors
/// A page for a flow of another browser, one that is over, and one whose client, or its redirect URI, is gone.
pub(super) async fn open(asked: &mut Asked<'_>, step: FlowStep) -> Result<Option<Open>, PageError> {
    let app = asked.app;
    let (id, given) = match (asked.visit.query("interaction"), asked.visit.query("mac")) {
        (None, None) => return Ok(None),
        (Some(id), Some(given)) => (id, given),
        _ => return Err(PageError::new(PageReason::Request).with_detail("the address of the page is not complete")),
    };
    let Some(browser) = check(&asked.visit, &app.urls, &app.seal, step, &id, &given) else {
        return Err(PageError::new(PageReason::OtherBrowser).with_detail("the address of this page was made for another browser"));
    };
    let expired = || PageError::new(PageReason::Expired).with_detail("the interaction is finished, too old or unknown");
    let kept = app.storage.ephemeral.read::<Interaction>(&id).await?;
    let (mut interaction, version) = kept.filter(|(interaction, _)| interaction.is_live(asked.now)).ok_or_else(expired)?;
    if interaction.browser != browser {
        return Err(PageError::new(PageReason::OtherBrowser).with_detail("the interaction was started by another browser"));
    }
    asked.ui_locales = Some(interaction.request.ui_locales.join(" ")).filter(|tags| !tags.is_empty());
    asked.since = Some(interaction.started_at);
    let client_id = &interaction.request.reply_to.client_id;
    let Some(record) = app.storage.clients.in_use(client_id).await? else {
        return Err(authorization::not_in_use(client_id, false).into());
    };
    authorization::still_registered(&record.client, &mut interaction.request)?;
    let here = match step {
        FlowStep::SignIn => app.urls.sign_in(&id, &given),
        FlowStep::Consent => app.urls.consent(&id, &given),
        FlowStep::Resume => app.urls.resume(&id, &given),
    };
    asked.here = Some(here.clone());
    let logo = asked.logos(std::iter::once(&*record.client)).await.pop().flatten();
    let open = Open { id, interaction, version, client: Arc::clone(&record.client), logo, here };
    asked.popup = open.is_popup();
    Ok(Some(open))
}
