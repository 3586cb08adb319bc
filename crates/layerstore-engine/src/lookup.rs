use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use layerstore_record::Record;
use thiserror::Error;

/// What a lookup finds.
#[derive(Debug)]
pub enum Lookup {
    /// The record, in memory.
    Hit(Arc<Record>),
    /// No record.
    Miss,
    /// A record that is not in memory: the handle becomes it by awaiting.
    Cold(Box<dyn ColdRecord>),
}

/// What put and remove found in their place.
#[derive(Debug, Clone)]
pub enum Previous {
    /// Nothing.
    Absent,
    /// A record in memory.
    Present(Arc<Record>),
    /// A record that is not in memory; it was replaced or removed without being read.
    Cold,
}

/// What an atomic computation wants done.
#[derive(Debug)]
pub enum Decision {
    /// Leave everything as it is.
    Keep,
    /// Put this record in place.
    Put(Arc<Record>),
    /// Remove what is there.
    Remove,
    /// The record is cold and its content is needed: leave everything as it is, and say so.
    NeedsLoad,
}

/// What an atomic computation came to.
#[derive(Debug, Clone)]
pub enum Computed {
    /// Nothing changed.
    Kept,
    /// The record was put in place of this.
    Put(Previous),
    /// This was removed.
    Removed(Previous),
    /// Nothing changed: load the cold record and try again.
    NeedsLoad,
}

/// A record below memory reach. Engines without a disk tier never make one.
pub trait ColdRecord: Send + fmt::Debug {
    /// Becomes the record; `None` when it was removed meanwhile.
    fn load(self: Box<Self>) -> ColdFuture;
}

/// The future that becomes a cold record.
pub type ColdFuture = Pin<Box<dyn Future<Output = Result<Option<Arc<Record>>, ColdError>> + Send>>;

/// A cold record could not be read.
#[derive(Debug, Error)]
#[error("the engine could not read a record from its disk tier")]
pub struct ColdError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

impl Lookup {
    /// Returns the record of a hit.
    #[must_use]
    pub fn hit(self) -> Option<Arc<Record>> {
        match self {
            Self::Hit(record) => Some(record),
            Self::Miss | Self::Cold(_) => None,
        }
    }
}

impl Previous {
    /// Returns the record that was in memory.
    #[must_use]
    pub fn record(self) -> Option<Arc<Record>> {
        match self {
            Self::Present(record) => Some(record),
            Self::Absent | Self::Cold => None,
        }
    }
}
