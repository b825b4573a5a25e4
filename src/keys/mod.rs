//! Signing: the ring of keys that this process holds, ready for use.
//!
//! Owns: which key signs, which keys verify, the JWKS document; making, importing and replacing keys. Leaves to others: their
//! mathematics (`jose`), their times (`rotation`), keeping them (`storage.keys`, where they lie sealed under their id). Called by
//! `tokens` (sign, verify), `endpoints::jwks`, `jobs` (refresh, rotate by age, clean) and `cli` (list, rotate, import).
//!
//! Who signs, who verifies and what is published follow from `now` at each call: a key goes to its next stage without a reload.
//! A reload ([`KeyRing::refresh`]) is needed only when a key was added, when the revision `keys` says so.

pub mod jose;
pub mod rotation;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::CoreJsonWebKeySet;

use crate::protocol::client::{Client, SigningAlg};
use crate::seal::{Purpose, Seal, sha256};
use crate::storage::durable::keys::Only;
use crate::storage::durable::{Act, SigningKeys, StoredKey};
use crate::storage::{StorageError, Time};

pub use jose::SigningKey;
use jose::{BadKey, Compact, NotOurs, PrivateJwk, Verified};
use rotation::{Policy, Stage};

/// What can go wrong with keys beside a signature that does not verify.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The database belongs to a deployment with another master key.
    #[error(
        "PORTERO_MASTER_KEY is not the master key of this database: its fingerprint is {mine}, the database was set up with {known}. Give \
         every replica the same PORTERO_MASTER_KEY (or PORTERO_MASTER_KEY_FILE); no new keys are made over existing ones"
    )]
    OtherMasterKey { mine: String, known: String },
    /// A row that the master key does not open although its fingerprint is right.
    #[error(
        "the signing key {kid} in the database does not open under PORTERO_MASTER_KEY: the row was changed or copied from another \
         deployment. Restore it from a backup; no new key is made over it"
    )]
    Unsealable { kid: String },
    #[error("the signing key {kid} in the database cannot be used: {reason}")]
    Damaged { kid: String, reason: BadKey },
    #[error(transparent)]
    Bad(#[from] BadKey),
    /// The key that was to be imported is there already.
    #[error("the key {0} is there already")]
    Known(String),
    /// Another replica added or replaced a key of this algorithm at the same moment: look again, then decide.
    #[error("another key of {0} was added at the same moment")]
    Overtaken(&'static str),
}

/// The JWKS document as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwks {
    pub json: Arc<[u8]>,
    /// With its quotes (RFC 9110 §8.8.3).
    pub etag: String,
}

/// A key as it is listed for people.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct KeyInfo {
    pub kid: String,
    pub alg: String,
    pub stage: Stage,
    /// It is the one that signs for its algorithm now.
    pub signs: bool,
    pub created_at: Time,
    pub signs_from: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Time>,
}

/// Which algorithms a rotation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Every algorithm that has a key.
    All,
    Only(SigningAlg),
}

#[derive(Debug)]
struct Held {
    stored: StoredKey,
    key: Arc<SigningKey>,
}

/// One state of the ring; replaced as a whole.
#[derive(Debug, Default)]
struct Keys {
    held: Vec<Held>,
    /// The document and the moment from which it holds, oldest first: it shrinks when a key is removed.
    documents: Vec<(Option<Time>, Jwks)>,
}

/// The keys of this process. Cloning shares them.
#[derive(Clone)]
pub struct KeyRing {
    store: Arc<dyn SigningKeys>,
    seal: Seal,
    policy: Policy,
    keys: Arc<ArcSwap<Keys>>,
    /// One reload at a time, so that an older look at the rows never replaces a newer one.
    reload: Arc<tokio::sync::Mutex<()>>,
    looks: Arc<Looks>,
}

/// How unknown keys are looked for: one look at a time, whose outcome is that of everybody who came before it began. Anybody can make such a key up, and
/// however many do, the store is asked once at a time.
#[derive(Default)]
struct Looks {
    begun: AtomicU64,
    last: tokio::sync::Mutex<Look>,
}

/// The look that ended last.
#[derive(Default)]
struct Look {
    number: u64,
    failed: bool,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.load().held.iter().map(|held| &held.key)).finish()
    }
}

impl KeyRing {
    /// Opens every stored key. A database with another master key is refused before anything is read from it.
    ///
    /// # Errors
    /// [`KeyError::OtherMasterKey`], [`KeyError::Unsealable`], [`KeyError::Damaged`]: the server must not start then.
    pub async fn load(store: Arc<dyn SigningKeys>, seal: Seal, policy: Policy, now: Time) -> Result<Self, KeyError> {
        let mine = seal.fingerprint();
        let known = store.fingerprint(&mine).await?;
        if known != mine {
            return Err(KeyError::OtherMasterKey { mine, known });
        }
        let ring = Self { store, seal, policy, keys: Arc::default(), reload: Arc::default(), looks: Arc::default() };
        ring.refresh(now).await?;
        Ok(ring)
    }

    /// The key that signs for `alg` now; none before somebody asked for the algorithm ([`KeyRing::ensure`]).
    #[must_use]
    pub fn signer(&self, alg: SigningAlg, now: Time) -> Option<Arc<SigningKey>> {
        let keys = self.keys.load();
        let chosen = rotation::signer(keys.held.iter().map(|held| &held.stored), alg, now)?;
        keys.held.iter().find(|held| held.stored.kid == chosen.kid).map(|held| Arc::clone(&held.key))
    }

    /// The algorithms that have a key that signs now: what discovery may advertise.
    #[must_use]
    pub fn algorithms(&self, now: Time) -> Vec<SigningAlg> {
        SigningAlg::ALL.into_iter().filter(|alg| self.signer(*alg, now).is_some()).collect()
    }

    /// Checks a compact JWS against the key it names, inside the ring only (RFC 8725 §3.10: `kid` is input, too). The claims, `typ`
    /// among them, are the caller's to judge.
    ///
    /// # Errors
    /// [`NotOurs`] for whatever this server did not sign.
    pub fn verify(&self, token: &str, now: Time) -> Result<Verified, NotOurs> {
        self.verify_by(token, |key| rotation::stage(key, now) != Stage::Removed)
    }

    /// The same for a hint, which says who is meant and grants nothing: a key that is removed is still believed as long as a session that it
    /// signed for can live (RP-Initiated Logout 1.0 §2, "even when the exp time has passed").
    ///
    /// # Errors
    /// As [`KeyRing::verify`].
    pub fn verify_hint(&self, token: &str) -> Result<Verified, NotOurs> {
        self.verify_by(token, |_| true)
    }

    fn verify_by(&self, token: &str, believed: impl Fn(&StoredKey) -> bool) -> Result<Verified, NotOurs> {
        let jws = Compact::parse(token)?;
        let kid = jws.kid().ok_or(NotOurs)?;
        let keys = self.keys.load();
        let held = keys.held.iter().find(|held| held.stored.kid == kid && believed(&held.stored)).ok_or(NotOurs)?;
        held.key.verify_jwt(jws)
    }

    /// The public keys as they are published now.
    #[must_use]
    pub fn jwks(&self, now: Time) -> Jwks {
        let keys = self.keys.load();
        let holds = keys.documents.iter().rev().find(|(from, _)| from.is_none_or(|from| from <= now));
        holds.map_or_else(|| document(&[]), |(_, jwks)| jwks.clone())
    }

    /// Every key with its stage, oldest first.
    #[must_use]
    pub fn list(&self, now: Time) -> Vec<KeyInfo> {
        let keys = self.keys.load();
        let signing: Vec<String> = SigningAlg::ALL.iter().filter_map(|alg| self.signer(*alg, now)).map(|key| key.kid.clone()).collect();
        let info = |stored: &StoredKey| KeyInfo {
            kid: stored.kid.clone(),
            alg: stored.alg.clone(),
            stage: rotation::stage(stored, now),
            signs: signing.contains(&stored.kid),
            created_at: stored.created_at,
            signs_from: stored.signs_from,
            retired_at: stored.retired_at,
            removed_at: stored.removed_at,
        };
        keys.held.iter().map(|held| info(&held.stored)).collect()
    }

    /// Reads the stored keys again. Keys that are held already are not opened a second time; on any fault the ring stays as it is.
    ///
    /// # Errors
    /// As [`KeyRing::load`].
    pub async fn refresh(&self, now: Time) -> Result<(), KeyError> {
        let _alone = self.reload.lock().await;
        let before = self.keys.load_full();
        let mut held = Vec::new();
        for stored in self.store.list().await? {
            if stored.removed_at.is_some_and(|removed| now >= removed + self.policy.hints) {
                continue;
            }
            let known = before.held.iter().find(|held| held.stored.kid == stored.kid && held.stored.sealed == stored.sealed);
            let key = match known {
                Some(held) => Arc::clone(&held.key),
                None => Arc::new(self.open(&stored)?),
            };
            held.push(Held { stored, key });
        }
        let documents = documents(&held);
        self.keys.store(Arc::new(Keys { held, documents }));
        Ok(())
    }

    /// Looks for the key of a token that this process does not know: another replica may have made it a moment ago, and a good token is never called bad
    /// for that.
    ///
    /// # Errors
    /// As [`KeyRing::load`]; of a look that failed, everybody who waited for it has the fault.
    pub async fn learn(&self, token: &str, now: Time) -> Result<(), KeyError> {
        let Some(kid) = Compact::parse(token).ok().and_then(|jws| jws.kid().map(str::to_owned)) else { return Ok(()) };
        let is_known = || self.keys.load().held.iter().any(|held| held.stored.kid == kid);
        if is_known() {
            return Ok(());
        }
        let came = self.looks.begun.load(Ordering::SeqCst);
        let mut last = self.looks.last.lock().await;
        if is_known() {
            return Ok(());
        }
        if last.number > came {
            let failed = || StorageError::Unavailable("the signing keys could not be read".to_owned());
            return if last.failed { Err(failed().into()) } else { Ok(()) };
        }
        let number = self.looks.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let outcome = self.refresh(now).await;
        *last = Look { number, failed: outcome.is_err() };
        outcome
    }

    fn open(&self, stored: &StoredKey) -> Result<SigningKey, KeyError> {
        let kid = || stored.kid.clone();
        let json =
            self.seal.open(Purpose::SigningKey, stored.kid.as_bytes(), &stored.sealed).map_err(|_| KeyError::Unsealable { kid: kid() })?;
        let json = zeroize::Zeroizing::new(json);
        let damaged = |reason| KeyError::Damaged { kid: kid(), reason };
        let private = PrivateJwk::from_json(&json).map_err(damaged)?;
        if private.kid != stored.kid || private.alg.as_str() != stored.alg {
            return Err(KeyError::Unsealable { kid: kid() });
        }
        SigningKey::new(&private).map_err(damaged)
    }

    /// The signer of `alg`, made now if the algorithm has no key yet. The first key signs at once: nobody holds a JWKS from before it
    /// with tokens of this algorithm. Replicas that come here at once make one key.
    ///
    /// # Errors
    /// As [`KeyRing::load`], or [`KeyError::Bad`] if no key can be made.
    pub async fn ensure(&self, alg: SigningAlg, nonce: [u8; 24], now: Time, by: &Act) -> Result<Arc<SigningKey>, KeyError> {
        if let Some(key) = self.signer(alg, now) {
            return Ok(key);
        }
        // Another replica may have made it since the last look.
        self.refresh(now).await?;
        if let Some(key) = self.signer(alg, now) {
            return Ok(key);
        }
        let private = generate(alg).await?;
        self.add(&private, now, nonce, Only::IfNone, now, by).await?;
        self.signer(alg, now).ok_or(KeyError::Overtaken(alg.as_str()))
    }

    /// The same for both algorithms of a client.
    ///
    /// # Errors
    /// As [`KeyRing::ensure`].
    pub async fn ensure_for(&self, client: &Client, nonce: impl Fn() -> [u8; 24], now: Time, by: &Act) -> Result<(), KeyError> {
        for alg in [client.id_token_signed_response_alg, client.access_token_signed_response_alg] {
            if self.signer(alg, now).is_none() {
                self.ensure(alg, nonce(), now, by).await?;
            }
        }
        Ok(())
    }

    /// Publishes a successor for each algorithm that is meant; with `at_once` it signs at once, too. Answers the new kids.
    ///
    /// # Errors
    /// As [`KeyRing::load`].
    pub async fn rotate(
        &self,
        which: Which,
        at_once: bool,
        mut nonce: impl FnMut() -> [u8; 24] + Send,
        now: Time,
        by: &Act,
    ) -> Result<Vec<String>, KeyError> {
        self.refresh(now).await?;
        let mut made = Vec::new();
        for alg in SigningAlg::ALL {
            let meant = match which {
                Which::All => self.newest(alg).is_some(),
                Which::Only(only) => only == alg,
            };
            if meant {
                // An algorithm without a key has no JWKS to wait for.
                let signs_from = if at_once || self.newest(alg).is_none() { now } else { now + self.policy.publish_before };
                let private = generate(alg).await?;
                self.add(&private, signs_from, nonce(), Only::Always, now, by).await?;
                made.push(private.kid);
            }
        }
        Ok(made)
    }

    /// Publishes successors of keys that are old enough. Of replicas that come here at once, one does it. Answers the new kids.
    ///
    /// # Errors
    /// As [`KeyRing::load`].
    pub async fn rotate_due(&self, mut nonce: impl FnMut() -> [u8; 24] + Send, now: Time, by: &Act) -> Result<Vec<String>, KeyError> {
        let mut made = Vec::new();
        for alg in SigningAlg::ALL {
            let Some(newest) = self.newest(alg).filter(|newest| rotation::due(newest, &self.policy, now)) else { continue };
            let private = generate(alg).await?;
            let signs_from = now + self.policy.publish_before;
            if self.add(&private, signs_from, nonce(), Only::Replacing(&newest.kid), now, by).await? {
                made.push(private.kid);
            }
        }
        Ok(made)
    }

    /// Adds a key made elsewhere (PEM or JWK); it waits like any other, unless it is the first of its algorithm or `at_once`. Answers its kid.
    ///
    /// # Errors
    /// [`KeyError::Bad`] where it is no key we sign with, [`KeyError::Known`] where it is there already.
    pub async fn import(&self, file: &[u8], at_once: bool, nonce: [u8; 24], now: Time, by: &Act) -> Result<String, KeyError> {
        let private = PrivateJwk::import(file)?;
        self.refresh(now).await?;
        if self.keys.load().held.iter().any(|held| held.stored.kid == private.kid) {
            return Err(KeyError::Known(private.kid));
        }
        let signs_from = if at_once || self.newest(private.alg).is_none() { now } else { now + self.policy.publish_before };
        match self.add(&private, signs_from, nonce, Only::Always, now, by).await {
            // Imported, retired and removed before, its row not cleaned yet; or another hand was faster.
            Err(KeyError::Storage(StorageError::Conflict(_))) => Err(KeyError::Known(private.kid)),
            Err(error) => Err(error),
            Ok(_) => Ok(private.kid),
        }
    }

    /// Deletes keys whose time is over, that of hints too.
    ///
    /// # Errors
    /// [`KeyError::Storage`].
    pub async fn clean(&self, now: Time, by: &Act) -> Result<u64, KeyError> {
        let gone = self.store.clean(now - self.policy.hints, by).await?;
        if gone > 0 {
            self.refresh(now).await?;
        }
        Ok(gone)
    }

    fn newest(&self, alg: SigningAlg) -> Option<StoredKey> {
        let keys = self.keys.load();
        rotation::newest(keys.held.iter().map(|held| &held.stored), alg).cloned()
    }

    /// False where `only` did not hold: somebody else was there first.
    async fn add(
        &self,
        private: &PrivateJwk,
        signs_from: Time,
        nonce: [u8; 24],
        only: Only<'_>,
        now: Time,
        by: &Act,
    ) -> Result<bool, KeyError> {
        let stored = StoredKey {
            kid: private.kid.clone(),
            alg: private.alg.as_str().to_owned(),
            sealed: self.seal.seal(Purpose::SigningKey, private.kid.as_bytes(), private.as_json(), nonce),
            created_at: now,
            signs_from,
            retired_at: None,
            removed_at: None,
        };
        let added = self.store.add(&stored, self.policy.keep, only, by).await?;
        self.refresh(now).await?;
        Ok(added)
    }
}

/// Making a key is long work for a processor: never on an asynchronous worker.
async fn generate(alg: SigningAlg) -> Result<PrivateJwk, KeyError> {
    let made = tokio::task::spawn_blocking(move || PrivateJwk::generate(alg)).await;
    Ok(made.expect("making a key does not panic and is not cancelled")?)
}

/// The JWKS now, and after each removal that is already known.
fn documents(held: &[Held]) -> Vec<(Option<Time>, Jwks)> {
    let mut changes: Vec<Option<Time>> = held.iter().filter_map(|held| held.stored.removed_at).map(Some).collect();
    changes.push(None);
    changes.sort_unstable();
    changes.dedup();
    let published_from = |from: Option<Time>| {
        let still = |held: &&Held| held.stored.removed_at.is_none_or(|removed| from.is_none_or(|from| removed > from));
        held.iter().filter(still).map(|held| &*held.key).collect::<Vec<_>>()
    };
    changes.into_iter().map(|from| (from, document(&published_from(from)))).collect()
}

/// RFC 7517 §5: "The value of the 'keys' parameter is an array of JWK values."
fn document(keys: &[&SigningKey]) -> Jwks {
    let set = CoreJsonWebKeySet::new(keys.iter().map(|key| key.public().clone()).collect());
    let json = serde_json::to_vec(&set).expect("public keys are strings and have a JSON form");
    let etag = format!("\"{}\"", &URL_SAFE_NO_PAD.encode(sha256(&json))[..22]);
    Jwks { json: json.into(), etag }
}

#[cfg(test)]
mod on_storage_tests;
#[cfg(test)]
mod tests;
