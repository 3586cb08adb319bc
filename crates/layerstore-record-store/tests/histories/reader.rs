//! Reads and touches keys that others write.

use std::collections::HashMap;
use std::sync::Arc;

use fastrand::Rng;
use layerstore_record::{Record, Version};
use layerstore_record_store::{RecordStore, TryGet};
use layerstore_testkit::records::key;

use crate::owner::expected;
use crate::owners::Calls;
use crate::stage::Stage;

/// One reader, with the newest version of each key that it has seen.
pub(crate) struct Reader {
    stage: Arc<Stage>,
    rng: Rng,
    keys: u64,
    seen: HashMap<u64, Version>,
}

impl Reader {
    pub(crate) fn new(stage: &Arc<Stage>, rng: Rng, keys: u64) -> Self {
        Self {
            stage: Arc::clone(stage),
            rng,
            keys,
            seen: HashMap::new(),
        }
    }

    pub(crate) async fn run(mut self, calls: Arc<Calls>) -> Self {
        while calls.take(1) {
            // Low keys are read most: they stay in memory, are promoted, and collect hits.
            let index = self.rng.u64(..self.keys).min(self.rng.u64(..self.keys));
            self.read(index).await;
            if self.rng.u8(..32) == 0 {
                tokio::task::yield_now().await;
            }
        }
        self
    }

    async fn read(&mut self, index: u64) {
        let (store, key) = (&self.stage.store, key(index));
        let found = match self.rng.u8(..8) {
            0..=3 => store.get(&key).await,
            4 => Ok(store.try_get(&key).hit()),
            5 | 6 => {
                let mut found = None;
                match store.read(&key, &mut |record| found = Some(Arc::clone(record))) {
                    TryGet::NeedsLoad => store.get(&key).await,
                    TryGet::Hit(()) | TryGet::Absent => Ok(found),
                }
            }
            _ => {
                let other = layerstore_testkit::records::key((index + 1) % self.keys);
                store
                    .get_all(&[other, key])
                    .await
                    .map(|mut found| found.pop().flatten())
            }
        };
        match found {
            Ok(found) => self.note(index, found),
            Err(error) => expected(&error),
        }
    }

    fn note(&mut self, index: u64, found: Option<Arc<Record>>) {
        let Some(record) = found else {
            return;
        };
        let newest = self.seen.entry(index).or_default();
        let version = record.version();
        assert!(
            version >= *newest,
            "key {index} went back from {newest} to {version}"
        );
        *newest = version;
    }
}
