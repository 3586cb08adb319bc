use std::fmt;
use std::sync::Arc;

use layerstore_record::{Key, MapName};
use layerstore_record_store::{Partition, RecordStore};

use crate::error::QueryError;

/// The record stores of one map, one for each of its partitions in their order.
#[derive(Clone)]
pub struct Partitions(Arc<[Arc<dyn RecordStore>]>);

impl Partitions {
    /// Takes the record stores of a map.
    #[must_use]
    pub fn new(stores: impl IntoIterator<Item = Arc<dyn RecordStore>>) -> Self {
        Self(stores.into_iter().collect())
    }

    pub(crate) fn all(&self) -> &[Arc<dyn RecordStore>] {
        &self.0
    }

    /// Makes sure that they are of this map, of which `name` is told.
    pub(crate) fn check(&self, name: &str, own: &MapName) -> Result<(), QueryError> {
        let other = self.0.iter().map(|store| store.map()).find(|map| *map != own);
        other.map_or(Ok(()), |other| {
            Err(QueryError::OtherMap {
                name: name.to_owned(),
                own: own.clone(),
                other: other.clone(),
            })
        })
    }

    /// Returns the place of the record store of a key.
    pub(crate) fn index_of(&self, key: &Key) -> usize {
        let count = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        usize::try_from(Partition::index_of(key, count)).unwrap_or_default()
    }

    /// Returns the record store of a key; `None` where there are no stores at all.
    pub(crate) fn of(&self, key: &Key) -> Option<&Arc<dyn RecordStore>> {
        self.0.get(self.index_of(key))
    }
}

impl From<Arc<dyn RecordStore>> for Partitions {
    fn from(whole: Arc<dyn RecordStore>) -> Self {
        Self::new([whole])
    }
}

impl fmt::Debug for Partitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partitions")
            .field("count", &self.0.len())
            .finish()
    }
}
