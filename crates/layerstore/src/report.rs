use layerstore_data_store as data_store;
use layerstore_record::{Key, MapName};
use layerstore_record_store::RecordStoreError;

/// How a store ended.
#[derive(Debug, Default)]
#[must_use]
#[non_exhaustive]
pub struct CloseReport {
    /// The maps that did not end cleanly.
    pub maps: Vec<MapCloseReport>,
    /// What the data store left behind; `None` when the deadline passed before it was done.
    pub data_store: Option<data_store::CloseReport>,
    /// What the archiver of a tiered store has done in its time; `None` where there was none. One that had to be cut off has lost nothing.
    #[cfg(all(feature = "toml", feature = "tiered"))]
    pub archiver: Option<layerstore_tiered::ArchiverReport>,
    /// What the data store refused for good, whose keys are among those pending: with a log it is there when the store is opened again.
    #[cfg(feature = "write-behind")]
    pub dead_letters: Vec<layerstore_write_behind::DeadLetter>,
}

/// What a flush did not bring to the final store.
#[derive(Debug, Default)]
#[must_use]
#[non_exhaustive]
pub struct FlushReport {
    /// The acknowledged writes that are not there. Empty as well where there was no answer in time: then `error` says so.
    pub pending: Vec<(MapName, Key)>,
    /// Why, where one error stands for it.
    pub error: Option<data_store::StoreError>,
    /// What the data store refused for good, whose keys are among those pending.
    #[cfg(feature = "write-behind")]
    pub dead_letters: Vec<layerstore_write_behind::DeadLetter>,
}

impl FlushReport {
    /// Tells whether everything that was acknowledged before is in the final store.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.pending.is_empty() && self.error.is_none()
    }
}

/// How a map ended that did not end cleanly.
#[derive(Debug)]
pub struct MapCloseReport {
    /// The map.
    pub map: MapName,
    /// How many loads and writes were still under way at the deadline.
    pub unfinished: usize,
    /// The first thing that failed.
    pub error: Option<RecordStoreError>,
}

impl CloseReport {
    /// Tells whether everything that was acknowledged is in the final store.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.maps.is_empty()
            && self
                .data_store
                .as_ref()
                .is_some_and(data_store::CloseReport::is_complete)
    }
}
