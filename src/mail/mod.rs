//! What is said to people by mail, and handing it over.
//!
//! A step that somebody is told of makes a [`Letter`], seals it into a `NewMail` and gives it to the step of the store, which puts it into the
//! outbox in its own transaction. A job ([`sender`]) takes it from there, on whichever replica: it is written in the language of its
//! reader, and delivered by SMTP or, in development, into a folder.
//!
//! | what | file |
//! |---|---|
//! | the kinds of mail, sealed until they go | [`kinds`] |
//! | what each says | [`words`], templates in `templates/mail` |
//! | from words to a message | [`message`] |
//! | SMTP, and the folder of a development server | [`delivery`], [`folder`] |
//! | tries and giving up | [`sender`] |
//!
//! Leaves to others: when to say something (`accounts`), what a link means (`once`). lettre is named here and nowhere else. Called by
//! `accounts`, `jobs`, `demo`, `app` and `cli`.

mod delivery;
pub mod folder;
mod kinds;
mod message;
mod sender;
#[cfg(test)]
mod tests;
mod words;

pub use delivery::{Delivery, DeliveryError, Smtp};
pub use kinds::{About, Fresh, Letter, Mail, open};
pub use message::Sender;
pub use sender::Mailer;
