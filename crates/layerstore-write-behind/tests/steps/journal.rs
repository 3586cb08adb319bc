//! A store behind that survives the process: in memory, with every change in a file, which the next process makes again.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use layerstore_data_store::{
    CloseReport, FlushError, InMemoryDataStore, Limits, MapClaim, MapDataStore, RestateRecords, ScanPage,
    ScanRequest, StoreError, TryApply, Write, WriteResult,
};
use layerstore_record::{Key, MapName, Record, Version};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::records::version;

use crate::ledger::{KEYS, key, map, write};

pub(crate) struct JournaledDataStore {
    inner: InMemoryDataStore,
    /// Written to in the order in which changes are made of each key.
    journal: Mutex<File>,
}

impl JournaledDataStore {
    pub(crate) async fn open(path: &Path) -> Self {
        let inner = InMemoryDataStore::new(ManualClock::new().shared());
        for line in std::fs::read_to_string(path).unwrap_or_default().lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let number = |at: usize| words[at].parse::<u64>().unwrap();
            match words[0] {
                "claim" => drop(inner.claim(&map()).await.unwrap()),
                "clear" => inner.clear(&map(), version(number(1))).await.unwrap(),
                "purge" => drop(inner.purge(&map(), version(number(1))).await.unwrap()),
                verb => {
                    let write = write(number(2), number(1), verb == "remove");
                    assert!(inner.apply(vec![write]).await[0].is_applied(), "{line}");
                }
            }
        }
        let journal = OpenOptions::new().create(true).append(true).open(path).unwrap();
        Self {
            inner,
            journal: Mutex::new(journal),
        }
    }

    fn note(&self, line: &str) {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        journal.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

/// Finds a key whose versions did not rise.
pub(crate) fn check_order(path: &Path) -> Result<(), String> {
    let mut newest: BTreeMap<String, u64> = BTreeMap::new();
    for line in std::fs::read_to_string(path).unwrap_or_default().lines() {
        let words: Vec<&str> = line.split(' ').collect();
        if let ["put" | "remove", at, key] = words[..] {
            let at = at.parse().unwrap();
            let before = newest.insert(key.to_owned(), at).unwrap_or(0);
            if before > at {
                return Err(format!("key {key} was given {at} after {before}"));
            }
        }
    }
    Ok(())
}

#[async_trait]
impl MapDataStore for JournaledDataStore {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    async fn claim(&self, map: &MapName) -> Result<MapClaim, StoreError> {
        let claim = self.inner.claim(map).await?;
        self.note("claim");
        Ok(claim)
    }

    async fn apply(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        let asked = writes.clone();
        let answers = self.inner.apply(writes).await;
        for (write, answer) in asked.iter().zip(&answers) {
            if answer.is_applied() {
                let number = (0..KEYS).find(|number| key(*number) == write.key).unwrap();
                let verb = if write.record.is_tombstone() {
                    "remove"
                } else {
                    "put"
                };
                self.note(&format!("{verb} {} {number}", write.version().millis().0));
            }
        }
        answers
    }

    fn try_apply(&self, writes: Vec<Write>) -> TryApply {
        TryApply::NeedsIo(writes)
    }

    fn restating(&self) -> Option<&dyn RestateRecords> {
        None
    }

    async fn load(&self, map: &MapName, key: &Key) -> Result<Option<Record>, StoreError> {
        self.inner.load(map, key).await
    }

    async fn load_all(&self, map: &MapName, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.inner.load_all(map, keys).await
    }

    async fn scan_page(&self, map: &MapName, request: ScanRequest) -> Result<ScanPage, StoreError> {
        self.inner.scan_page(map, request).await
    }

    async fn list_maps(&self) -> Result<Vec<MapName>, StoreError> {
        self.inner.list_maps().await
    }

    async fn clear(&self, map: &MapName, up_to: Version) -> Result<(), StoreError> {
        self.inner.clear(map, up_to).await?;
        self.note(&format!("clear {}", up_to.millis().0));
        Ok(())
    }

    async fn purge(&self, map: &MapName, horizon: Version) -> Result<u64, StoreError> {
        let dropped = self.inner.purge(map, horizon).await?;
        self.note(&format!("purge {}", horizon.millis().0));
        Ok(dropped)
    }

    async fn hard_flush(&self) -> Result<(), FlushError> {
        self.inner.hard_flush().await
    }

    async fn flush_key(&self, map: &MapName, key: &Key) -> Result<(), FlushError> {
        self.inner.flush_key(map, key).await
    }

    async fn close(&self, deadline: Duration) -> CloseReport {
        self.inner.close(deadline).await
    }
}
