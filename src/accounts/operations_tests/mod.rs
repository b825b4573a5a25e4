//! Operations on accounts on a real store: what people are told, what becomes of links, and who wins.

mod passwords;
mod people;
mod signing_up;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use serde_json::{Map, Value, json};

use super::attributes::Schema;
use super::authenticate::{Credentials, Outcome, Parts, Refusal, Watch, authenticate};
use super::breached::{self, Breached};
use super::desk::{Asking, Desk, House, Presence, Proof, SignUpPolicy};
use super::limits::{Device, Limits};
use super::password::{Cost, Hasher, Settings};
use super::password_rules::{BadPassword, Rules};
use super::profile::Hand;
use super::recovery::Change;
use super::sessions::{self, Lifetimes, NewSession};
use super::sign_up::{Form, Registered, Terms};
use super::users::{AccountError, LinkError, NewAccount};
use super::{address, administration, mine, profile, recovery, sign_up};
use crate::clock::Random;
use crate::i18n::Lang;
use crate::mail::{self, Mail};
use crate::once::codes::BadCode;
use crate::once::links::Purpose;
use crate::seal::Seal;
use crate::storage::durable::{Act, Actor, NewMail, User, UserKey};
use crate::storage::{Schema as Migrations, Storage, StorageOptions, Time};

const PASSWORD: &str = "tres tristes tigres";
const ANOTHER: &str = "cuatro gatos pardos";

fn now() -> Time {
    DateTime::from_timestamp(1_800_000_000, 250_000_000).expect("a time in range")
}

struct Town {
    storage: Storage,
    seal: Seal,
    hasher: Hasher,
    random: Random,
    schema: Schema,
    by: Act,
    limits: bool,
}

impl Town {
    async fn new() -> Self {
        let seal = Seal::new(&[7; 32]);
        let storage = Storage::open(&StorageOptions::new("sqlite::memory:"), seal.clone(), Migrations::Migrate).await.expect("a store");
        let settings = Settings { cost: Cost { m: 64, t: 1, p: 1 }, threads: 2, queue: 1000, idle: Duration::from_secs(5) };
        Self {
            storage,
            seal,
            hasher: Hasher::new(settings).expect("a cost in bounds"),
            random: Random::seeded(4),
            schema: Schema::default(),
            by: Act { actor: Actor::Anonymous, client_id: None, address: Some([192, 0, 2, 1].into()), request_id: "test".into() },
            limits: false,
        }
    }

    fn desk(&self) -> Desk<'_> {
        self.desk_with(SignUpPolicy::Open)
    }

    fn desk_with(&self, sign_up: SignUpPolicy) -> Desk<'_> {
        let door = Parts::of(&self.storage, &self.seal, &self.hasher, Limits { enabled: self.limits });
        Desk::new(door, &self.storage, &self.random, House { rules: Rules::default(), schema: &self.schema, sign_up })
    }

    fn asking(&self, now: Time) -> Asking<'_> {
        Asking { lang: Lang::Es, device: None, now, by: &self.by }
    }

    async fn sign_up(&self, email: &str) -> Result<Registered, AccountError> {
        let form = Form { email, password: PASSWORD, ..Form::default() };
        sign_up::sign_up(&self.desk(), form, Terms::default(), &self.asking(now())).await
    }

    /// An invitation by whoever runs the host.
    async fn invite(&self, email: &str, role: &str) {
        let by = Act { actor: Actor::Operator, ..self.by.clone() };
        let asking = Asking { by: &by, ..self.asking(now()) };
        sign_up::invite(&self.desk(), email, vec![role.to_owned()], &asking).await.expect("sent");
    }

    /// Ana, who has confirmed her address and has no mail.
    async fn ana(&self) -> User {
        let account = NewAccount { email: "ana@example.org", email_verified: true, password: Some(PASSWORD), ..NewAccount::default() };
        administration::create(&self.desk(), account, &self.asking(now())).await.expect("new")
    }

    async fn find(&self, email: &str) -> Option<User> {
        self.storage.users.find(UserKey::Identifier(email)).await.expect("read")
    }

    /// The mails since the last time: to whom, and what.
    async fn mails(&self, now: Time) -> Vec<(String, Mail)> {
        let claimed = self.storage.outbox.claim(100, Duration::from_secs(3600 * 24 * 365), now).await.expect("read");
        let opened = |mail: &NewMail| mail::open(&self.seal, mail).expect("ours").0;
        let mut mails: Vec<_> = claimed.into_iter().map(|claimed| (claimed.mail.to_address.clone(), opened(&claimed.mail))).collect();
        mails.sort_by_key(|(_, mail)| mail.kind());
        mails
    }

    /// Their kinds, in the order of the alphabet.
    async fn kinds(&self) -> Vec<&'static str> {
        self.mails(now()).await.into_iter().map(|(_, mail)| mail.kind()).collect()
    }

    async fn sign_in(&self, password: &str, at: Time) -> Outcome {
        let door = Parts::of(&self.storage, &self.seal, &self.hasher, Limits { enabled: self.limits });
        let credentials = Credentials { identifier: "ana@example.org", password, device: None, address: None };
        authenticate(&door, &credentials, [9; 16], at, &self.by).await.expect("no fault")
    }

    /// A live session of hers.
    async fn session(&self, user: &User, n: u8, at: Time) -> String {
        let new = NewSession { user_id: &user.id, acr: "1", amr: &["pwd"], user_agent: None, replaces: None, proof: None };
        let fresh = sessions::Fresh { cookie: [n; 32], id: [n; 10] };
        let started = sessions::start(&*self.storage.sessions, &self.seal, &new, Lifetimes::default(), fresh, at, &self.by).await;
        started.expect("answered").expect("started").id
    }

    async fn live(&self, user: &User, at: Time) -> usize {
        mine::sessions(&self.desk(), &user.id, Lifetimes::default().idle, at).await.expect("read").len()
    }

    async fn trail(&self) -> Vec<String> {
        let rows = self.storage.audit.recent(50).await.expect("read");
        rows.into_iter().map(|row| format!("{} {} {}", row.act, row.result, row.reason.unwrap_or_default()).trim().to_owned()).collect()
    }
}

fn signed_in(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::SignedIn { .. })
}

fn is_link<T: std::fmt::Debug>(result: Result<T, AccountError>, wanted: LinkError) -> bool {
    matches!(result, Err(AccountError::Link(error)) if error == wanted)
}

/// The token of a mail that has one, and its code.
fn token_of(mail: &Mail) -> (String, Option<String>) {
    match mail {
        Mail::SignUp { token, code, .. }
        | Mail::VerifyEmail { token, code, .. }
        | Mail::ResetPassword { token, code, .. }
        | Mail::ChangeEmail { token, code, .. } => (token.clone(), code.clone()),
        Mail::ResetRequired { token, .. }
        | Mail::EmailChangeRequested { token, .. }
        | Mail::EmailChanged { token, .. }
        | Mail::Invitation { token, .. } => (token.clone(), None),
        other => panic!("{other:?} has no link"),
    }
}
