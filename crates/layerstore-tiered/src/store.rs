use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::join;
use layerstore_data_store::{
    CloseReport, ErrorKind, FlushError, Limits, MapClaim, MapDataStore, RestateRecords, ScanPage,
    ScanRequest, StoreError, TryApply, Write, WriteResult,
};
use layerstore_record::{Hlc, Key, MapName, Record, Version};

use crate::convert::{STORE, Tier, answer_of_hot, both_flushed, of_tier};
use crate::form::hidden;
use crate::maps::Maps;
use crate::options::TieredOptions;
use crate::promote::Returned;

/// Keeps records in a hot store, and those that nobody uses in a cold one behind stubs in hot.
///
/// Hot decides: writes go there, and its fences, conditions, floors and expiry are this store's. Cold is asked only where hot has
/// a stub, and believed only when its copy has the stub's version. While cold is away, everything that needs no value from it goes
/// on, and what does is answered with its error, which says whether to retry.
///
/// Each pair of stores has one tiered store at a time, which must be the only one to write to both. The two must not share
/// their storage.
///
/// # Contract
/// **T-lose**: whatever step of archiving, bringing back, sweeping, clearing or purging is the last one made, every acknowledged
/// write is read as it was written.
/// **T-back**: nothing that was overwritten, removed, cleared or has ended is read again, whatever lies in cold.
/// **T-away**: what needs a value from cold while it is away is an error with cold's reason, never an answer that the key is absent
/// or a scan without it; everything else goes on.
/// **T-waste**: a tombstone goes from hot only after cold has confirmed that it holds nothing of its key, a copy goes from cold only
/// when hot can never come to need it, and sweeps leave no other copies.
/// **T-work**: archiving and sweeping go in batches that are bounded in records and bytes, and an archiver ends by its deadline with a
/// report.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use layerstore_data_store::{InMemoryDataStore, MapDataStore, MapDataStoreExt, Write};
/// use layerstore_record::{Key, MapName, Millis, NodeId, Record, RecordValue, SystemClock, Timestamp, Version};
/// use layerstore_tiered::{ArchivePolicy, TieredDataStore, TieredOptions};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let memory = || Arc::new(InMemoryDataStore::new(Arc::new(SystemClock)));
/// let store = TieredDataStore::new(memory(), memory(), TieredOptions::default())?;
/// let (map, key) = (MapName::new("users")?, Key::new("alice")?);
/// store.claim(&map).await?;
/// let at = Timestamp::new(Millis(1), 0, NodeId(1));
/// let record = Record::builder(RecordValue::lww("Alice", at), Version::new(at)).build();
/// assert!(store.apply_one(Write::new(map.clone(), key.clone(), Arc::new(record))).await.is_applied());
///
/// let policy = ArchivePolicy::builder().age(Duration::from_secs(86_400)).build()?;
/// let report = store.archive(&map, &policy).await?;
/// assert_eq!(report.archived, 1);
/// assert!(store.load(&map, &key).await?.is_some());
/// # Ok(()) }
/// ```
pub struct TieredDataStore {
    pub(crate) hot: Arc<dyn MapDataStore>,
    pub(crate) cold: Arc<dyn MapDataStore>,
    pub(crate) options: TieredOptions,
    /// Gives the versions of cold.
    pub(crate) ticks: Hlc,
    pub(crate) maps: Maps,
    pub(crate) returned: Returned,
    /// The key under which hot is asked whether a map is still this store's. Nothing is ever written there.
    pub(crate) probe: Key,
}

impl TieredDataStore {
    /// Makes one store of two.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] when the hot store cannot keep a record in another form
    /// ([`restating`](MapDataStore::restating)), when the cold one keeps nothing, or when they are the same.
    pub fn new(
        hot: Arc<dyn MapDataStore>,
        cold: Arc<dyn MapDataStore>,
        options: TieredOptions,
    ) -> Result<Self, StoreError> {
        let refused = |what: String| Err(StoreError::new(ErrorKind::Rejected, STORE, "open", what));
        if hot.restating().is_none() {
            let what = format!(
                "the {} store cannot be the hot one: it cannot keep a record in another form",
                hot.name()
            );
            return refused(what);
        }
        if cold.is_null() {
            return refused("the cold store keeps nothing: archived records would be lost".to_owned());
        }
        if Arc::ptr_eq(&hot, &cold) {
            return refused("hot and cold are the same store: give two".to_owned());
        }
        let probe = Key::new("probe").map_err(|error| {
            StoreError::new(
                ErrorKind::Rejected,
                STORE,
                "open",
                "a key of five letters is refused",
            )
            .because(error)
        })?;
        Ok(Self {
            ticks: Hlc::new(options.node, Arc::clone(&options.clock)),
            returned: Returned::new(options.remembered),
            hot,
            cold,
            options,
            maps: Maps::default(),
            probe,
        })
    }

    /// Returns the maps that this store has claimed, in name order: those that it may archive.
    #[must_use]
    pub fn claimed_maps(&self) -> Vec<MapName> {
        self.maps.names()
    }

    /// Makes sure that no record of a user's is taken for a stub.
    fn hide(mut writes: Vec<Write>) -> Vec<Write> {
        for write in &mut writes {
            if let Some(record) = hidden(&write.record) {
                write.record = Arc::new(record);
            }
        }
        writes
    }

    fn answers(answers: Vec<WriteResult>) -> Vec<WriteResult> {
        let answers = answers.into_iter();
        answers.map(|answer| answer_of_hot("apply", answer)).collect()
    }
}

#[async_trait]
#[deny(
    clippy::missing_trait_methods,
    reason = "an inherited default would bypass the stores below"
)]
impl MapDataStore for TieredDataStore {
    fn name(&self) -> &'static str {
        STORE
    }

    /// What hot can hold, under names that cold can hold; records and keys that are too large for cold stay in hot.
    fn limits(&self) -> Limits {
        let mut limits = self.hot.limits();
        limits.map_name_bytes = limits.map_name_bytes.min(self.cold.limits().map_name_bytes);
        limits
    }

    fn is_null(&self) -> bool {
        false
    }

    async fn claim(&self, map: &MapName) -> Result<MapClaim, StoreError> {
        self.claim_both(map).await
    }

    async fn apply(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        self.maps.note(&writes);
        Self::answers(self.hot.apply(Self::hide(writes)).await)
    }

    fn try_apply(&self, writes: Vec<Write>) -> TryApply {
        self.maps.note(&writes);
        // What hot gives back is what the caller brought, not what hot would have kept of it.
        let brought = writes.iter().any(|write| hidden(&write.record).is_some());
        let brought = brought.then(|| writes.clone());
        match self.hot.try_apply(Self::hide(writes)) {
            TryApply::Done(answers) => TryApply::Done(Self::answers(answers)),
            TryApply::NeedsIo(given_back) => TryApply::NeedsIo(brought.unwrap_or(given_back)),
        }
    }

    /// A store above keeps forms of its own under the versions of this one only if nobody else does.
    fn restating(&self) -> Option<&dyn RestateRecords> {
        None
    }

    async fn load(&self, map: &MapName, key: &Key) -> Result<Option<Record>, StoreError> {
        self.read(map, key).await
    }

    async fn load_all(&self, map: &MapName, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.read_all(map, keys).await
    }

    async fn scan_page(&self, map: &MapName, request: ScanRequest) -> Result<ScanPage, StoreError> {
        self.read_page(map, request).await
    }

    /// Lists the maps of hot: whatever is archived has a stub there.
    async fn list_maps(&self) -> Result<Vec<MapName>, StoreError> {
        let maps = self.hot.list_maps().await;
        maps.map_err(|error| of_tier(Tier::Hot, "list_maps", error))
    }

    async fn clear(&self, map: &MapName, up_to: Version) -> Result<(), StoreError> {
        self.clear_both(map, up_to).await
    }

    async fn purge(&self, map: &MapName, horizon: Version) -> Result<u64, StoreError> {
        self.purge_both(map, horizon).await
    }

    /// Hot alone decides what a load finds.
    fn is_loadable(&self, map: &MapName, key: &Key) -> bool {
        self.hot.is_loadable(map, key)
    }

    fn pending_operation_count(&self) -> usize {
        self.hot.pending_operation_count() + self.cold.pending_operation_count()
    }

    fn soft_flush(&self) -> usize {
        self.hot.soft_flush() + self.cold.soft_flush()
    }

    async fn hard_flush(&self) -> Result<(), FlushError> {
        let (hot, cold) = join!(self.hot.hard_flush(), self.cold.hard_flush());
        both_flushed("hard_flush", hot, cold)
    }

    async fn flush_key(&self, map: &MapName, key: &Key) -> Result<(), FlushError> {
        let (hot, cold) = join!(self.hot.flush_key(map, key), self.cold.flush_key(map, key));
        both_flushed("flush_key", hot, cold)
    }

    /// Copies that are pending in cold have no stubs yet: what they are copies of is whole in hot, unless hot forgets it too.
    fn reset(&self) -> usize {
        self.hot.reset() + self.cold.reset()
    }

    async fn close(&self, deadline: Duration) -> CloseReport {
        let (mut hot, cold) = join!(self.hot.close(deadline), self.cold.close(deadline));
        hot.pending.extend(cold.pending);
        let first = hot.error.take().map(|error| of_tier(Tier::Hot, "close", error));
        hot.error = first.or_else(|| cold.error.map(|error| of_tier(Tier::Cold, "close", error)));
        hot
    }
}

impl fmt::Debug for TieredDataStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TieredDataStore")
            .field("hot", &self.hot.name())
            .field("cold", &self.cold.name())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
