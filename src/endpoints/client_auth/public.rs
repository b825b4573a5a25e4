//! `none`: a public client names itself and proves nothing (RFC 6749 §2.1, RFC 7591 §2).

use async_trait::async_trait;
use axum::http::{HeaderMap, header};

use super::{Method, Presented};
use crate::app::App;
use crate::clock::Time;
use crate::protocol::client::AuthMethod;
use crate::protocol::error::OAuthError;
use crate::protocol::params::Params;
use crate::storage::durable::ClientRecord;

pub struct None;

#[async_trait]
impl Method for None {
    fn name(&self) -> AuthMethod {
        AuthMethod::None
    }

    fn presented(&self, headers: &HeaderMap, params: &Params) -> Result<Option<Presented>, OAuthError> {
        let alone = !headers.contains_key(header::AUTHORIZATION) && params.get("client_secret").is_none() && !super::is_asserted(params);
        Ok(params.get("client_id").filter(|_| alone).map(|id| Presented { client_id: id.to_owned(), secret: Option::None }))
    }

    async fn verify(&self, _: &App, _: &ClientRecord, _: &Presented, _: Time) -> bool {
        true
    }
}
