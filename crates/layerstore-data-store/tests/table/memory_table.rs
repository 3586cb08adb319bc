//! A table in memory with transactions: readers see what was committed, and a map has one transaction at a time.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use layerstore_data_store::{
    ErrorKind, Held, KeyRange, Limits, ListMaps, RecordTable, TableFault, WriterColumns,
};
use layerstore_record::{Key, MapName, Millis, Record, Version};
use tokio::sync::OwnedMutexGuard;

/// Where something is asked of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Load,
    Scan,
    Begin,
    Put,
    Commit,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It fails, and nothing is done.
    Fails,
    /// It is done, and the answer is lost.
    IsNotHeard,
    /// It never ends.
    Hangs,
}

/// What the driver of this database fails with; like those of others, it shows what it should not.
#[derive(Debug)]
pub(crate) struct DriverError {
    pub(crate) _detail: &'static str,
}

/// Opens the table of one database, which several stores may share as processes do.
#[derive(Clone)]
pub(crate) struct MemoryTable<const HOLDS_NUL: bool = true> {
    database: Arc<Database>,
    limits: Limits,
    /// Sorts as a language does, and not by bytes.
    pub(crate) ignores_case: bool,
}

#[derive(Default)]
struct Database {
    /// What was committed.
    maps: Mutex<BTreeMap<MapName, Contents>>,
    /// Held by the transaction under way.
    writer: Arc<tokio::sync::Mutex<()>>,
    trouble: Mutex<Option<(Step, Trouble)>>,
    transactions: Mutex<usize>,
}

#[derive(Default)]
struct Contents {
    records: BTreeMap<Key, Record>,
    writer: WriterColumns,
}

/// What a transaction will have done once it is committed.
enum Change {
    Put(Key, Record),
    Delete(Version, Option<Millis>),
}

pub(crate) struct MemoryTransaction {
    map: MapName,
    changes: Vec<Change>,
    _writer: OwnedMutexGuard<()>,
}

impl<const HOLDS_NUL: bool> MemoryTable<HOLDS_NUL> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            database: Arc::default(),
            limits,
            ignores_case: false,
        }
    }

    /// From now on this goes wrong.
    pub(crate) fn is_troubled(&self, step: Step, trouble: Trouble) {
        *self.database.trouble.lock().unwrap() = Some((step, trouble));
    }

    pub(crate) fn is_well(&self) {
        *self.database.trouble.lock().unwrap() = None;
    }

    /// How many transactions were begun.
    pub(crate) fn transactions(&self) -> usize {
        *self.database.transactions.lock().unwrap()
    }

    /// Takes a map's writer as another process with a transaction under way would.
    pub(crate) async fn hold_writer(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.database.writer).lock_owned().await
    }
}

impl Database {
    fn maps(&self) -> MutexGuard<'_, BTreeMap<MapName, Contents>> {
        self.maps.lock().unwrap()
    }

    /// Does a step, unless there is trouble.
    async fn step<R>(&self, step: Step, work: impl FnOnce(&Self) -> R + Send) -> Result<R, DriverError> {
        let error = DriverError {
            _detail: "Key (id)=(hunter2) is in the way",
        };
        let trouble = *self.trouble.lock().unwrap();
        match trouble.filter(|(troubled, _)| *troubled == step) {
            None => Ok(work(self)),
            Some((_, Trouble::Fails)) => Err(error),
            Some((_, Trouble::IsNotHeard)) => {
                work(self);
                Err(error)
            }
            Some((_, Trouble::Hangs)) => std::future::pending().await,
        }
    }

    async fn load(&self, map: &MapName, keys: &[Key]) -> Result<Vec<(Key, Record)>, DriverError> {
        let work = |database: &Self| {
            let maps = database.maps();
            let Some(contents) = maps.get(map) else {
                return Vec::new();
            };
            let held = keys
                .iter()
                .rev()
                .filter_map(|key| contents.records.get_key_value(key));
            held.map(|(key, record)| (key.clone(), copy(record))).collect()
        };
        self.step(Step::Load, work).await
    }
}

#[async_trait]
impl<const HOLDS_NUL: bool> RecordTable for MemoryTable<HOLDS_NUL> {
    const NAME: &'static str = "table in memory";
    const HOLDS_NUL: bool = HOLDS_NUL;

    type Columns = Record;
    type Error = DriverError;
    type Transaction = MemoryTransaction;

    fn limits(&self) -> Limits {
        self.limits
    }

    fn columns(&self, _key: &Key, record: &Record) -> Result<Record, TableFault> {
        if record.value().heap_bytes() > self.limits.record_bytes {
            let what = "the record is larger than its column";
            return Err(TableFault::new(ErrorKind::TooLarge, what));
        }
        Ok(copy(record))
    }

    fn fault(&self, _error: &DriverError) -> TableFault {
        TableFault::new(ErrorKind::Unavailable, "the database cannot do this now")
    }

    async fn load(
        &self,
        _transaction: Option<&mut MemoryTransaction>,
        map: &MapName,
        keys: &[Key],
    ) -> Result<Vec<(Key, Record)>, DriverError> {
        // A transaction is asked once, before it has put anything.
        self.database.load(map, keys).await
    }

    async fn scan(&self, map: &MapName, range: KeyRange<'_>) -> Result<Vec<(Key, Record)>, DriverError> {
        let first = Key::new(range.first).map_or(Bound::Unbounded, Bound::Included);
        let last = range.last.map(|last| Key::new(last).unwrap());
        let limit = usize::try_from(range.limit).unwrap();
        let work = |database: &Database| {
            let maps = database.maps();
            let Some(contents) = maps.get(map) else {
                return Vec::new();
            };
            let within = contents
                .records
                .range((first, last.map_or(Bound::Unbounded, Bound::Included)));
            let found = within
                .take(limit)
                .map(|(key, record)| (key.clone(), copy(record)));
            found.collect()
        };
        let mut found = self.database.step(Step::Scan, work).await?;
        if self.ignores_case {
            found.sort_by_key(|(key, _)| key.as_str().to_lowercase());
        }
        Ok(found)
    }

    async fn begin(&self, map: &MapName) -> Result<(MemoryTransaction, WriterColumns), DriverError> {
        let writer = Arc::clone(&self.database.writer).lock_owned().await;
        let work = |database: &Database| {
            *database.transactions.lock().unwrap() += 1;
            database.maps().get(map).map(|contents| contents.writer)
        };
        let columns = self.database.step(Step::Begin, work).await?;
        let transaction = MemoryTransaction {
            map: map.clone(),
            changes: Vec::new(),
            _writer: writer,
        };
        Ok((transaction, columns.unwrap_or_default()))
    }

    async fn put(
        &self,
        transaction: &mut MemoryTransaction,
        key: &Key,
        record: Record,
    ) -> Result<(), DriverError> {
        let put = Change::Put(key.clone(), record);
        let work = |_: &Database| transaction.changes.push(put);
        self.database.step(Step::Put, work).await
    }

    async fn delete(
        &self,
        transaction: &mut MemoryTransaction,
        up_to: [u8; 16],
        ended_at: Option<i64>,
    ) -> Result<u64, DriverError> {
        let up_to = Version::from_bytes(up_to);
        let ended_at = ended_at.map(|at| Millis(u64::try_from(at).unwrap()));
        transaction.changes.push(Change::Delete(up_to, ended_at));
        // Nobody else changes the map before this transaction has ended.
        let maps = self.database.maps();
        let over = maps.get(&transaction.map).map(|contents| {
            let records = contents.records.values();
            records.filter(|record| is_over(record, up_to, ended_at)).count()
        });
        Ok(u64::try_from(over.unwrap_or_default()).unwrap())
    }

    async fn commit(&self, transaction: MemoryTransaction, writer: WriterColumns) -> Result<(), DriverError> {
        let MemoryTransaction {
            map,
            changes,
            _writer,
        } = transaction;
        let work = |database: &Database| {
            let mut maps = database.maps();
            let contents = maps.entry(map).or_default();
            contents.writer = writer;
            for change in changes {
                match change {
                    Change::Put(key, record) => drop(contents.records.insert(key, record)),
                    Change::Delete(up_to, ended_at) => {
                        contents
                            .records
                            .retain(|_, record| !is_over(record, up_to, ended_at));
                    }
                }
            }
        };
        self.database.step(Step::Commit, work).await
    }
}

#[async_trait]
impl<const HOLDS_NUL: bool> ListMaps for MemoryTable<HOLDS_NUL> {
    async fn list_maps(&self) -> Result<Vec<String>, DriverError> {
        let unused = WriterColumns::default();
        let maps = self.database.maps();
        let used = maps.iter().filter(|(_, contents)| {
            let WriterColumns { cleared, purged, .. } = contents.writer;
            !contents.records.is_empty() || (cleared, purged) != (unused.cleared, unused.purged)
        });
        Ok(used.map(|(map, _)| map.as_str().to_owned()).rev().collect())
    }
}

fn is_over(record: &Record, up_to: Version, ended_at: Option<Millis>) -> bool {
    record.version() <= up_to && ended_at.is_none_or(|now| !Held::of(record, now).is_live)
}

/// Copies what a disk would hold.
fn copy(record: &Record) -> Record {
    let copy = record.successor(record.value().clone(), record.version());
    copy.updated(record.updated()).expiry(record.expiry()).build()
}
