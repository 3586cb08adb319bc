//! The contract in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::{
    Batch, Committed, Direction, Durability, KeyRange, KvBackend, KvError, KvErrorKind, KvItem, KvIter,
    KvLimits, KvOperation, KvRead, KvResult, KvSnapshot, KvStats, MAX_KEYSPACE_NAME_LEN,
};

type Rows = BTreeMap<Arc<[u8]>, Arc<[u8]>>;
type Keyspaces = BTreeMap<Vec<u8>, Arc<Rows>>;

/// How many rows a scan takes at a time.
const SCAN_CHUNK: usize = 128;

/// Keys and values in ordered maps: for tests, and for data that may be lost with the process.
///
/// "Durable" here means: as durable as memory is. Snapshots and scans cost nothing to make; the first write to a
/// keyspace while one is alive copies that keyspace's index (not its keys and values).
///
/// ```
/// use layerstore_kv::{KvBackend, KvRead, MemoryKv};
/// let kv = MemoryKv::new();
/// assert!(kv.create_keyspace(b"a")?);
/// assert_eq!(kv.keyspaces()?, vec![b"a".to_vec()]);
/// # Ok::<(), layerstore_kv::KvError>(())
/// ```
#[derive(Debug, Default)]
pub struct MemoryKv {
    /// One lock over everything: a batch spans keyspaces, and readers hold it only to clone an `Arc` or read a row.
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    keyspaces: Keyspaces,
    bytes: u64,
    commits: u64,
    syncs: u64,
}

/// Counts, never contents.
impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("keyspaces", &self.keyspaces.len())
            .field("bytes", &self.bytes)
            .finish()
    }
}

impl MemoryKv {
    /// What it holds: keys and values of up to 4 GiB less one byte, as other backends could.
    pub const LIMITS: KvLimits = KvLimits {
        max_key_len: u16::MAX as usize,
        max_value_len: u32::MAX as usize,
        max_name_len: MAX_KEYSPACE_NAME_LEN,
    };

    /// Makes an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A panic while the lock is held cannot leave half a batch: the state is checked before, and the maps' own
    /// operations do not panic. So a poisoned lock is taken over.
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KvRead for MemoryKv {
    fn get(&self, keyspace: &[u8], key: &[u8]) -> KvResult<Option<Vec<u8>>> {
        get(&self.read().keyspaces, keyspace, key)
    }

    fn scan(&self, keyspace: &[u8], range: KeyRange, direction: Direction) -> KvResult<KvIter> {
        scan(&self.read().keyspaces, keyspace, range, direction)
    }

    fn keyspaces(&self) -> KvResult<Vec<Vec<u8>>> {
        Ok(self.read().keyspaces.keys().cloned().collect())
    }
}

impl KvBackend for MemoryKv {
    fn create_keyspace(&self, name: &[u8]) -> KvResult<bool> {
        Self::LIMITS.check_name(KvOperation::CreateKeyspace, name)?;
        let mut state = self.write();
        if state.keyspaces.contains_key(name) {
            return Ok(false);
        }
        state.keyspaces.insert(name.to_vec(), Arc::default());
        Ok(true)
    }

    fn drop_keyspace(&self, name: &[u8]) -> KvResult<bool> {
        Self::LIMITS.check_name(KvOperation::DropKeyspace, name)?;
        let mut state = self.write();
        let Some(rows) = state.keyspaces.remove(name) else {
            return Ok(false);
        };
        state.bytes -= rows.iter().map(|(key, value)| size(key, value)).sum::<u64>();
        Ok(true)
    }

    fn snapshot(&self) -> KvResult<Box<dyn KvSnapshot>> {
        Ok(Box::new(MemorySnapshot {
            keyspaces: self.read().keyspaces.clone(),
        }))
    }

    fn commit(&self, batch: &Batch, durability: Durability) -> KvResult<Committed> {
        Self::LIMITS.check_batch(batch)?;
        let mut state = self.write();
        check_preconditions(&state.keyspaces, batch)?;
        for operation in batch.operations() {
            rows(&state.keyspaces, KvOperation::Commit, operation.keyspace)?;
        }
        for operation in batch.last_operations() {
            state.apply(operation.keyspace, operation.key, operation.value);
        }
        state.commits += 1;
        match durability {
            Durability::Sync => {
                state.syncs += 1;
                Ok(Committed::Durable)
            }
            Durability::Buffered => Ok(Committed::NotYet),
        }
    }

    fn persist(&self) -> KvResult<()> {
        self.write().syncs += 1;
        Ok(())
    }

    fn stats(&self) -> KvResult<KvStats> {
        let state = self.read();
        Ok(KvStats {
            keyspaces: state.keyspaces.len() as u64,
            bytes: state.bytes,
            commits: state.commits,
            syncs: state.syncs,
        })
    }

    fn limits(&self) -> KvLimits {
        Self::LIMITS
    }
}

impl State {
    fn apply(&mut self, keyspace: &[u8], key: &[u8], value: Option<&[u8]>) {
        let Some(rows) = self.keyspaces.get_mut(keyspace) else {
            return;
        };
        let rows = Arc::make_mut(rows);
        let before = match value {
            Some(value) => {
                self.bytes += size(key, value);
                rows.insert(key.into(), value.into())
            }
            None => rows.remove(key),
        };
        if let Some(before) = before {
            self.bytes -= size(key, &before);
        }
    }
}

struct MemorySnapshot {
    keyspaces: Keyspaces,
}

impl KvRead for MemorySnapshot {
    fn get(&self, keyspace: &[u8], key: &[u8]) -> KvResult<Option<Vec<u8>>> {
        get(&self.keyspaces, keyspace, key)
    }

    fn scan(&self, keyspace: &[u8], range: KeyRange, direction: Direction) -> KvResult<KvIter> {
        scan(&self.keyspaces, keyspace, range, direction)
    }

    fn keyspaces(&self) -> KvResult<Vec<Vec<u8>>> {
        Ok(self.keyspaces.keys().cloned().collect())
    }
}

impl KvSnapshot for MemorySnapshot {}

/// A scan that owns its state: it takes rows by the chunk, because an iterator cannot own the map it walks.
struct MemoryScan {
    rows: Arc<Rows>,
    range: KeyRange,
    direction: Direction,
    chunk: std::vec::IntoIter<KvItem>,
    done: bool,
}

impl MemoryScan {
    fn refill(&mut self) {
        if self.range.is_inverted() {
            self.done = true;
            return;
        }
        let bounds = (
            self.range.start.as_ref().map(Vec::as_slice),
            self.range.end.as_ref().map(Vec::as_slice),
        );
        let found = self.rows.range::<[u8], _>(bounds);
        let copy = |(key, value): (&Arc<[u8]>, &Arc<[u8]>)| (key.to_vec(), value.to_vec());
        let chunk: Vec<KvItem> = match self.direction {
            Direction::Forward => found.take(SCAN_CHUNK).map(copy).collect(),
            Direction::Backward => found.rev().take(SCAN_CHUNK).map(copy).collect(),
        };
        self.done = chunk.len() < SCAN_CHUNK;
        if let Some((last, _)) = chunk.last() {
            let rest = std::mem::replace(&mut self.range, KeyRange::all());
            self.range = match self.direction {
                Direction::Forward => rest.after(last),
                Direction::Backward => rest.before(last),
            };
        }
        self.chunk = chunk.into_iter();
    }
}

impl Iterator for MemoryScan {
    type Item = KvResult<KvItem>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.chunk.len() == 0 && !self.done {
            self.refill();
        }
        self.chunk.next().map(Ok)
    }
}

fn get(keyspaces: &Keyspaces, keyspace: &[u8], key: &[u8]) -> KvResult<Option<Vec<u8>>> {
    MemoryKv::LIMITS.check_key(KvOperation::Get, keyspace, key)?;
    Ok(rows(keyspaces, KvOperation::Get, keyspace)?
        .get(key)
        .map(|value| value.to_vec()))
}

fn scan(keyspaces: &Keyspaces, keyspace: &[u8], range: KeyRange, direction: Direction) -> KvResult<KvIter> {
    let rows = Arc::clone(rows(keyspaces, KvOperation::Scan, keyspace)?);
    Ok(Box::new(MemoryScan {
        rows,
        range,
        direction,
        chunk: Vec::new().into_iter(),
        done: false,
    }))
}

fn rows<'a>(keyspaces: &'a Keyspaces, operation: KvOperation, keyspace: &[u8]) -> KvResult<&'a Arc<Rows>> {
    keyspaces
        .get(keyspace)
        .ok_or_else(|| KvError::new(KvErrorKind::UnknownKeyspace, operation).in_keyspace(keyspace))
}

fn check_preconditions(keyspaces: &Keyspaces, batch: &Batch) -> KvResult<()> {
    for (index, required) in batch.preconditions().enumerate() {
        let rows = rows(keyspaces, KvOperation::Commit, required.keyspace)?;
        if rows.get(required.key).map(|value| &**value) != required.expected {
            let kind = KvErrorKind::PreconditionFailed { index };
            return Err(KvError::new(kind, KvOperation::Commit).in_keyspace(required.keyspace));
        }
    }
    Ok(())
}

fn size(key: &[u8], value: &[u8]) -> u64 {
    (key.len() + value.len()) as u64
}
