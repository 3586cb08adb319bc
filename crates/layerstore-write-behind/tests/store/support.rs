//! A write-behind store over a store in memory that records what it is asked, fails as told and waits at gates.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{
    BackoffPolicy, ErrorKind, InMemoryDataStore, MapDataStore, MapDataStoreExt, ScanRequest, Write,
    WriteResult,
};
use layerstore_record::{Clock, Key, MapName, Millis, Record, RecordValue};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::disk::SimulatedDisk;
use layerstore_testkit::doubles::{Call, FailingDataStore, Fault, RecordingDataStore, SlowDataStore};
use layerstore_testkit::records;
use layerstore_write_behind::{LogOptions, SyncPolicy, WriteBehindDataStore, WriteBehindOptions};

pub(crate) use layerstore_testkit::records::{key, version};

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The store behind, from the outside in.
pub(crate) struct Behind {
    pub(crate) clock: ManualClock,
    pub(crate) slow: Arc<SlowDataStore>,
    pub(crate) failing: Arc<FailingDataStore>,
    pub(crate) recording: Arc<RecordingDataStore>,
    pub(crate) memory: Arc<InMemoryDataStore>,
}

impl Behind {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::new();
        let memory = Arc::new(InMemoryDataStore::new(clock.shared()));
        Self::over(clock, memory)
    }

    fn over(clock: ManualClock, memory: Arc<InMemoryDataStore>) -> Self {
        let recording = Arc::new(RecordingDataStore::new(
            Arc::clone(&memory) as Arc<dyn MapDataStore>
        ));
        let failing = Arc::new(FailingDataStore::new(
            Arc::clone(&recording) as Arc<dyn MapDataStore>
        ));
        let slow = Arc::new(SlowDataStore::new(Arc::clone(&failing) as Arc<dyn MapDataStore>));
        Self {
            clock,
            slow,
            failing,
            recording,
            memory,
        }
    }

    /// Starts the store behind anew: what it holds is there, what was told to the doubles is forgotten.
    pub(crate) fn restarted(&self) -> Self {
        Self::over(self.clock.clone(), Arc::new(self.memory.share()))
    }

    /// Opens a write-behind store without a log.
    pub(crate) async fn open(&self, options: WriteBehindOptions) -> WriteBehindDataStore {
        let builder =
            WriteBehindDataStore::builder(Arc::clone(&self.slow) as Arc<dyn MapDataStore>, self.clock());
        builder.options(options).seed(7).open().await.unwrap().0
    }

    /// Opens a write-behind store with a log on a disk, under `always`.
    pub(crate) async fn open_logged(
        &self,
        options: WriteBehindOptions,
        disk: &SimulatedDisk,
    ) -> WriteBehindDataStore {
        self.open_with(options, disk, log_options()).await
    }

    pub(crate) async fn open_with(
        &self,
        options: WriteBehindOptions,
        disk: &SimulatedDisk,
        log: LogOptions,
    ) -> WriteBehindDataStore {
        let builder =
            WriteBehindDataStore::builder(Arc::clone(&self.slow) as Arc<dyn MapDataStore>, self.clock());
        builder
            .options(options)
            .log(Arc::new(disk.clone()), log)
            .seed(7)
            .open()
            .await
            .unwrap()
            .0
    }

    /// Takes no writes from now on.
    pub(crate) fn is_down(&self) {
        self.failing
            .fail_always(Call::Apply, Fault::before(ErrorKind::Unavailable));
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.clock.shared()
    }

    /// Returns the version that the store behind holds of a key.
    pub(crate) async fn stored(&self, number: u64) -> Option<Record> {
        self.memory.load(&map(), &key(number)).await.unwrap()
    }
}

pub(crate) fn log_options() -> LogOptions {
    LogOptions::default()
        .sync(SyncPolicy::Always)
        .segment_bytes(64 << 10)
        .max_bytes(4 << 20)
        .identity(7)
}

/// Tries again after 10 to 20 ms.
pub(crate) fn quick() -> WriteBehindOptions {
    let pause = Duration::from_millis(20);
    WriteBehindOptions::default()
        .delay(Duration::ZERO)
        .backoff(BackoffPolicy::default().with_base(pause).with_cap(pause))
}

/// Keeps writes pending until they are flushed.
pub(crate) fn lingering() -> WriteBehindOptions {
    quick().delay(Duration::from_secs(3_600))
}

pub(crate) fn map() -> MapName {
    MapName::new("map").unwrap()
}

/// A write of `number` to a key, with the version `at`.
pub(crate) fn put_at(number: u64, at: u64) -> Write {
    Write::new(map(), key(number), records::record(at))
}

pub(crate) fn put(number: u64) -> Write {
    put_at(number, number)
}

pub(crate) fn removal(number: u64, at: u64) -> Write {
    let version = version(at);
    let value = RecordValue::Tombstone {
        timestamp: version.timestamp(),
    };
    Write::new(
        map(),
        key(number),
        Arc::new(Record::builder(value, version).build()),
    )
}

pub(crate) async fn applied(store: &WriteBehindDataStore, write: Write) {
    let answer = store.apply_one(write).await;
    assert!(answer.is_applied(), "{answer:?}");
}

pub(crate) fn kind(answer: &WriteResult) -> Option<ErrorKind> {
    match answer {
        WriteResult::Rejected(error) => Some(error.kind()),
        _ => None,
    }
}

pub(crate) async fn held(store: &dyn MapDataStore, key: &Key) -> Option<u64> {
    let record = store.load(&map(), key).await.unwrap()?;
    (!record.is_tombstone()).then(|| number(record.version().millis()))
}

/// Returns keys and versions of a whole scan.
pub(crate) async fn scanned(store: &WriteBehindDataStore, page: usize) -> Vec<(Key, u64)> {
    let (mut request, mut found) = (ScanRequest::first(page), Vec::new());
    loop {
        let page = store.scan_page(&map(), request.clone()).await.unwrap();
        found.extend(
            page.records
                .into_iter()
                .map(|(key, record)| (key, number(record.version().millis()))),
        );
        match page.next {
            None => return found,
            Some(next) => request = request.from(std::ops::Bound::Excluded(next)),
        }
    }
}

fn number(millis: Millis) -> u64 {
    millis.0
}
