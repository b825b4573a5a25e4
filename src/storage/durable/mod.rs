//! What must survive: a contract a file. Each method is one business step and one complete transaction; each that
//! changes something takes `by: &Act` and writes its audit row in that same transaction.

pub mod accounts;
pub mod attempts;
pub mod audit;
pub mod clients;
pub mod consents;
pub mod grants;
pub mod imports;
pub mod keys;
pub mod organizations;
pub mod outbox;
pub mod revision;
pub mod sessions;
pub mod spent;
pub mod users;

pub use accounts::{
    Accounts, AddressProof, Consumed, Inviter, NewAddress, NewHash, PENDING, ResetMails, Revised, Search, SignUp, SignedUp, Updated,
};
pub use attempts::{Admission, Attempts};
pub use audit::{Act, ActivityOf, ActivityRow, Actor, Audit, AuditFilter, AuditRow, Refusal};
pub use clients::{Allowance, ClientRecord, ClientSecret, Clients, Judged};
pub use consents::{Connection, Consent, Consents};
pub use grants::{ByCode, Grant, GrantId, Grants, Holder, Opened, OpenedByCode, Renewal, Rotation, Standing, TokenRef, is_retry};
pub use imports::Imports;
pub use keys::{SigningKeys, StoredKey};
pub use organizations::{Membership, OrganizationKey, Organizations, Saved};
pub use outbox::{NewMail, Outbox};
pub use revision::Revisions;
pub use sessions::{Session, SessionCookie, Sessions, SignedIn, Visitor};
pub use spent::{Spend, Spent};
pub use users::{ExternalId, NewUser, OWNER, Proof, SERVER_ROLES, User, UserKey, Users, Whom};
