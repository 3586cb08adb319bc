//! The database: opening, writing, keyspaces.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use futures::TryStreamExt;
use layerstore_kv::{
    Batch, Committed, Direction, Durability, KeyRange, KvBackend, KvError, KvErrorKind, KvIter, KvLimits,
    KvOperation, KvRead, KvResult, KvSnapshot, KvStats,
};
use layerstore_opendal::Place;
use layerstore_opendal::opendal::Operator;
use slatedb::config::{CloseOptions, FlushOptions, FlushType};
use slatedb::object_store::ObjectStore;
use slatedb::object_store::path::Path;
use slatedb::{Db, WriteBatch};

use crate::commit::{check, write};
use crate::convert::{convert, convert_write, late};
use crate::driver::Driver;
use crate::layout::{self, LIMITS};
use crate::objects::Objects;
use crate::opening::{Site, cache, settings};
use crate::options::SlateOptions;
use crate::view::{Catalog, View, number_of, read_catalog};
use crate::watch::Watch;

/// Rows that dropping a keyspace takes away in one batch.
const SWEEP_ROWS: usize = 4_096;

/// Objects of the log after which a table is written, however little it holds: whoever opens the database or looks at it reads them
/// all, one request each.
const LOG_OBJECTS: u64 = 64;

/// How long it is known which batches of an owner are durable: a day, in milliseconds.
const OWNER_MILLIS: u64 = 24 * 60 * 60 * 1_000;

/// A database of SlateDB as a [`KvBackend`].
///
/// Whoever opens a database later takes it over: what the earlier one tries to write fails as
/// [`KvErrorKind::Fenced`]. Calls block; dropping it closes the database, once every snapshot and scan made from it is
/// dropped too.
pub struct SlateKv {
    shared: Arc<Shared>,
}

/// What the database, its snapshots and its scans share.
pub(crate) struct Shared {
    db: Arc<Db>,
    driver: Arc<Driver>,
    objects: Arc<dyn ObjectStore>,
    path: Path,
    /// Held while anything is written: it makes checking preconditions and writing one step.
    writing: Mutex<()>,
    catalog: RwLock<Arc<Catalog>>,
    commits: AtomicU64,
    syncs: AtomicU64,
    /// Tells this opening from all others.
    owner: u64,
    opened: u64,
    /// The number of the last batch that was tried, changed by whoever has the turn.
    batches: AtomicU64,
    /// That of the one which could not be made durable, because the database had been taken over; 0 as long as it was not.
    lost: Arc<AtomicU64>,
    options: SlateOptions,
    /// Held until the database is closed.
    _place: Option<Arc<Place>>,
}

impl SlateKv {
    /// Opens a database below a path of an operator, which takes it over from whoever has it, and makes it where there is none.
    ///
    /// The operator must have no retries of its own, and its service must keep conditional writes, unless nobody else ever opens
    /// the database: [`SlateDataStore`](crate::SlateDataStore) tries that, this does not. Blocks.
    ///
    /// # Errors
    /// [`KvErrorKind::Unreachable`], [`KvErrorKind::TimedOut`] or [`KvErrorKind::Corrupt`]; [`KvErrorKind::Io`] when no thread
    /// could be started.
    pub fn open(operator: Operator, path: &str, options: &SlateOptions) -> KvResult<Self> {
        let driver = Driver::start(options.worker_threads, options.deadline)
            .map_err(|error| KvError::new(KvErrorKind::Io, KvOperation::Open).caused_by(error))?;
        let site = Site {
            objects: Arc::new(Objects::new(operator)),
            path: Path::from(path),
            driver: Arc::new(driver),
            cache: (options.cache_bytes > 0).then(|| cache(options.cache_bytes)),
            number: 0,
            place: None,
        };
        Self::open_site(&site, options)
    }

    /// Opens the database of a site, which takes it over from whoever has it, and makes it where there is none.
    pub(crate) fn open_site(site: &Site, options: &SlateOptions) -> KvResult<Self> {
        let operation = KvOperation::Open;
        let builder = Db::builder(site.path.clone(), Arc::clone(&site.objects));
        let builder = builder.with_settings(settings(options));
        let builder = match &site.cache {
            Some(cache) => builder.with_db_cache(Arc::clone(cache), site.number),
            None => builder.with_db_cache_disabled(),
        };
        let opened = site.driver.run(async move {
            let db = builder.build().await.map_err(|error| convert(operation, error))?;
            let catalog = read_catalog(&db).await?;
            Ok((db, catalog))
        });
        let (db, catalog) = opened.map_err(|error| late(operation, error))??;
        let kv = Self {
            shared: Arc::new(Shared {
                db: Arc::new(db),
                driver: Arc::clone(&site.driver),
                objects: Arc::clone(&site.objects),
                path: site.path.clone(),
                writing: Mutex::new(()),
                catalog: RwLock::new(Arc::new(catalog)),
                commits: AtomicU64::new(0),
                syncs: AtomicU64::new(0),
                owner: owner(options, site.number),
                opened: options.requests.clock.now().0,
                batches: AtomicU64::new(0),
                lost: Arc::default(),
                options: options.clone(),
                _place: site.place.clone(),
            }),
        };
        kv.shared.sweep_dropped(operation)?;
        kv.shared.sweep_owners(operation)?;
        Ok(kv)
    }

    fn view(&self) -> KvResult<View> {
        Shared::view(&self.shared)
    }

    /// Returns a way to ask whether the database was taken over, which does not keep it open.
    pub(crate) fn watch(&self) -> Watch {
        let shared = &self.shared;
        Watch::new(&shared.db, &shared.driver, shared.owner, &shared.lost)
    }
}

impl fmt::Debug for SlateKv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlateKv")
            .field("path", &self.shared.path)
            .finish_non_exhaustive()
    }
}

impl KvRead for SlateKv {
    fn get(&self, keyspace: &[u8], key: &[u8]) -> KvResult<Option<Vec<u8>>> {
        self.view()?.get(keyspace, key)
    }

    fn scan(&self, keyspace: &[u8], range: KeyRange, direction: Direction) -> KvResult<KvIter> {
        self.view()?.scan(keyspace, range, direction)
    }

    fn keyspaces(&self) -> KvResult<Vec<Vec<u8>>> {
        self.view()?.keyspaces()
    }
}

impl KvBackend for SlateKv {
    fn create_keyspace(&self, name: &[u8]) -> KvResult<bool> {
        LIMITS.check_name(KvOperation::CreateKeyspace, name)?;
        self.shared.create_keyspace(name)
    }

    fn drop_keyspace(&self, name: &[u8]) -> KvResult<bool> {
        LIMITS.check_name(KvOperation::DropKeyspace, name)?;
        self.shared.drop_keyspace(name)
    }

    fn snapshot(&self) -> KvResult<Box<dyn KvSnapshot>> {
        Ok(Box::new(self.view()?))
    }

    fn commit(&self, batch: &Batch, durability: Durability) -> KvResult<Committed> {
        LIMITS.check_batch(batch)?;
        self.shared.commit(batch, durability)
    }

    fn persist(&self) -> KvResult<()> {
        let _turn = self.shared.turn();
        self.shared.sync(KvOperation::Persist)
    }

    fn stats(&self) -> KvResult<KvStats> {
        let mut stats = KvStats::default();
        stats.keyspaces = self.shared.catalog().len() as u64;
        stats.bytes = self.shared.stored_bytes()?;
        stats.commits = self.shared.commits.load(Ordering::Relaxed);
        stats.syncs = self.shared.syncs.load(Ordering::Relaxed);
        Ok(stats)
    }

    fn limits(&self) -> KvLimits {
        LIMITS
    }
}

impl Shared {
    pub(crate) fn driver(&self) -> &Arc<Driver> {
        &self.driver
    }

    fn view(shared: &Arc<Self>) -> KvResult<View> {
        // Under the lock, so that the snapshot has every row of a keyspace that the catalog has.
        let catalog = shared.catalog.read().unwrap_or_else(PoisonError::into_inner);
        let snapshot = shared.db.snapshot();
        let snapshot = snapshot.map_err(|error| convert(KvOperation::Snapshot, error))?;
        Ok(View::own(snapshot, Arc::clone(shared), Arc::clone(&catalog)))
    }

    fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// One write after another. What the lock guards is in the database, so no panic can leave it half changed.
    fn turn(&self) -> std::sync::MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit(&self, batch: &Batch, durability: Durability) -> KvResult<Committed> {
        let operation = KvOperation::Commit;
        let _turn = self.turn();
        let catalog = self.catalog();
        check(&self.driver, &self.db, &catalog, batch.preconditions())?;
        let mut rows = WriteBatch::new();
        for operation in batch.last_operations() {
            let number = number_of(&catalog, KvOperation::Commit, operation.keyspace)?;
            let row = layout::row(number, operation.key);
            match operation.value {
                Some(value) => rows.put(row, value),
                None => rows.delete(row),
            }
        }
        if batch.is_empty() {
            self.check_owner(operation)?;
        } else {
            self.write(operation, rows)?;
        }
        self.commits.fetch_add(1, Ordering::Relaxed);
        match durability {
            Durability::Sync => self.sync(operation).map(|()| Committed::Durable),
            Durability::Buffered => Ok(Committed::NotYet),
        }
    }

    /// Asks the service whether the database was taken over. A sync finds that out by itself; what was only checked does not.
    fn check_owner(&self, operation: KvOperation) -> KvResult<()> {
        let db = Arc::clone(&self.db);
        let asked = self.driver.run(async move { db.refresh_manifest().await });
        let asked = asked.map_err(|error| late(operation, error))?;
        asked.map_err(|error| convert(operation, error))
    }

    /// Has everything that was committed put into the service's log.
    fn sync(&self, operation: KvOperation) -> KvResult<()> {
        let db = Arc::clone(&self.db);
        let flushed = self.driver.run(async move { db.flush().await });
        let flushed = flushed.map_err(|error| late(operation, error).outcome_unknown())?;
        flushed.map_err(|error| self.remember(convert_write(operation, error)))?;
        if self.syncs.fetch_add(1, Ordering::Relaxed) % LOG_OBJECTS == LOG_OBJECTS - 1 {
            self.start_table();
        }
        Ok(())
    }

    /// Has what is in the log written as a table, so that who opens the database next, or looks at it, need not read the log.
    fn start_table(&self) {
        let db = Arc::clone(&self.db);
        let options = FlushOptions {
            flush_type: FlushType::MemTable,
        };
        self.driver.start_work(async move {
            if let Err(error) = db.flush_with_options(options).await {
                tracing::debug!(%error, "no table could be written: the log grows on");
            }
        });
    }

    fn write(&self, operation: KvOperation, mut batch: WriteBatch) -> KvResult<()> {
        let number = self.batches.fetch_add(1, Ordering::AcqRel) + 1;
        batch.put(
            layout::owner_row(self.owner),
            layout::owner_value(number, self.opened),
        );
        write(&self.driver, &self.db, operation, batch).map_err(|error| self.remember(error))
    }

    /// Remembers amid which batch the database was lost: of those before it the outcome is known, and those behind it are in vain.
    fn remember(&self, error: KvError) -> KvError {
        if error.kind() == &KvErrorKind::Fenced {
            let last = self.batches.load(Ordering::Acquire);
            let _first = self
                .lost
                .compare_exchange(0, last, Ordering::AcqRel, Ordering::Acquire);
        }
        error
    }

    /// Writes rows of the catalog, durably.
    fn write_catalog(
        &self,
        operation: KvOperation,
        name: &[u8],
        fill: impl FnOnce(&mut WriteBatch),
    ) -> KvResult<()> {
        let mut batch = WriteBatch::new();
        fill(&mut batch);
        self.write(operation, batch)
            .and_then(|()| self.sync(operation))
            .map_err(|error| error.in_keyspace(name))
    }

    fn create_keyspace(&self, name: &[u8]) -> KvResult<bool> {
        let operation = KvOperation::CreateKeyspace;
        let _turn = self.turn();
        let mut catalog = Catalog::clone(&self.catalog());
        if catalog.contains_key(name) {
            return Ok(false);
        }
        let number = self.next_number(operation)?;
        self.write_catalog(operation, name, |batch| {
            batch.put(layout::name_row(name), number.to_be_bytes());
            batch.put(layout::NEXT, (number + 1).to_be_bytes());
        })?;
        catalog.insert(name.to_vec(), number);
        self.replace_catalog(catalog);
        Ok(true)
    }

    fn drop_keyspace(&self, name: &[u8]) -> KvResult<bool> {
        let operation = KvOperation::DropKeyspace;
        let _turn = self.turn();
        let mut catalog = Catalog::clone(&self.catalog());
        let Some(number) = catalog.remove(name) else {
            return Ok(false);
        };
        self.write_catalog(operation, name, |batch| {
            batch.delete(layout::name_row(name));
            batch.put(layout::dropped_row(number), []);
        })?;
        self.replace_catalog(catalog);
        // The keyspace is gone; its rows are swept now, or when the database is opened next.
        if let Err(error) = self.sweep(operation, number) {
            tracing::warn!(%error, "rows of a dropped keyspace stay until the database is opened again");
        }
        Ok(true)
    }

    fn replace_catalog(&self, catalog: Catalog) {
        *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalog);
    }

    fn next_number(&self, operation: KvOperation) -> KvResult<u64> {
        let db = Arc::clone(&self.db);
        let found = self.driver.run(async move { db.get(layout::NEXT).await });
        let found = found.map_err(|error| late(operation, error))?;
        let Some(bytes) = found.map_err(|error| convert(operation, error))? else {
            return Ok(0);
        };
        layout::number(&bytes).ok_or_else(|| {
            KvError::new(KvErrorKind::Corrupt, operation)
                .caused_by("the next keyspace's number is not 8 bytes")
        })
    }

    /// Sweeps what keyspaces have left that were dropped before.
    fn sweep_dropped(&self, operation: KvOperation) -> KvResult<()> {
        let _turn = self.turn();
        let db = Arc::clone(&self.db);
        let dropped = self.driver.run(async move {
            let mut rows = db.scan(layout::all_of(layout::DROPPED)).await?;
            let mut numbers = Vec::new();
            while let Some(row) = rows.next().await? {
                numbers.extend(layout::number(row.key.get(1..).unwrap_or_default()));
            }
            Ok(numbers)
        });
        let dropped = dropped.map_err(|error| late(operation, error))?;
        for number in dropped.map_err(|error| convert(operation, error))? {
            self.sweep(operation, number)?;
        }
        Ok(())
    }

    /// Forgets owners of long ago, who have found out by now what became of their last batch.
    fn sweep_owners(&self, operation: KvOperation) -> KvResult<()> {
        let _turn = self.turn();
        let (db, since) = (Arc::clone(&self.db), self.opened.saturating_sub(OWNER_MILLIS));
        let swept = self.driver.run(async move {
            let mut rows = db.scan(layout::all_of(layout::OWNERS)).await?;
            let mut batch = WriteBatch::new();
            let mut is_empty = true;
            while let Some(row) = rows.next().await? {
                if layout::of_owner(&row.value).is_none_or(|(_, opened)| opened < since) {
                    batch.delete(row.key);
                    is_empty = false;
                }
            }
            if !is_empty {
                db.write(batch).await?;
            }
            Ok(())
        });
        let swept = swept.map_err(|error| late(operation, error))?;
        swept.map_err(|error| convert_write(operation, error))
    }

    /// Takes away the rows of a dropped keyspace, and then that it was dropped.
    fn sweep(&self, operation: KvOperation, number: u64) -> KvResult<()> {
        let Some(bounds) = layout::bounds(number, KeyRange::all()) else {
            return Ok(());
        };
        loop {
            let (db, bounds) = (Arc::clone(&self.db), bounds.clone());
            let swept = self.driver.run(async move {
                let mut rows = db.scan(bounds).await?;
                let mut batch = WriteBatch::new();
                let mut count = 0;
                while count < SWEEP_ROWS
                    && let Some(row) = rows.next().await?
                {
                    batch.delete(row.key);
                    count += 1;
                }
                if count < SWEEP_ROWS {
                    batch.delete(layout::dropped_row(number));
                }
                db.write(batch).await?;
                Ok(count)
            });
            let swept = swept.map_err(|error| late(operation, error))?;
            if swept.map_err(|error| convert_write(operation, error))? < SWEEP_ROWS {
                return Ok(());
            }
        }
    }

    fn stored_bytes(&self) -> KvResult<u64> {
        let operation = KvOperation::Stats;
        let (objects, path) = (Arc::clone(&self.objects), self.path.clone());
        let counted = self.driver.run(async move {
            let listing = objects.list(Some(&path));
            let sizes = listing.try_fold(0_u64, |sum, object| async move { Ok(sum + object.size) });
            sizes.await
        });
        let counted = counted.map_err(|error| late(operation, error))?;
        counted.map_err(|error| KvError::new(KvErrorKind::Unreachable, operation).caused_by(error))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let db = Arc::clone(&self.db);
        // What was only buffered is put into the log, as when a process ends in good order; tables are written when there is
        // something to gain.
        let closing = CloseOptions {
            flush_type: Some(FlushType::Wal),
        };
        let closed = self.driver.run_within(self.options.close_deadline, async move {
            db.close_with_options(closing).await
        });
        if closed.is_err() {
            tracing::warn!(path = %self.path, "the database did not close in time: what is durable stays so");
        }
    }
}

/// Draws the name of an owner: no two stores have the same seed, and no two openings of a store the same number.
fn owner(options: &SlateOptions, opening: u64) -> u64 {
    let seed = options.requests.seed;
    fastrand::Rng::with_seed(seed ^ opening.wrapping_mul(0x9E37_79B9_7F4A_7C15)).u64(..)
}
