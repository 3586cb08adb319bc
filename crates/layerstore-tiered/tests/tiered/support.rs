//! Two stores in memory, what stands before them, and the tiered store over both.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use layerstore_data_store::{
    ErrorKind, InMemoryDataStore, MapDataStore, MapDataStoreExt, ScanRequest, StoreError, Write, WriteResult,
};
use layerstore_record::{Key, MapName, NodeId, Record, RecordValue};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::doubles::{FailingDataStore, RecordingDataStore, SlowDataStore};
use layerstore_testkit::records::{key, record, version};
use layerstore_tiered::{ArchivePolicy, Promotion, TieredDataStore, TieredOptions};

/// A tiered store over two in memory, each behind doubles that a test can hold up, fail and look into.
pub(crate) struct Pair {
    pub(crate) clock: ManualClock,
    pub(crate) map: MapName,
    pub(crate) hot: Tier,
    pub(crate) cold: Tier,
    pub(crate) store: Arc<TieredDataStore>,
}

/// One of the two, from what the tiered store asks down to what holds the records.
pub(crate) struct Tier {
    pub(crate) recording: Arc<RecordingDataStore>,
    pub(crate) slow: Arc<SlowDataStore>,
    pub(crate) failing: Arc<FailingDataStore>,
    pub(crate) memory: Arc<InMemoryDataStore>,
}

impl Tier {
    fn new(clock: &ManualClock) -> Self {
        let memory = Arc::new(InMemoryDataStore::new(clock.shared()));
        let failing = Arc::new(FailingDataStore::new(memory.clone()));
        let slow = Arc::new(SlowDataStore::new(failing.clone()));
        let recording = Arc::new(RecordingDataStore::new(slow.clone()));
        Self {
            recording,
            slow,
            failing,
            memory,
        }
    }

    /// Reads what the tier holds under a key, past the doubles.
    pub(crate) async fn row(&self, map: &MapName, key: &Key) -> Option<Record> {
        self.memory.load(map, key).await.unwrap()
    }

    /// Reads the keys of the values that the tier holds, past the doubles.
    pub(crate) async fn keys(&self, map: &MapName) -> Vec<Key> {
        let records = self.memory.scan(map, ScanRequest::first(100));
        let records: Vec<(Key, Record)> = records.try_collect().await.unwrap();
        records.into_iter().map(|(key, _)| key).collect()
    }
}

impl Pair {
    /// Reads bring nothing back, so that what a test has archived stays archived.
    pub(crate) async fn new() -> Self {
        Self::with(Promotion::OnDemand).await
    }

    pub(crate) async fn with(promotion: Promotion) -> Self {
        let clock = ManualClock::new();
        let map = MapName::new("map").unwrap();
        let (hot, cold) = (Tier::new(&clock), Tier::new(&clock));
        let options = TieredOptions::default().clock(clock.shared()).node(NodeId(7));
        let options = options.promotion(promotion);
        let store = TieredDataStore::new(hot.recording.clone(), cold.recording.clone(), options).unwrap();
        store.claim(&map).await.unwrap();
        Self {
            clock,
            map,
            hot,
            cold,
            store: Arc::new(store),
        }
    }

    pub(crate) async fn put(&self, number: u64, at: u64) {
        self.applied(Write::new(self.map.clone(), key(number), record(at)))
            .await;
    }

    pub(crate) async fn remove(&self, number: u64, at: u64) {
        self.applied(self.removal(number, at)).await;
    }

    pub(crate) fn removal(&self, number: u64, at: u64) -> Write {
        Write::new(self.map.clone(), key(number), Arc::new(tombstone(at)))
    }

    pub(crate) async fn applied(&self, write: Write) {
        let answer = self.store.apply_one(write).await;
        assert!(answer.is_applied(), "{answer:?}");
    }

    /// Puts these keys, each with its number as its version, and archives them.
    pub(crate) async fn archived(&self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            self.put(number, number).await;
        }
        self.archive().await;
        assert!(
            !self.cold.keys(&self.map).await.is_empty(),
            "nothing was archived"
        );
    }

    /// Archives everything, to the end of a round.
    pub(crate) async fn archive(&self) {
        while !self.archive_batch().await.unwrap().is_round_complete {}
    }

    pub(crate) async fn archive_batch(&self) -> Result<layerstore_tiered::ArchiveReport, StoreError> {
        self.store.archive(&self.map, &everything()).await
    }

    /// Sweeps to the end of a round; returns how many copies went.
    pub(crate) async fn sweep(&self) -> usize {
        let mut removed = 0;
        loop {
            let report = self.store.sweep(&self.map, 3).await.unwrap();
            removed += report.removed;
            if report.is_round_complete {
                return removed;
            }
        }
    }

    pub(crate) async fn load(&self, number: u64) -> Result<Option<Record>, StoreError> {
        self.store.load(&self.map, &key(number)).await
    }

    /// Expects what was put under a key with this number, by every way of reading; or that there is no value.
    pub(crate) async fn assert_held(&self, number: u64, at: Option<u64>) {
        let expected = at.map(record);
        let live = |found: Option<Record>| found.filter(|record| !record.is_tombstone());
        let found = live(self.load(number).await.unwrap());
        assert_eq!(found.as_ref(), expected.as_deref(), "load of key {number}");
        let found = self
            .store
            .load_all(&self.map, &[key(number)])
            .await
            .unwrap()
            .remove(0);
        assert_eq!(
            live(found).as_ref(),
            expected.as_deref(),
            "load_all of key {number}"
        );
        let scanned = self.scan().await.unwrap();
        let found = scanned.iter().find(|(found, _)| *found == key(number));
        assert_eq!(
            found.map(|(_, record)| record),
            expected.as_deref(),
            "scan for key {number}"
        );
    }

    pub(crate) async fn scan(&self) -> Result<Vec<(Key, Record)>, StoreError> {
        self.store
            .scan(&self.map, ScanRequest::first(2))
            .try_collect()
            .await
    }

    /// Opens another store over the same storages, as another process would; it has claimed nothing yet.
    pub(crate) fn another(&self, clock: &ManualClock) -> TieredDataStore {
        let options = TieredOptions::default().clock(clock.shared()).node(NodeId(8));
        let options = options.promotion(Promotion::OnDemand);
        let (hot, cold) = (self.hot.memory.share(), self.cold.memory.share());
        TieredDataStore::new(Arc::new(hot), Arc::new(cold), options).unwrap()
    }
}

/// Takes everything, three records at a time.
pub(crate) fn everything() -> ArchivePolicy {
    let policy = ArchivePolicy::builder().age(Duration::ZERO);
    policy.batch_records(3).build().unwrap()
}

pub(crate) fn tombstone(at: u64) -> Record {
    let timestamp = version(at).timestamp();
    Record::builder(RecordValue::Tombstone { timestamp }, version(at)).build()
}

pub(crate) fn rejected(answer: WriteResult) -> StoreError {
    match answer {
        WriteResult::Rejected(error) => error,
        other => panic!("expected an error, got {other:?}"),
    }
}

/// Expects an error that a later try may cure.
pub(crate) fn unavailable<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.is_retryable() && error.store() == "tiered", "{error}");
}
