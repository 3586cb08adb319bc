//! One state of the store, for reading.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use fjall::{Keyspace, Readable, Snapshot};
use layerstore_kv::{
    Direction, KeyRange, KvError, KvErrorKind, KvItem, KvIter, KvOperation, KvRead, KvResult, KvSnapshot,
};

use crate::convert::convert;
use crate::store::{LIMITS, Shared};

/// The open keyspaces by name.
pub(crate) type Keyspaces = BTreeMap<Vec<u8>, Keyspace>;

/// A state of all keyspaces. Holds on to handles of keyspaces that are dropped meanwhile: fjall removes their files
/// when the last handle goes.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) snapshot: Snapshot,
    pub(crate) keyspaces: Arc<Keyspaces>,
}

impl View {
    pub(crate) fn get(
        &self,
        operation: KvOperation,
        keyspace: &[u8],
        key: &[u8],
    ) -> KvResult<Option<Vec<u8>>> {
        LIMITS.check_key(operation, keyspace, key)?;
        let handle = find(&self.keyspaces, operation, keyspace)?;
        let value = self
            .snapshot
            .get(handle, key)
            .map_err(|error| convert(operation, error).in_keyspace(keyspace))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(
        self,
        shared: Arc<Shared>,
        keyspace: &[u8],
        range: KeyRange,
        direction: Direction,
    ) -> KvResult<KvIter> {
        let handle = find(&self.keyspaces, KvOperation::Scan, keyspace)?;
        if range.is_inverted() {
            return Ok(Box::new(std::iter::empty()));
        }
        let bounds: (Bound<Vec<u8>>, Bound<Vec<u8>>) = (range.start, range.end);
        let rows = self.snapshot.range::<Vec<u8>, _>(handle, bounds);
        let scan = Scan {
            rows: Some(rows),
            direction,
            keyspace: keyspace.to_vec(),
            _shared: shared,
        };
        Ok(Box::new(scan))
    }

    fn names(&self) -> Vec<Vec<u8>> {
        self.keyspaces.keys().cloned().collect()
    }
}

/// Finds a keyspace's handle.
pub(crate) fn find<'a>(
    keyspaces: &'a Keyspaces,
    operation: KvOperation,
    name: &[u8],
) -> KvResult<&'a Keyspace> {
    keyspaces
        .get(name)
        .ok_or_else(|| KvError::new(KvErrorKind::UnknownKeyspace, operation).in_keyspace(name))
}

/// A view that keeps the store open.
pub(crate) struct HeldView {
    pub(crate) view: View,
    pub(crate) shared: Arc<Shared>,
}

impl KvRead for HeldView {
    fn get(&self, keyspace: &[u8], key: &[u8]) -> KvResult<Option<Vec<u8>>> {
        self.view.get(KvOperation::Get, keyspace, key)
    }

    fn scan(&self, keyspace: &[u8], range: KeyRange, direction: Direction) -> KvResult<KvIter> {
        self.view
            .clone()
            .scan(Arc::clone(&self.shared), keyspace, range, direction)
    }

    fn keyspaces(&self) -> KvResult<Vec<Vec<u8>>> {
        Ok(self.view.names())
    }
}

impl KvSnapshot for HeldView {}

/// A scan under way; over after its first error.
struct Scan {
    /// Declared before the store that it reads from, so dropped before it.
    rows: Option<fjall::Iter>,
    direction: Direction,
    keyspace: Vec<u8>,
    _shared: Arc<Shared>,
}

impl Iterator for Scan {
    type Item = KvResult<KvItem>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.rows.as_mut()?;
        let row = match self.direction {
            Direction::Forward => rows.next(),
            Direction::Backward => rows.next_back(),
        };
        let Some(row) = row else {
            self.rows = None;
            return None;
        };
        match row.into_inner() {
            Ok((key, value)) => Some(Ok((key.to_vec(), value.to_vec()))),
            Err(error) => {
                self.rows = None;
                Some(Err(convert(KvOperation::Scan, error).in_keyspace(&self.keyspace)))
            }
        }
    }
}
