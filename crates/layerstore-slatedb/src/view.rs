//! One state of a database, for reading.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use layerstore_kv::{
    Direction, KeyRange, KvError, KvErrorKind, KvItem, KvIter, KvOperation, KvRead, KvResult, KvSnapshot,
};
use slatedb::config::ScanOptions;
use slatedb::{DbIterator, DbReadOps, DbReader, DbSnapshot, IterationOrder};

use crate::convert::{convert, late};
use crate::driver::Driver;
use crate::kv::Shared;
use crate::layout::{self, LIMITS};

/// Keyspaces by name, each with its number.
pub(crate) type Catalog = BTreeMap<Vec<u8>, u64>;

/// Rows that a scan has read ahead at most, so that a row costs no task of its own.
const AHEAD: usize = 256;

/// Bytes that a scan asks the service for at once.
const READ_AHEAD_BYTES: usize = 1 << 20;

/// A state of all keyspaces.
#[derive(Clone)]
pub(crate) struct View {
    source: Source,
    catalog: Arc<Catalog>,
    driver: Arc<Driver>,
}

/// Where a state is read from.
#[derive(Clone)]
enum Source {
    /// A snapshot of the database that is open here, which it keeps open.
    Own {
        snapshot: Arc<DbSnapshot>,
        _open: Arc<Shared>,
    },
    /// What was durable when a reader looked, whoever writes there.
    Durable(Arc<Looking>),
}

/// The same for work elsewhere: it keeps nothing open, so that nothing is closed there.
enum State {
    Own(Arc<DbSnapshot>),
    Durable(Arc<DbReader>),
}

impl Source {
    fn state(&self) -> State {
        match self {
            Self::Own { snapshot, .. } => State::Own(Arc::clone(snapshot)),
            Self::Durable(looking) => State::Durable(Arc::clone(&looking.reader)),
        }
    }
}

/// A reader, which is closed when nobody reads from it any more.
struct Looking {
    reader: Arc<DbReader>,
    driver: Arc<Driver>,
}

impl View {
    pub(crate) fn own(snapshot: Arc<DbSnapshot>, shared: Arc<Shared>, catalog: Arc<Catalog>) -> Self {
        let driver = Arc::clone(shared.driver());
        Self {
            source: Source::Own {
                snapshot,
                _open: shared,
            },
            catalog,
            driver,
        }
    }

    pub(crate) fn durable(reader: DbReader, driver: Arc<Driver>) -> KvResult<Self> {
        let reader = Arc::new(reader);
        let looking = Looking {
            reader: Arc::clone(&reader),
            driver: Arc::clone(&driver),
        };
        let source = Source::Durable(Arc::new(looking));
        let catalog = driver.run(async move { read_catalog(&*reader).await });
        let operation = KvOperation::Open;
        let catalog = catalog.map_err(|error| late(operation, error))??;
        Ok(Self {
            source,
            catalog: Arc::new(catalog),
            driver,
        })
    }

    /// Returns the number of an owner's last batch that is in this state; 0 if there is none.
    pub(crate) fn last_batch_of(&self, owner: u64) -> KvResult<u64> {
        let operation = KvOperation::Get;
        let (row, state) = (layout::owner_row(owner), self.source.state());
        let found = self.driver.run(async move {
            match state {
                State::Own(snapshot) => snapshot.get(row).await,
                State::Durable(reader) => reader.get(row).await,
            }
        });
        let found = found.map_err(|error| late(operation, error))?;
        let found = found.map_err(|error| convert(operation, error))?;
        let last = found.and_then(|value| layout::of_owner(&value));
        Ok(last.map_or(0, |(batch, _)| batch))
    }

    fn number(&self, operation: KvOperation, keyspace: &[u8]) -> KvResult<u64> {
        number_of(&self.catalog, operation, keyspace)
    }
}

/// Finds a keyspace's number.
pub(crate) fn number_of(catalog: &Catalog, operation: KvOperation, keyspace: &[u8]) -> KvResult<u64> {
    let number = catalog.get(keyspace).copied();
    number.ok_or_else(|| KvError::new(KvErrorKind::UnknownKeyspace, operation).in_keyspace(keyspace))
}

/// Reads which keyspaces there are.
pub(crate) async fn read_catalog(source: &(impl DbReadOps + Sync)) -> KvResult<Catalog> {
    let fail = |error| convert(KvOperation::Keyspaces, error);
    let mut rows = source
        .scan::<std::ops::RangeFrom<Vec<u8>>>(vec![layout::NAMES]..)
        .await
        .map_err(fail)?;
    let mut catalog = Catalog::new();
    while let Some(row) = rows.next().await.map_err(fail)? {
        let Some((&layout::NAMES, name)) = row.key.split_first() else {
            break;
        };
        let number = layout::number(&row.value).ok_or_else(|| {
            KvError::new(KvErrorKind::Corrupt, KvOperation::Keyspaces)
                .in_keyspace(name)
                .caused_by("the number of the keyspace is not 8 bytes")
        })?;
        catalog.insert(name.to_vec(), number);
    }
    Ok(catalog)
}

impl KvRead for View {
    fn get(&self, keyspace: &[u8], key: &[u8]) -> KvResult<Option<Vec<u8>>> {
        let operation = KvOperation::Get;
        LIMITS.check_key(operation, keyspace, key)?;
        let row = layout::row(self.number(operation, keyspace)?, key);
        let state = self.source.state();
        let got = self.driver.run(async move {
            match state {
                State::Own(snapshot) => snapshot.get(row).await,
                State::Durable(reader) => reader.get(row).await,
            }
        });
        let got = got.map_err(|error| late(operation, error))?;
        let value = got.map_err(|error| convert(operation, error).in_keyspace(keyspace))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(&self, keyspace: &[u8], range: KeyRange, direction: Direction) -> KvResult<KvIter> {
        let operation = KvOperation::Scan;
        let number = self.number(operation, keyspace)?;
        let Some(bounds) = layout::bounds(number, range) else {
            return Ok(Box::new(std::iter::empty()));
        };
        let options = ScanOptions {
            read_ahead_bytes: READ_AHEAD_BYTES,
            order: match direction {
                Direction::Forward => IterationOrder::Ascending,
                Direction::Backward => IterationOrder::Descending,
            },
            ..ScanOptions::default()
        };
        let state = self.source.state();
        let rows = self.driver.run(async move {
            match state {
                State::Own(snapshot) => snapshot.scan_with_options(bounds, &options).await,
                State::Durable(reader) => reader.scan_with_options(bounds, &options).await,
            }
        });
        let rows = rows.map_err(|error| late(operation, error))?;
        let rows = rows.map_err(|error| convert(operation, error).in_keyspace(keyspace))?;
        Ok(Box::new(Scan {
            rows: Some(rows),
            ahead: VecDeque::new(),
            keyspace: keyspace.to_vec(),
            view: self.clone(),
        }))
    }

    fn keyspaces(&self) -> KvResult<Vec<Vec<u8>>> {
        Ok(self.catalog.keys().cloned().collect())
    }
}

impl KvSnapshot for View {}

impl Drop for Looking {
    fn drop(&mut self) {
        let reader = Arc::clone(&self.reader);
        // Nothing is lost where it is not answered: a reader writes nothing.
        let _ = self.driver.run(async move { reader.close().await });
    }
}

/// A scan under way; over after its first error.
struct Scan {
    /// Declared before the state that it reads from, so dropped before it.
    rows: Option<DbIterator>,
    ahead: VecDeque<KvItem>,
    keyspace: Vec<u8>,
    view: View,
}

impl Scan {
    /// Reads some rows ahead, or the scan's error behind the rows before it.
    fn read_ahead(&mut self) -> KvResult<()> {
        let Some(mut rows) = self.rows.take() else {
            return Ok(());
        };
        let read = self.view.driver.run(async move {
            let mut ahead = VecDeque::with_capacity(AHEAD);
            while ahead.len() < AHEAD {
                match rows.next().await {
                    Ok(Some(row)) => ahead.push_back((layout::key_of(&row.key).to_vec(), row.value.to_vec())),
                    Ok(None) => return (ahead, Ok(None)),
                    Err(error) => return (ahead, Err(error)),
                }
            }
            (ahead, Ok(Some(rows)))
        });
        let operation = KvOperation::Scan;
        let (ahead, rest) = read.map_err(|error| late(operation, error).in_keyspace(&self.keyspace))?;
        self.ahead = ahead;
        self.rows = rest.map_err(|error| convert(operation, error).in_keyspace(&self.keyspace))?;
        Ok(())
    }
}

impl Iterator for Scan {
    type Item = KvResult<KvItem>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ahead.is_empty()
            && let Err(error) = self.read_ahead()
        {
            // What was read before the error is of no use to a caller that cannot go on: the error is the last item.
            self.ahead.clear();
            return Some(Err(error));
        }
        self.ahead.pop_front().map(Ok)
    }
}
