//! Where a script runs: on a simulated disk and a store in memory, or in a folder and a store that survives the process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{
    BackoffPolicy, BreakerPolicy, ErrorKind, InMemoryDataStore, MapDataStore, StoreError,
};
use layerstore_record::Clock;
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::disk::{Restart, SimulatedDisk};
use layerstore_testkit::doubles::{FailingDataStore, Fault, RecordingDataStore};
use layerstore_write_behind::{
    DiskStorage, LogOptions, Storage, StorageError, SyncPolicy, WhenFull, WriteBehindDataStore,
    WriteBehindOptions,
};
use tokio::time::{Instant, sleep};

use crate::hook::Hook;
use crate::journal::JournaledDataStore;
use crate::ledger::{REFUSED_KEY, key};
use crate::script::DEADLINE;

enum Place {
    Simulated {
        disk: SimulatedDisk,
        memory: InMemoryDataStore,
    },
    Folder(PathBuf),
}

pub(crate) struct World {
    place: Place,
    clock: ManualClock,
    /// Of the store that was opened last.
    pub(crate) failing: Option<Arc<FailingDataStore>>,
    pub(crate) recording: Option<Arc<RecordingDataStore>>,
    /// Whether the store behind takes everything.
    pub(crate) is_healed: bool,
}

/// The names of files in a folder of a script.
pub(crate) const JOURNAL: &str = "journal";
pub(crate) const LEDGER: &str = "ledger";

/// What a crash amid rotation leaves.
const UNFINISHED: &str = "00000000000000000042.segment.new";

impl World {
    pub(crate) fn simulated() -> Self {
        let clock = ManualClock::new();
        let disk = SimulatedDisk::new();
        disk.damage(UNFINISHED, b"not finished".to_vec());
        let memory = InMemoryDataStore::new(clock.shared());
        Self::at(Place::Simulated { disk, memory }, clock)
    }

    pub(crate) fn in_folder(folder: &Path) -> Self {
        let log = folder.join("log");
        std::fs::create_dir_all(&log).unwrap();
        if !log.join("sidecar").exists() {
            std::fs::write(log.join(UNFINISHED), b"not finished").unwrap();
        }
        Self::at(Place::Folder(folder.to_owned()), ManualClock::new())
    }

    fn at(place: Place, clock: ManualClock) -> Self {
        Self {
            place,
            clock,
            failing: None,
            recording: None,
            is_healed: false,
        }
    }

    /// Opens the store; the one before it is as good as dead.
    pub(crate) async fn open(&mut self, hook: &Arc<Hook>) -> Result<WriteBehindDataStore, StoreError> {
        let (storage, behind): (Arc<dyn Storage>, Arc<dyn MapDataStore>) = match &mut self.place {
            Place::Simulated { disk, memory } => {
                // A thread that did not end writes to a disk that nobody looks at any more.
                *disk = disk.after(Restart::Keep, 1);
                (Arc::new(disk.clone()), Arc::new(memory.share()))
            }
            Place::Folder(folder) => {
                let storage = unlocked(&folder.join("log")).await;
                let behind = JournaledDataStore::open(&folder.join(JOURNAL)).await;
                (Arc::new(storage), Arc::new(behind))
            }
        };
        let recording = Arc::new(RecordingDataStore::new(behind));
        let failing = Arc::new(FailingDataStore::new(
            Arc::clone(&recording) as Arc<dyn MapDataStore>
        ));
        (self.failing, self.recording) = (Some(Arc::clone(&failing)), Some(recording));
        if !self.is_healed {
            failing.fail_key(&key(REFUSED_KEY), Fault::before(ErrorKind::Rejected));
        }
        let builder = WriteBehindDataStore::builder(failing, self.clock());
        let builder = builder.options(options()).log(storage, log_options()).seed(7);
        Ok(builder.failpoints(Arc::clone(hook) as _).open().await?.0)
    }

    /// What a power cut now would leave; the log was synced for every acknowledgement.
    pub(crate) fn lose_power(&mut self) {
        if let Place::Simulated { disk, .. } = &mut self.place {
            *disk = disk.after(Restart::Drop, 1);
        }
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.clock.shared()
    }
}

/// A close that had little time leaves the log to its thread, which lets go of the folder when it has sealed it.
async fn unlocked(folder: &Path) -> DiskStorage {
    let end = Instant::now() + DEADLINE;
    loop {
        match DiskStorage::open(folder) {
            Err(StorageError::AlreadyOpen { .. }) if Instant::now() < end => {
                sleep(Duration::from_millis(2)).await;
            }
            opened => return opened.unwrap(),
        }
    }
}

fn options() -> WriteBehindOptions {
    let pause = Duration::from_millis(2);
    WriteBehindOptions::default()
        .delay(Duration::from_secs(3_600))
        .backoff(BackoffPolicy::default().with_base(pause).with_cap(pause))
        .breaker(BreakerPolicy::default().with_pause(pause, pause))
        .when_full(WhenFull::Spill)
        .max_records(3)
        .patience(Duration::from_millis(500))
}

fn log_options() -> LogOptions {
    LogOptions::default()
        .sync(SyncPolicy::Always)
        .segment_bytes(4 << 10)
        .max_bytes(32 << 10)
        .identity(7)
}
