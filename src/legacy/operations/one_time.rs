//! Tokens that are good once: any person who is signed in makes one and any of them uses it up, as in the service that had them.
//!
//! They are the one-time tokens of the API (`once::tokens`), owned by the dialect's client and bound to it: nobody else's client uses one up, and
//! nothing made elsewhere is used up here.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Call, Done, Values, broken, fault};
use crate::legacy::dialect::{ErrorName, FieldName};
use crate::once::tokens::{self, CreateError, Fresh, NewToken, Presented};

/// How long one lives where a file says nothing.
const LIVES: Duration = tokens::DEFAULT;

pub async fn create(call: &Call<'_>) -> Done {
    let (app, lives) = (call.app, call.route.ttl.unwrap_or(LIVES));
    let maker = &call.caller()?.user;
    let owner = call.client().await?.client_id.clone();
    let new = NewToken {
        owner: &owner,
        maker: Some(maker),
        purpose: &purpose(call),
        audience: Vec::new(),
        subject: Some(&maker.id),
        data: Value::Null,
        lives,
    };
    let fresh = Fresh { id: app.random.bytes(), secret: app.random.bytes(), nonce: app.random.bytes() };
    let made = tokens::create(&app.storage, &app.seal, new, fresh, call.now, &call.by()).await.map_err(|error| match error {
        CreateError::Storage(error) => fault(&error),
        CreateError::Invalid(..) => broken(error),
    })?;
    let mut values = Values::default();
    values.named.insert("token".to_owned(), json!(made.token));
    values.named.insert("expires_in".to_owned(), json!(lives.as_secs()));
    Ok(values)
}

pub async fn validate(call: &Call<'_>) -> Done {
    let consumer = call.client().await?.client_id.clone();
    let presented = Presented { token: call.fields.needed(FieldName::Token), purpose: &purpose(call), consumer: &consumer };
    let used = tokens::consume(&call.app.storage, &call.app.seal, presented, call.app.random.bytes(), call.now, &call.by()).await;
    match used.map_err(|error| fault(&error))? {
        Some(_) => Ok(Values::default()),
        // Its row is written.
        None => Err(ErrorName::BadOneTimeToken.into()),
    }
}

fn purpose(call: &Call<'_>) -> String {
    format!("{}{}", tokens::OF_DIALECTS, call.dialect.name)
}
