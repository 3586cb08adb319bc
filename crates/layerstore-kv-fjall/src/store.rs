//! The store: opening, writing, keyspaces.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use fjall::{Database, PersistMode};
use layerstore_kv::{
    Batch, Committed, Direction, Durability, KeyRange, KvBackend, KvError, KvErrorKind, KvIter, KvLimits,
    KvOperation, KvRead, KvResult, KvSnapshot, KvStats,
};

use crate::catalog::Catalog;
use crate::convert::{convert, convert_write};
use crate::directory::{DirectoryLock, check_account, check_names, clear_unfinished, holds_store};
use crate::options::FjallOptions;
use crate::seal::{SealOnClose, break_seal};
use crate::versions::check_versions;
use crate::view::{HeldView, Keyspaces, View, find};

/// Longest keyspace name, in bytes.
const MAX_NAME_LEN: usize = 1_024;

/// What fjall holds: it counts key lengths in 16 bits and value lengths in 32.
pub(crate) const LIMITS: KvLimits = KvLimits {
    max_key_len: u16::MAX as usize,
    max_value_len: u32::MAX as usize,
    max_name_len: MAX_NAME_LEN,
};

/// A directory on fjall as a [`KvBackend`].
///
/// Dropping it closes the directory, once every snapshot and scan made from it is dropped too.
pub struct FjallKv {
    shared: Arc<Shared>,
}

/// What the store, its snapshots and its scans share.
pub(crate) struct Shared {
    db: Database,
    dir: PathBuf,
    /// Held while anything is written. It makes checking preconditions and writing one step, and keeps fjall from
    /// publishing a keyspace's sequence number while a batch is half applied.
    writing: Mutex<Catalog>,
    reading: RwLock<Reading>,
    commits: AtomicU64,
    syncs: AtomicU64,
    /// Declared after all that fjall has a part in: by then it has closed its files.
    _seal: SealOnClose,
    /// Declared last, so released last: who opens next finds the seal.
    _lock: DirectoryLock,
}

/// Where readers get their state from.
struct Reading {
    keyspaces: Arc<Keyspaces>,
    /// The state before the write under way, while there is one. fjall's own snapshots are not enough here: when a
    /// flush or compaction ends in the middle of a batch, it publishes a number above the batch's, and a snapshot taken
    /// then would show half of it.
    frozen: Option<View>,
}

impl FjallKv {
    /// Opens a directory, creating it where it is missing, and replays what was not yet in tables.
    ///
    /// # Errors
    /// [`KvErrorKind::AlreadyOpen`] with the process that has it, [`KvErrorKind::UnknownFormat`],
    /// [`KvErrorKind::Corrupt`], [`KvErrorKind::DiskFull`] or [`KvErrorKind::Io`].
    pub fn open(dir: impl AsRef<Path>, options: FjallOptions) -> KvResult<Self> {
        let dir = dir.as_ref();
        let lock = DirectoryLock::acquire(dir)?;
        check_names(dir)?;
        check_account(dir)?;
        break_seal(dir)?;
        clear_unfinished(dir)?;
        check_versions(dir)?;
        let db = open_database(dir, &options)?;
        let (catalog, keyspaces) = Catalog::open(&db)?;
        let shared = Shared {
            db,
            dir: dir.to_path_buf(),
            writing: Mutex::new(catalog),
            reading: RwLock::new(Reading {
                keyspaces: Arc::new(keyspaces),
                frozen: None,
            }),
            commits: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            _seal: SealOnClose(dir.to_path_buf()),
            _lock: lock,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Tells whether a directory holds a store, or what is left of one, without touching it: opening would make one there.
    pub fn is_at(dir: impl AsRef<Path>) -> bool {
        holds_store(dir.as_ref())
    }

    /// Returns the directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    fn hold(&self) -> HeldView {
        HeldView {
            view: self.shared.view(),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl std::fmt::Debug for FjallKv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FjallKv")
            .field("dir", &self.shared.dir)
            .finish_non_exhaustive()
    }
}

impl KvRead for FjallKv {
    fn get(&self, keyspace: &[u8], key: &[u8]) -> KvResult<Option<Vec<u8>>> {
        self.shared.view().get(KvOperation::Get, keyspace, key)
    }

    fn scan(&self, keyspace: &[u8], range: KeyRange, direction: Direction) -> KvResult<KvIter> {
        self.hold().scan(keyspace, range, direction)
    }

    fn keyspaces(&self) -> KvResult<Vec<Vec<u8>>> {
        self.hold().keyspaces()
    }
}

impl KvBackend for FjallKv {
    fn create_keyspace(&self, name: &[u8]) -> KvResult<bool> {
        LIMITS.check_name(KvOperation::CreateKeyspace, name)?;
        self.shared
            .write(|catalog, view| self.shared.create_keyspace(catalog, view, name))
    }

    fn drop_keyspace(&self, name: &[u8]) -> KvResult<bool> {
        LIMITS.check_name(KvOperation::DropKeyspace, name)?;
        self.shared
            .write(|catalog, view| self.shared.drop_keyspace(catalog, view, name))
    }

    fn snapshot(&self) -> KvResult<Box<dyn KvSnapshot>> {
        Ok(Box::new(self.hold()))
    }

    fn commit(&self, batch: &Batch, durability: Durability) -> KvResult<Committed> {
        LIMITS.check_batch(batch)?;
        let committed = self
            .shared
            .write(|_, view| self.shared.commit(view, batch, durability))?;
        self.shared.commits.fetch_add(1, Ordering::Relaxed);
        Ok(committed)
    }

    fn persist(&self) -> KvResult<()> {
        self.shared.persist(KvOperation::Persist)
    }

    fn stats(&self) -> KvResult<KvStats> {
        let mut stats = KvStats::default();
        stats.keyspaces = self.shared.view().keyspaces.len() as u64;
        stats.bytes = self
            .shared
            .db
            .disk_space()
            .map_err(|error| convert(KvOperation::Stats, error))?;
        stats.commits = self.shared.commits.load(Ordering::Relaxed);
        stats.syncs = self.shared.syncs.load(Ordering::Relaxed);
        Ok(stats)
    }

    fn limits(&self) -> KvLimits {
        LIMITS
    }
}

impl Shared {
    /// The newest state in which no write is half done.
    fn view(&self) -> View {
        // Neither lock guards anything that a panic could leave half changed: see `Frozen`.
        let reading = self.reading.read().unwrap_or_else(PoisonError::into_inner);
        reading
            .frozen
            .clone()
            .unwrap_or_else(|| self.snapshot(&reading.keyspaces))
    }

    fn snapshot(&self, keyspaces: &Arc<Keyspaces>) -> View {
        View {
            snapshot: self.db.snapshot(),
            keyspaces: Arc::clone(keyspaces),
        }
    }

    /// Runs one write after another. Readers see the state before it until it is over, however long its sync takes.
    fn write<T>(&self, write: impl FnOnce(&mut Catalog, &View) -> KvResult<T>) -> KvResult<T> {
        let mut catalog = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let frozen = Frozen::new(self);
        write(&mut catalog, &frozen.before)
    }

    fn commit(&self, before: &View, batch: &Batch, durability: Durability) -> KvResult<Committed> {
        check_preconditions(before, batch)?;
        let mut writes = self.db.batch().durability(Some(mode(durability)));
        for operation in batch.last_operations() {
            let handle = find(&before.keyspaces, KvOperation::Commit, operation.keyspace)?;
            match operation.value {
                Some(value) => writes.insert(handle, operation.key, value),
                None => writes.remove(handle, operation.key),
            }
        }
        if batch.is_empty() {
            // fjall leaves an empty batch alone, also where it is asked to sync.
            return match durability {
                Durability::Sync => self.persist(KvOperation::Commit).map(|()| Committed::Durable),
                Durability::Buffered => Ok(Committed::NotYet),
            };
        }
        writes
            .commit()
            .map_err(|error| convert_write(KvOperation::Commit, error))?;
        Ok(self.answer(durability))
    }

    fn answer(&self, durability: Durability) -> Committed {
        match durability {
            Durability::Sync => {
                self.syncs.fetch_add(1, Ordering::Relaxed);
                Committed::Durable
            }
            Durability::Buffered => Committed::NotYet,
        }
    }

    fn persist(&self, operation: KvOperation) -> KvResult<()> {
        self.db
            .persist(PersistMode::SyncAll)
            .map_err(|error| convert_write(operation, error))?;
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn create_keyspace(&self, catalog: &mut Catalog, before: &View, name: &[u8]) -> KvResult<bool> {
        if before.keyspaces.contains_key(name) {
            return Ok(false);
        }
        let handle = catalog
            .create(&self.db, name)
            .map_err(|error| error.in_keyspace(name))?;
        self.replace_keyspaces(before, |keyspaces| {
            keyspaces.insert(name.to_vec(), handle);
        });
        Ok(true)
    }

    fn drop_keyspace(&self, catalog: &Catalog, before: &View, name: &[u8]) -> KvResult<bool> {
        let Some(handle) = before.keyspaces.get(name) else {
            return Ok(false);
        };
        catalog
            .remove(&self.db, name, handle.clone())
            .map_err(|error| error.in_keyspace(name))?;
        self.replace_keyspaces(before, |keyspaces| {
            keyspaces.remove(name);
        });
        Ok(true)
    }

    fn replace_keyspaces(&self, before: &View, change: impl FnOnce(&mut Keyspaces)) {
        let mut keyspaces = Keyspaces::clone(&before.keyspaces);
        change(&mut keyspaces);
        self.reading
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .keyspaces = Arc::new(keyspaces);
    }
}

/// The time of one write: readers get the state before it, until this is dropped, also by a panic.
struct Frozen<'a> {
    shared: &'a Shared,
    before: View,
}

impl<'a> Frozen<'a> {
    fn new(shared: &'a Shared) -> Self {
        let mut reading = shared.reading.write().unwrap_or_else(PoisonError::into_inner);
        let before = shared.snapshot(&reading.keyspaces);
        reading.frozen = Some(before.clone());
        Self { shared, before }
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.shared
            .reading
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .frozen = None;
    }
}

fn check_preconditions(before: &View, batch: &Batch) -> KvResult<()> {
    for (index, required) in batch.preconditions().enumerate() {
        let found = before.get(KvOperation::Commit, required.keyspace, required.key)?;
        if found.as_deref() != required.expected {
            let kind = KvErrorKind::PreconditionFailed { index };
            return Err(KvError::new(kind, KvOperation::Commit).in_keyspace(required.keyspace));
        }
    }
    Ok(())
}

fn mode(durability: Durability) -> PersistMode {
    match durability {
        Durability::Sync => PersistMode::SyncAll,
        // Handed to the operating system: it survives the process, not a power cut.
        Durability::Buffered => PersistMode::Buffer,
    }
}

fn open_database(dir: &Path, options: &FjallOptions) -> KvResult<Database> {
    let builder = Database::builder(dir)
        .cache_size(options.cache_bytes)
        .max_journaling_size(options.max_journal_bytes)
        .worker_threads(options.worker_threads);
    // fjall asserts some of what it expects of the files; damage there must not take the process down.
    match catch_unwind(AssertUnwindSafe(|| builder.open())) {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(fjall::Error::Locked)) => {
            let kind = KvErrorKind::AlreadyOpen {
                path: dir.to_path_buf(),
                pid: None,
            };
            Err(KvError::new(kind, KvOperation::Open).caused_by(fjall::Error::Locked))
        }
        Ok(Err(error)) => Err(convert(KvOperation::Open, error)),
        Err(_) => Err(KvError::new(KvErrorKind::Corrupt, KvOperation::Open)
            .caused_by("fjall panicked while it replayed")),
    }
}
