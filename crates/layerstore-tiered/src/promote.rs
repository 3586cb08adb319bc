//! Bringing records back to hot, and remembering which came.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;
use layerstore_data_store::{StoreError, Write, WriteResult};
use layerstore_record::{Key, MapName, Millis, Record};

use crate::form::hidden;
use crate::options::Promotion;
use crate::read::Found;
use crate::store::TieredDataStore;

/// Which keys came back lately, and when; as 64-bit hashes, since one that is taken for another merely stays in hot longer.
///
/// Bounded by two generations: when the younger is full, the older is forgotten.
pub(crate) struct Returned {
    hasher: RandomState,
    each: usize,
    generations: Mutex<[HashMap<u64, Millis>; 2]>,
}

impl Returned {
    pub(crate) fn new(keys: usize) -> Self {
        Self {
            hasher: RandomState::default(),
            each: keys.div_ceil(2).max(1),
            generations: Mutex::default(),
        }
    }

    pub(crate) fn note(&self, map: &MapName, key: &Key, at: Millis) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let [younger, older] = &mut *generations;
        if younger.len() >= self.each {
            *older = std::mem::take(younger);
        }
        younger.insert(self.hasher.hash_one((map, key)), at);
    }

    pub(crate) fn when(&self, map: &MapName, key: &Key) -> Option<Millis> {
        let hash = self.hasher.hash_one((map, key));
        let generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations
            .iter()
            .find_map(|generation| generation.get(&hash).copied())
    }
}

impl TieredDataStore {
    /// Brings archived records back to hot; returns how many came. What is not archived is left alone.
    ///
    /// # Errors
    /// A [`StoreError`] when one could not be read or brought back; others of the same call may have come.
    pub async fn promote(&self, map: &MapName, keys: &[Key]) -> Result<usize, StoreError> {
        let operation = "promote";
        let mut archived = Vec::new();
        for (key, found) in keys.iter().zip(self.find_all(operation, map, keys).await?) {
            if let Found::Cold(record) = found {
                archived.push((key.clone(), record));
            }
        }
        let mut came = 0;
        for answer in self.bring_back(map, archived).await? {
            match answer {
                WriteResult::Applied => came += 1,
                WriteResult::Rejected(error) => return Err(error),
                // Something newer is there by now, or the record is gone: nothing is to be brought back.
                WriteResult::Stale { .. } | WriteResult::Conflict { .. } => {}
            }
        }
        Ok(came)
    }

    /// Brings back what a read has found in cold, where that is wanted. What keeps it from that does not concern the reader.
    pub(crate) async fn promote_found(&self, map: &MapName, found: &[(&Key, &Found)]) {
        if self.options.promotion != Promotion::OnRead || self.maps.get(map).is_none() {
            return;
        }
        let archived = found.iter().filter_map(|(key, found)| match found {
            Found::Cold(record) => Some(((*key).clone(), Arc::clone(record))),
            Found::Hot(_) | Found::Nothing => None,
        });
        let archived: Vec<_> = archived.collect();
        if archived.is_empty() {
            return;
        }
        let failed = match self.bring_back(map, archived).await {
            Ok(answers) => answers.into_iter().find_map(|answer| match answer {
                WriteResult::Rejected(error) => Some(error),
                _ => None,
            }),
            Err(error) => Some(error),
        };
        if let Some(error) = failed {
            tracing::debug!(%map, %error, "records that were read could not be brought back: they stay in cold");
        }
    }

    /// Restates stubs as what they stand for. The copies stay in cold: they are no waste while the version is the same.
    async fn bring_back(
        &self,
        map: &MapName,
        archived: Vec<(Key, Arc<Record>)>,
    ) -> Result<Vec<WriteResult>, StoreError> {
        let now = self.options.clock.now();
        let mut writes = Vec::with_capacity(archived.len());
        for (key, record) in archived {
            // Noted before: an archiver that sees the record whole must know that it has just come.
            self.returned.note(map, &key, now);
            let record = hidden(&record).map_or(record, Arc::new);
            writes.push(Write::new(map.clone(), key, record));
        }
        // Fenced by the version alone: a newer write that came meanwhile stays.
        self.restate("promote", writes).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_remembered_and_no_more_than_were_asked_for() {
        let returned = Returned::new(10);
        let map = MapName::new("map").unwrap();
        let key = |number: u64| Key::new(format!("{number}")).unwrap();
        for number in 0..1_000 {
            returned.note(&map, &key(number), Millis(number));
        }
        let known = (0..1_000).filter(|number| returned.when(&map, &key(*number)).is_some());
        let known: Vec<u64> = known.collect();
        assert!((5..=10).contains(&known.len()), "{known:?}");
        assert_eq!(*known.last().unwrap(), 999);
        assert_eq!(returned.when(&map, &key(999)), Some(Millis(999)));
        assert_eq!(returned.when(&MapName::new("other").unwrap(), &key(999)), None);
    }
}
