//! The store: callers' side of the databases of maps, and of looking at those of others.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use layerstore_data_store::{
    CloseReport, ErrorKind, FlushError, Limits, MapClaim, MapDataStore, RestateRecords, ScanPage,
    ScanRequest, StoreError, VerifyReport, Write, WriteResult,
};
use layerstore_embedded::{EmbeddedOptions, KvDataStore, reading};
use layerstore_opendal::opendal::Operator;
use layerstore_opendal::{OpendalDataStore, ProbeReport};
use layerstore_record::codec::MAX_RECORD_BYTES;
use layerstore_record::{Key, MapName, Record, Version};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::errors::{STORE, closed, from_kv, late};
use crate::ground::Ground;
use crate::kv::SlateKv;
use crate::maps::{Held, Maps, Slot, end, is_lost};
use crate::names;
use crate::options::SlateOptions;
use crate::watch::Watch;
use crate::writes::Way;

/// How often a claim begins anew that another claim overtook.
const CLAIM_TRIES: u32 = 5;

/// Looks at databases of others at once; each occupies a blocking thread.
const LOOKS: usize = 16;

/// Keeps the records of each map packed in a SlateDB database of its own, below one place of a service.
///
/// What is acknowledged is in the service's log of the map: its durability is the service's. A later claim of a map opens its
/// database anew, which fences the earlier writer out. A map that is not claimed here is read as it lies in the service, by a reader
/// for the call: for maps that others write, and for commands; the server that serves a map claims it. Needs a Tokio runtime with
/// time enabled, of either flavour.
///
/// ```
/// # #[cfg(feature = "memory")]
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use layerstore_data_store::MapDataStore;
/// use layerstore_record::MapName;
/// use layerstore_slatedb::{SlateDataStore, SlateOptions};
///
/// let store = SlateDataStore::open("memory", [], SlateOptions::default()).await?;
/// let claim = store.claim(&MapName::new("users")?).await?;
/// println!("epoch {} of a {} store", claim.epoch, store.report().service);
/// # Ok(())
/// # }
/// ```
pub struct SlateDataStore {
    pub(crate) options: SlateOptions,
    limits: Limits,
    report: ProbeReport,
    pub(crate) looks: Semaphore,
    /// Empty once the store is closed. Locked only to look up or change what is inside.
    open: Mutex<Option<Open>>,
}

struct Open {
    /// Declared first, so ended before what it stands on.
    maps: Maps,
    ground: Arc<Ground>,
}

impl SlateDataStore {
    /// Opens a place of a service: `memory`, `fs`, `s3`, `gcs` or `azblob`, each a feature of this crate, with its settings by
    /// OpenDAL's names (`bucket`, `root`, `endpoint`, `region`, …). A name that the service does not have is an error.
    ///
    /// Before it returns, it tries on an object of its own what the service really does.
    ///
    /// # Errors
    /// As [`OpendalDataStore::open`], and [`ErrorKind::Rejected`](layerstore_data_store::ErrorKind::Rejected) where the place holds one object a record.
    pub async fn open(
        service: &str,
        settings: impl IntoIterator<Item = (String, String)>,
        options: SlateOptions,
    ) -> Result<Self, StoreError> {
        let operator = OpendalDataStore::operator(service, settings);
        Self::over(operator.map_err(|error| error.in_store(STORE))?, options).await
    }

    /// Opens the place of an operator, which must have no retries or timeouts of its own: those of `options` are put around
    /// it, and SlateDB tries again by itself.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn over(operator: Operator, options: SlateOptions) -> Result<Self, StoreError> {
        let entering = Ground::enter(operator, &options);
        let entered = timeout(options.deadline, entering).await;
        let ground = entered
            .map_err(|_| late("open", options.deadline.as_secs()))?
            .map_err(|error| error.in_store(STORE))?;
        let mut limits = Limits::default();
        limits.record_bytes = MAX_RECORD_BYTES;
        limits.compare_and_set = ground.place.report().conditional_writes;
        Ok(Self {
            limits,
            report: ground.place.report().clone(),
            looks: Semaphore::new(LOOKS),
            open: Mutex::new(Some(Open {
                maps: Maps::default(),
                ground: Arc::new(ground),
            })),
            options,
        })
    }

    /// Returns what the service was seen to do when the store was opened.
    #[must_use]
    pub fn report(&self) -> &ProbeReport {
        &self.report
    }

    /// Reads everything that is stored, and reports what is there and what cannot be read.
    ///
    /// Takes as long as reading all of it; other calls go on meanwhile.
    ///
    /// # Errors
    /// When the list of maps cannot be read, or the store is closed. What a map does not give is in its report.
    pub async fn verify(&self) -> Result<VerifyReport, StoreError> {
        let mut reports = Vec::new();
        for map in self.directories("verify").await? {
            let report = match self.held("verify", &map)? {
                Some(held) => held.store.verify().await.map_err(|error| error.in_store(STORE))?,
                None => {
                    let now = self.options.requests.clock.now();
                    let looking =
                        self.look_at_leisure("verify", &map, move |view| reading::verify(view, now));
                    looking.await?.unwrap_or_else(|| VerifyReport::new(Vec::new()))
                }
            };
            reports.extend(report.maps);
        }
        Ok(VerifyReport::new(reports))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ground(&self, operation: &'static str) -> Result<Arc<Ground>, StoreError> {
        let open = self.lock();
        let open = open.as_ref().ok_or_else(|| closed(operation))?;
        Ok(Arc::clone(&open.ground))
    }

    /// Returns where a map stands; `None` if it was never claimed here.
    pub(crate) fn known(
        &self,
        operation: &'static str,
        map: &MapName,
    ) -> Result<Option<Arc<Slot>>, StoreError> {
        let open = self.lock();
        let open = open.as_ref().ok_or_else(|| closed(operation))?;
        Ok(open.maps.known(map))
    }

    fn held(&self, operation: &'static str, map: &MapName) -> Result<Option<Held>, StoreError> {
        Ok(self.known(operation, map)?.and_then(|slot| slot.held()))
    }

    /// Opens the database of a map, which takes it from whoever has it.
    async fn take(&self, map: &MapName) -> Result<(Arc<KvDataStore>, Watch), StoreError> {
        let ground = self.ground("claim")?;
        let (site, options) = (ground.site(map), self.options.clone());
        let embedded = EmbeddedOptions::default()
            .clock(Arc::clone(&options.requests.clock))
            .deadline(options.deadline);
        let opening = tokio::task::spawn_blocking(move || {
            let kv = SlateKv::open_site(&site, &options).map_err(|error| from_kv("claim", error))?;
            let watch = kv.watch();
            let store = Arc::new(KvDataStore::over(Arc::new(kv), embedded)?);
            Ok((store, watch))
        });
        let opened = timeout(self.options.deadline, opening).await;
        let opened = opened.map_err(|_| late("claim", self.options.deadline.as_secs()))?;
        opened.unwrap_or_else(|_| Err(closed("claim")))
    }

    async fn claim_in(&self, slot: &Slot, map: &MapName) -> Result<MapClaim, StoreError> {
        let _one_after_another = slot.claiming.lock().await;
        if let Some(Held { store, .. }) = slot.held() {
            match store.claim(map).await {
                Err(error) if is_lost(&error) => slot.fence(&store).await,
                claimed => return claimed.inspect(|claim| slot.claimed_again(&store, claim.epoch)),
            }
        }
        names::sign(&self.ground("claim")?.place, map).await?;
        let mut tries = CLAIM_TRIES;
        loop {
            let (store, watch) = self.take(map).await?;
            let claimed = store.claim(map).await;
            // A store that was closed meanwhile has nobody to end this database later.
            match claimed.and_then(|claim| self.ground("claim").map(|_| claim)) {
                Ok(claim) => {
                    let epoch = claim.epoch;
                    slot.hold(Held { store, watch, epoch });
                    return Ok(claim);
                }
                Err(error) => {
                    end(store).await;
                    tries -= 1;
                    // Of two that claim at once, the one that was overtaken claims after the other.
                    if error.kind() != ErrorKind::Fenced || tries == 0 {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Lists the maps that have a place, whether or not they hold anything.
    async fn directories(&self, operation: &'static str) -> Result<Vec<MapName>, StoreError> {
        let place = Arc::clone(&self.ground(operation)?.place);
        let listed = timeout(self.options.deadline, names::list(&place, operation)).await;
        listed
            .map_err(|_| late(operation, self.options.deadline.as_secs()))?
            .map_err(|error| error.in_store(STORE))
    }

    fn flush(&self, operation: &'static str) -> Result<(), FlushError> {
        match self.ground(operation) {
            Ok(_) => Ok(()),
            Err(closed) => Err(FlushError {
                pending: Vec::new(),
                source: Some(closed),
            }),
        }
    }
}

#[async_trait]
impl MapDataStore for SlateDataStore {
    fn name(&self) -> &'static str {
        STORE
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    async fn claim(&self, map: &MapName) -> Result<MapClaim, StoreError> {
        let slot = {
            let mut open = self.lock();
            open.as_mut().ok_or_else(|| closed("claim"))?.maps.slot(map)
        };
        let claimed = timeout(self.options.deadline.saturating_mul(2), self.claim_in(&slot, map)).await;
        claimed
            .map_err(|_| late("claim", self.options.deadline.as_secs() * 2))?
            .map_err(|error| error.in_store(STORE).in_map(map))
    }

    async fn apply(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        self.write_all(Way::Apply, writes).await
    }

    fn restating(&self) -> Option<&dyn RestateRecords> {
        Some(self)
    }

    async fn load(&self, map: &MapName, key: &Key) -> Result<Option<Record>, StoreError> {
        let records = self.load_all(map, std::slice::from_ref(key)).await?;
        Ok(records.into_iter().next().flatten())
    }

    async fn load_all(&self, map: &MapName, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        let (of, wanted, now) = (map.clone(), keys.to_vec(), self.options.requests.clock.now());
        let read = self.read(
            "load",
            map,
            async |store: &KvDataStore| store.load_all(map, keys).await,
            move |state| reading::load_all(state, &of, &wanted, now),
        );
        Ok(read.await?.unwrap_or_else(|| keys.iter().map(|_| None).collect()))
    }

    async fn scan_page(&self, map: &MapName, request: ScanRequest) -> Result<ScanPage, StoreError> {
        let (of, same, now) = (map.clone(), request.clone(), self.options.requests.clock.now());
        let read = self.read(
            "scan",
            map,
            async |store: &KvDataStore| store.scan_page(map, request).await,
            move |state| reading::scan_page(state, &of, &same, now),
        );
        Ok(read.await?.unwrap_or_default())
    }

    async fn list_maps(&self) -> Result<Vec<MapName>, StoreError> {
        let mut maps = Vec::new();
        for map in self.directories("list maps").await? {
            let listed = self.read(
                "list maps",
                &map,
                async |store: &KvDataStore| store.list_maps().await,
                reading::list_maps,
            );
            maps.extend(listed.await?.unwrap_or_default());
        }
        Ok(maps)
    }

    async fn clear(&self, map: &MapName, up_to: Version) -> Result<(), StoreError> {
        self.change("clear", map, async |store| store.clear(map, up_to).await)
            .await
    }

    async fn purge(&self, map: &MapName, horizon: Version) -> Result<u64, StoreError> {
        self.change("purge", map, async |store| store.purge(map, horizon).await)
            .await
    }

    /// Every acknowledged write is durable already.
    async fn hard_flush(&self) -> Result<(), FlushError> {
        self.flush("hard_flush")
    }

    /// Every acknowledged write is durable already.
    async fn flush_key(&self, _map: &MapName, _key: &Key) -> Result<(), FlushError> {
        self.flush("flush_key")
    }

    async fn close(&self, deadline: Duration) -> CloseReport {
        let Some(Open { mut maps, ground }) = self.lock().take() else {
            return CloseReport::default();
        };
        let closing = maps.take();
        let closed = join_all(closing.iter().map(|store| store.close(deadline))).await;
        // Joins threads, which is nothing for a thread of the caller's runtime.
        let _ended = tokio::task::spawn_blocking(move || drop(ground)).await;
        let mut report = CloseReport::default();
        report.error = closed
            .into_iter()
            .find_map(|report| report.error)
            .map(|error| error.in_store(STORE));
        report
    }
}

#[async_trait]
impl RestateRecords for SlateDataStore {
    async fn restate(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        self.write_all(Way::Restate, writes).await
    }
}
