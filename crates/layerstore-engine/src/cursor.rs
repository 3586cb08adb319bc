use std::sync::Arc;

use layerstore_record::{Key, Record};

/// Where a scan stands: opaque bytes, made by the engine that reads them. Holds no lock and pins nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cursor(Vec<u8>);

/// Some of the records, and where to go on.
#[derive(Debug, Default)]
pub struct Page {
    /// Keys with what is known of their records, in no particular order.
    pub slots: Vec<(Key, Slot)>,
    /// Where the next page starts; `None` after the last one.
    pub next: Option<Cursor>,
}

/// A record in a page.
#[derive(Debug, Clone)]
pub enum Slot {
    /// In memory.
    Resident(Arc<Record>),
    /// Below: look its key up to get it.
    Cold,
}

impl Cursor {
    /// Stands before the first record.
    #[must_use]
    pub fn start() -> Self {
        Self::default()
    }

    /// Wraps an engine's own position.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Returns the engine's own position; empty at the start.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
