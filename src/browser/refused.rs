//! From a rule's refusal to the page that tells it: the person's words are `error`'s, these are for the developer of the app.

use super::error::{PageError, PageReason as Shown};
use crate::protocol::error::{PageError as Refused, PageReason};

impl From<Refused> for PageError {
    fn from(refused: Refused) -> Self {
        let shown = match refused.reason {
            PageReason::ExpiredFlow => Shown::Expired,
            PageReason::OtherBrowser => Shown::OtherBrowser,
            PageReason::ForgedForm => Shown::Form,
            _ => Shown::App,
        };
        let why = words(refused.reason);
        let detail = match refused.detail {
            Some(detail) => format!("{why} {detail}"),
            None => why.to_owned(),
        };
        let mut page = Self::new(shown).with_detail(detail);
        page.code = refused.code.as_str().into();
        page
    }
}

const fn words(reason: PageReason) -> &'static str {
    match reason {
        PageReason::MissingClientId => "client_id is missing.",
        PageReason::UnknownClient | PageReason::DisabledClient => "client_id names no client that is registered and enabled here.",
        PageReason::RepeatedParameter("client_id") => "client_id is there more than once.",
        PageReason::RepeatedParameter(_) => "redirect_uri is there more than once.",
        PageReason::MissingRedirectUri => "redirect_uri is missing.",
        PageReason::UnregisteredRedirectUri => {
            "redirect_uri is not one of the client's registered URIs. They are compared character by character; only the port of a loopback address may differ."
        }
        PageReason::MalformedRequest => "The request cannot be read.",
        PageReason::ExpiredFlow => "The flow is finished, too old or unknown.",
        PageReason::OtherBrowser => "The flow was started by another browser.",
        PageReason::ForgedForm => "The form was not sent by our own page.",
        PageReason::InvalidLogoutRequest => "The sign-out request cannot be carried out.",
        PageReason::InvalidIdTokenHint => "id_token_hint is not an ID token of this issuer for this client.",
        PageReason::UnregisteredPostLogoutRedirectUri => {
            "post_logout_redirect_uri is not one of the client's registered post_logout_redirect_uris. They are compared character by character."
        }
    }
}
