//! What must survive: a contract a file. Each method is one business step and one complete transaction; each that
//! changes something takes `by: &Act` and writes its audit row in that same transaction.

pub mod attempts;
pub mod audit;
pub mod clients;
pub mod consents;
pub mod grants;
pub mod keys;
pub mod revision;
pub mod sessions;
pub mod users;

pub use attempts::{Admission, Attempts};
pub use audit::{Act, Actor, Audit, AuditRow, Refusal};
pub use clients::{ClientRecord, ClientSecret, Clients};
pub use consents::{Consent, Consents};
pub use grants::{Grant, GrantId, Grants, Holder, Opened, OpenedByCode, Renewal, Rotation, Standing, TokenRef};
pub use keys::{SigningKeys, StoredKey};
pub use revision::Revisions;
pub use sessions::{Session, SessionCookie, Sessions, SignedIn, Visitor};
pub use users::{NewUser, Proof, User, UserKey, Users};
