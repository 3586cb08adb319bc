use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{CloseReport, MapDataStore, StoreError, VerifyReport};
use tokio::time::Instant;

#[cfg(all(feature = "toml", feature = "tiered"))]
use super::archiving::Archiving;
#[cfg(feature = "write-behind")]
use crate::behind::Behind;

/// A data store that was opened as a configuration says, and what was found when it was.
#[derive(Clone)]
pub struct OpenDataStore {
    store: Arc<dyn MapDataStore>,
    facts: Vec<(&'static str, String)>,
    notes: Vec<String>,
    /// The stores that it is made of.
    tiers: Vec<(&'static str, OpenDataStore)>,
    #[cfg(feature = "embedded")]
    embedded: Option<Arc<layerstore_embedded::KvDataStore>>,
    #[cfg(all(feature = "toml", feature = "slatedb"))]
    packed: Option<Arc<layerstore_slatedb::SlateDataStore>>,
    #[cfg(all(feature = "toml", feature = "tiered"))]
    archiving: Option<Arc<Archiving>>,
    #[cfg(feature = "write-behind")]
    behind: Option<Arc<Behind>>,
}

impl OpenDataStore {
    /// Takes a data store as it is; nothing is known of it.
    #[must_use]
    pub fn new(store: Arc<dyn MapDataStore>) -> Self {
        Self {
            store,
            facts: Vec::new(),
            notes: Vec::new(),
            tiers: Vec::new(),
            #[cfg(feature = "embedded")]
            embedded: None,
            #[cfg(all(feature = "toml", feature = "slatedb"))]
            packed: None,
            #[cfg(all(feature = "toml", feature = "tiered"))]
            archiving: None,
            #[cfg(feature = "write-behind")]
            behind: None,
        }
    }

    #[cfg(feature = "embedded")]
    pub(crate) fn embedded(store: Arc<layerstore_embedded::KvDataStore>) -> Self {
        Self {
            embedded: Some(Arc::clone(&store)),
            ..Self::new(store)
        }
    }

    /// Takes a packed store, and what stands before it.
    #[cfg(all(feature = "toml", feature = "slatedb"))]
    pub(crate) fn packed(
        packed: Arc<layerstore_slatedb::SlateDataStore>,
        guarded: Arc<dyn MapDataStore>,
    ) -> Self {
        Self {
            packed: Some(packed),
            ..Self::new(guarded)
        }
    }

    /// Takes two stores as one, and with it when records go from one to the other.
    #[cfg(all(feature = "toml", feature = "tiered"))]
    pub(crate) fn tiered(archiving: Archiving, tiers: [(&'static str, Self); 2]) -> Self {
        let mut opened = Self::new(Arc::clone(archiving.store()) as Arc<dyn MapDataStore>);
        for (name, tier) in &tiers {
            let notes = tier.notes.iter().map(|note| format!("{name}: {note}"));
            opened.notes.extend(notes);
        }
        opened.tiers = tiers.into();
        opened.archiving = Some(Arc::new(archiving));
        opened
    }

    /// Takes write-behind around the store for the store; what is known of that stays.
    #[cfg(feature = "write-behind")]
    pub(crate) fn behind(mut self, behind: Behind) -> Self {
        self.store = Arc::clone(&behind.store) as Arc<dyn MapDataStore>;
        self.behind = Some(Arc::new(behind));
        self
    }

    /// Adds what was found when the store was opened: never a secret.
    #[cfg(any(
        feature = "embedded",
        feature = "write-behind",
        all(
            feature = "toml",
            any(feature = "postgres", feature = "_object", feature = "tiered")
        )
    ))]
    pub(crate) fn with_fact(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.facts.push((name, value.into()));
        self
    }

    /// Adds what an operator should know, and what to do about it.
    pub(crate) fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Returns the data store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn MapDataStore> {
        &self.store
    }

    /// Returns what the store calls itself that writes are in at last: the one behind, where write-behind stands before it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        #[cfg(feature = "write-behind")]
        if let Some(behind) = &self.behind {
            return behind.name;
        }
        self.store.name()
    }

    /// Returns the write-behind that stands before the store, where one does. Where records are in memory, too, dead letters are best retried
    /// and discarded through [`Layerstore::write_behind`](crate::Layerstore::write_behind), which tells memory.
    #[cfg(feature = "write-behind")]
    #[must_use]
    pub fn write_behind(&self) -> Option<&layerstore_write_behind::WriteBehindDataStore> {
        self.behind.as_ref().map(|behind| &*behind.store)
    }

    #[cfg(feature = "write-behind")]
    pub(crate) fn shared_behind(&self) -> Option<&Arc<Behind>> {
        self.behind.as_ref()
    }

    /// Returns what was found when the store was opened, name by name: where it is, which version answers, what it can do.
    #[must_use]
    pub fn facts(&self) -> &[(&'static str, String)] {
        &self.facts
    }

    /// Returns what an operator should know about this store.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns the stores that this one is made of, with their names: `hot` and `cold` of a tiered one, none of others.
    #[must_use]
    pub fn tiers(&self) -> &[(&'static str, OpenDataStore)] {
        &self.tiers
    }

    /// Returns when records go from one tier to the other, and who sees to it.
    #[cfg(all(feature = "toml", feature = "tiered"))]
    pub(crate) fn archiving(&self) -> Option<&Arc<Archiving>> {
        self.archiving.as_ref()
    }

    /// Returns what the archiver of a tiered store has done so far, or had done when it ended; `None` where none was started: only a
    /// [`Layerstore`](crate::Layerstore) starts one.
    #[cfg(all(feature = "toml", feature = "tiered"))]
    #[must_use]
    pub fn archiver_report(&self) -> Option<layerstore_tiered::ArchiverReport> {
        self.archiving.as_ref()?.report()
    }

    /// Reads everything that the store holds, and reports what is there and what cannot be read.
    ///
    /// An embedded or packed store is looked at row by row, what has ended and what was cleared included; another through its scans. Of a tiered
    /// store this is what its users see; what each of the [tiers](Self::tiers) holds, these verify. With write-behind, what is pending is
    /// flushed first, as long as its flush timeout says; of what does not reach an embedded or packed store then, nothing is in the report.
    ///
    /// # Errors
    /// A [`StoreError`] when the list of maps cannot be read. What a map does not give is in its report.
    pub async fn verify(&self) -> Result<VerifyReport, StoreError> {
        #[cfg(feature = "write-behind")]
        if let Some(behind) = &self.behind
            && let Err(error) = behind.store.hard_flush().await
        {
            tracing::warn!(
                pending = error.pending.len(),
                "a store is verified with writes pending"
            );
        }
        #[cfg(feature = "embedded")]
        if let Some(embedded) = &self.embedded {
            return embedded.verify().await;
        }
        #[cfg(all(feature = "toml", feature = "slatedb"))]
        if let Some(packed) = &self.packed {
            return packed.verify().await;
        }
        layerstore_data_store::verify(&*self.store).await
    }

    /// Ends the store; as [`MapDataStore::close`]. An archiver is ended before: within half of the deadline, so that a cold store that does
    /// not answer leaves the other half to what was acknowledged.
    pub async fn close(&self, deadline: Duration) -> CloseReport {
        let begin = Instant::now();
        #[cfg(all(feature = "toml", feature = "tiered"))]
        if let Some(archiving) = &self.archiving {
            archiving.shutdown(deadline / 2).await;
        }
        self.store.close(deadline.saturating_sub(begin.elapsed())).await
    }
}
