use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{CloseReport, MapDataStore, StoreError, VerifyReport};

/// A data store that was opened as a configuration says, and what was found when it was.
#[derive(Clone)]
pub struct OpenDataStore {
    store: Arc<dyn MapDataStore>,
    facts: Vec<(&'static str, String)>,
    notes: Vec<String>,
    #[cfg(feature = "embedded")]
    embedded: Option<Arc<layerstore_embedded::KvDataStore>>,
}

impl OpenDataStore {
    /// Takes a data store as it is; nothing is known of it.
    #[must_use]
    pub fn new(store: Arc<dyn MapDataStore>) -> Self {
        Self {
            store,
            facts: Vec::new(),
            notes: Vec::new(),
            #[cfg(feature = "embedded")]
            embedded: None,
        }
    }

    #[cfg(feature = "embedded")]
    pub(crate) fn embedded(store: Arc<layerstore_embedded::KvDataStore>) -> Self {
        Self {
            embedded: Some(Arc::clone(&store)),
            ..Self::new(store)
        }
    }

    /// Adds what was found when the store was opened: never a secret.
    #[cfg(any(
        feature = "embedded",
        all(feature = "toml", any(feature = "postgres", feature = "_object"))
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

    /// Reads everything that the store holds, and reports what is there and what cannot be read.
    ///
    /// An embedded store is looked at row by row, what has ended and what was cleared included; another through its scans.
    ///
    /// # Errors
    /// A [`StoreError`] when the list of maps cannot be read. What a map does not give is in its report.
    pub async fn verify(&self) -> Result<VerifyReport, StoreError> {
        #[cfg(feature = "embedded")]
        if let Some(embedded) = &self.embedded {
            return embedded.verify().await;
        }
        layerstore_data_store::verify(&*self.store).await
    }

    /// Ends the store; as [`MapDataStore::close`].
    pub async fn close(&self, deadline: Duration) -> CloseReport {
        self.store.close(deadline).await
    }
}
