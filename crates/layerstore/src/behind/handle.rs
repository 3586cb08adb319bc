use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::MapDataStore;
use layerstore_record::{Key, MapName};
use layerstore_write_behind::{DeadLetter, Recovered, WriteBehindStatus};
use tokio::time::timeout;

use super::opening::Behind;
use crate::error::Error;
use crate::layerstore::Inner;

/// Write-behind of an open store: how it stands, and what the data store refused for good.
///
/// ```
/// use std::time::Duration;
/// use layerstore::{DataStoreKind, Layerstore, WriteBehindSettings};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), layerstore::Error> {
/// let store = Layerstore::builder()
///     .data_store_kind(DataStoreKind::Memory)
///     .write_behind(WriteBehindSettings::new().without_log())
///     .build()
///     .await?;
/// store.map::<u64>("visits")?.set("alice", &1).await?;
/// let write_behind = store.write_behind().expect("it was turned on");
/// assert_eq!(write_behind.status().pending, 1);
/// assert!(store.flush(Duration::from_secs(10)).await.is_complete());
/// assert_eq!(write_behind.status().pending, 0);
/// for letter in write_behind.dead_letters() {
///     println!("{} {}: {}", letter.map, letter.key, letter.reason);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct WriteBehind {
    behind: Arc<Behind>,
    store: Arc<Inner>,
}

/// What became of a dead letter that was tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retried {
    /// The final store has it, or something newer.
    Stored,
    /// It was refused again, for this reason, and is a dead letter as before.
    Refused(String),
    /// It is pending: the final store gave no answer in time.
    Pending,
}

impl WriteBehind {
    pub(crate) fn new(behind: Arc<Behind>, store: Arc<Inner>) -> Self {
        Self { behind, store }
    }

    /// Returns how it stands now.
    #[must_use]
    pub fn status(&self) -> WriteBehindStatus {
        self.behind.store.status()
    }

    /// Returns what opening the log found; `None` without a log.
    #[must_use]
    pub fn recovered(&self) -> Option<Recovered> {
        self.behind.recovered
    }

    /// Returns the dead letters, by map and key.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.behind.store.dead_letters()
    }

    /// Tries a dead letter again and waits for what becomes of it, at most `deadline`; `None` where there is none. Afterwards the key is read
    /// from the data store again.
    ///
    /// # Errors
    /// [`Error::Records`] when memory could not be told in time; the letter was tried all the same.
    pub async fn retry(
        &self,
        map: &MapName,
        key: &Key,
        deadline: Duration,
    ) -> Result<Option<Retried>, Error> {
        let store = &self.behind.store;
        if !store.retry_dead_letter(map, key) {
            return Ok(None);
        }
        let is_stored = timeout(deadline, store.flush_key(map, key))
            .await
            .is_ok_and(|flushed| flushed.is_ok());
        self.forget(map, key).await?;
        let again = self
            .dead_letters()
            .into_iter()
            .find(|letter| (&letter.map, &letter.key) == (map, key));
        Ok(Some(match again {
            Some(letter) => Retried::Refused(letter.reason),
            None if is_stored => Retried::Stored,
            None => Retried::Pending,
        }))
    }

    /// Throws a dead letter away, so that the key holds again what the data store has; tells whether there was one. A crash within moments may
    /// bring it back.
    ///
    /// # Errors
    /// [`Error::Records`] when writers of the key leave it no turn in time.
    pub async fn discard(&self, map: &MapName, key: &Key) -> Result<bool, Error> {
        // Before and after: a caller who goes away while this waits has discarded nothing, and what was read in between goes, too.
        self.forget(map, key).await?;
        let was_there = self.behind.store.discard_dead_letter(map, key);
        self.forget(map, key).await?;
        Ok(was_there)
    }

    /// Drops what memory knows of a key, in a map that is open.
    async fn forget(&self, map: &MapName, key: &Key) -> Result<(), Error> {
        let open = self.store.open_maps();
        if let Some(partitions) = open.iter().find(|partitions| partitions.map() == map) {
            partitions.of(key).forget(key).await?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for WriteBehind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("WriteBehind").field(&self.status()).finish()
    }
}
