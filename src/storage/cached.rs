//! Registered clients, read from memory.
//!
//! Every request of a client looks it up; the answer is kept until somebody changes a client. Own changes are seen at once; those of
//! another replica or of the command line when the poll of the revisions calls [`CachedClients::invalidate`]. Unknown ids are not kept.

use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use moka::sync::Cache;

use super::durable::{Act, Allowance, ClientRecord, Clients, Judged, Saved};
use super::{Result, Time};

/// How many clients are kept; of more, the least used go.
const KEPT: u64 = 10_000;

type Kept = Cache<String, Arc<ClientRecord>>;

/// [`Clients`] with a memory.
pub struct CachedClients {
    inner: Arc<dyn Clients>,
    /// Exchanged as a whole: a read that began before an invalidation puts what it found into the memory of its own time, where nobody looks
    /// any more.
    kept: ArcSwap<Kept>,
    /// The same for origins, unknown ones too: whoever asks from a page asks again.
    origins: ArcSwap<Cache<String, bool>>,
}

impl CachedClients {
    #[must_use]
    pub fn new(inner: Arc<dyn Clients>) -> Self {
        Self { inner, kept: ArcSwap::from_pointee(Cache::new(KEPT)), origins: ArcSwap::from_pointee(Cache::new(KEPT)) }
    }

    /// Forgets everything.
    pub fn invalidate(&self) {
        self.kept.store(Arc::new(Cache::new(KEPT)));
        self.origins.store(Arc::new(Cache::new(KEPT)));
    }
}

/// Invalidates when a change is over, however it ended: also where the answer was lost, or nobody waits for it any more.
struct Afterwards<'a>(&'a CachedClients);

impl Drop for Afterwards<'_> {
    fn drop(&mut self) {
        self.0.invalidate();
    }
}

#[async_trait]
impl Clients for CachedClients {
    async fn find(&self, client_id: &str) -> Result<Option<Arc<ClientRecord>>> {
        // Taken before the read begins: see `kept`.
        let kept = self.kept.load_full();
        if let Some(record) = kept.get(client_id) {
            return Ok(Some(record));
        }
        let found = self.inner.find(client_id).await?;
        if let Some(record) = &found {
            kept.insert(client_id.to_owned(), Arc::clone(record));
        }
        Ok(found)
    }

    async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<Arc<ClientRecord>>> {
        self.inner.list(after, limit).await
    }

    async fn create(&self, record: &ClientRecord, by: &Act) -> Result<()> {
        let _afterwards = Afterwards(self);
        self.inner.create(record, by).await
    }

    async fn update(&self, record: &ClientRecord, judged: Option<Judged<'_>>, by: &Act) -> Result<Saved> {
        let _afterwards = Afterwards(self);
        self.inner.update(record, judged, by).await
    }

    async fn delete(&self, client_id: &str, revision: Option<i64>, now: Time, by: &Act) -> Result<Saved> {
        let _afterwards = Afterwards(self);
        self.inner.delete(client_id, revision, now, by).await
    }

    async fn allowances(&self, client_id: &str, except: Option<&str>) -> Result<Vec<Allowance>> {
        self.inner.allowances(client_id, except).await
    }

    async fn has_origin(&self, origin: &str) -> Result<bool> {
        let origins = self.origins.load();
        if let Some(known) = origins.get(origin) {
            return Ok(known);
        }
        let origins = Arc::clone(&origins);
        let known = self.inner.has_origin(origin).await?;
        origins.insert(origin.to_owned(), known);
        Ok(known)
    }

    async fn any_demo(&self) -> Result<bool> {
        self.inner.any_demo().await
    }
}
