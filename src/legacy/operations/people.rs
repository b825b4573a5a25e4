//! Me, and other people.

use super::{Call, Done, Values, fault, id_of_uuid};
use crate::accounts::email::identifier;
use crate::legacy::answer::Refused;
use crate::legacy::dialect::{ErrorName, FieldName, FindBy, Ids};
use crate::storage::durable::{Search, User, UserKey};

/// How many rows are read at once.
const PAGE: u32 = 200;

/// Whoever calls.
pub async fn me(call: &Call<'_>) -> Done {
    call.about(&call.caller()?.user).await
}

/// Everybody, in the order in which they came: `skip` of them passed over, at most `limit` shown.
pub async fn list(call: &Call<'_>) -> Done {
    let mut skip = call.fields.number(FieldName::Skip).unwrap_or(0);
    let mut wanted = call.fields.number(FieldName::Limit).unwrap_or(100).min(1000);
    let (mut values, mut after) = (Values::default(), None::<String>);
    while wanted > 0 {
        let limit = PAGE.min(skip.saturating_add(wanted));
        let search = Search { after: after.as_deref(), limit, ..Search::default() };
        let page = call.app.storage.accounts.search(&search).await.map_err(|error| fault(&error))?;
        let full = page.len() == limit as usize;
        let passed = skip.min(u32::try_from(page.len()).unwrap_or(u32::MAX));
        skip -= passed;
        after = page.last().map(|user| user.id.clone());
        for user in page.iter().skip(passed as usize).take(wanted as usize) {
            values.people.push(call.shown(user).await?);
            wanted -= 1;
        }
        if !full {
            break;
        }
    }
    Ok(values)
}

/// One, by what the path calls them.
pub async fn get(call: &Call<'_>) -> Done {
    let user = named(call).await?;
    call.about(&user).await
}

/// The person that the path names.
pub async fn named(call: &Call<'_>) -> Result<User, Refused> {
    let name = call.fields.needed(FieldName::User);
    let users = &call.app.storage.users;
    let canonical = match call.route.find_by {
        // A user name holds no @, an address does: neither finds the other.
        FindBy::Username => identifier(name).filter(|name| !name.contains('@')),
        FindBy::Email => identifier(name).filter(|name| name.contains('@')),
        FindBy::Id => None,
    };
    let found = match (&canonical, call.route.find_by) {
        (Some(canonical), _) => users.find(UserKey::Identifier(canonical)).await,
        (None, FindBy::Id) => users.find(UserKey::External { source: call.dialect.source(), id: name }).await,
        (None, _) => Ok(None),
    };
    let mut found = found.map_err(|error| fault(&error))?;
    if found.is_none()
        && call.route.find_by == FindBy::Id
        && call.dialect.accounts.ids == Ids::Text
        && let Some(id) = id_of_uuid(name)
    {
        // Somebody who never had an old id is shown with the UUID inside their own; somebody who has one is found by that alone.
        let user = users.find(UserKey::Id(&id)).await.map_err(|error| fault(&error))?;
        found = user.filter(|user| user.external.iter().all(|external| external.source != call.dialect.source()));
    }
    found.ok_or_else(|| ErrorName::UnknownUser.into())
}
