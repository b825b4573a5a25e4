//! What may be used once: links and codes that come by mail, set-up links, and one-time tokens of the API. The one implementation of "once".
//!
//! | what | where it is until it is used | file |
//! |---|---|---|
//! | links | nowhere: everything is in the link, sealed | [`links`] |
//! | six-digit codes | the short-lived store, beside the link of the same mail | [`codes`] |
//! | one-time tokens | the short-lived store, as a digest | [`tokens`] |
//!
//! Whatever the short-lived store remembers or forgets, the row in `storage.spent` decides: the step that follows from a link or token writes it
//! in its own transaction, and of all callers on all replicas one is first. Leaves to others: what a link leads to (`accounts`, `web`), sending it
//! (`mail`). Called by `accounts`, `web`, `api`, `legacy` and `cli`.

pub mod codes;
pub mod links;
pub mod tokens;

#[cfg(test)]
mod on_storage_tests;
