use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use layerstore_record::{Provenance, Record, RecordValue, Value};

/// What a write brings: a plain value, or a record value with timestamps of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewValue {
    /// A plain value; the store stamps it with the version that it gives the write.
    Plain(Arc<Value>),
    /// A value that keeps the timestamps and tags it comes with.
    Stamped(RecordValue),
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct WriteOptions {
    /// How long the record lives, from now.
    pub ttl: Period,
    /// How long the record lives without being read.
    pub max_idle: Period,
}

/// A span of time that a map has a default for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Period {
    /// The map's default.
    #[default]
    Default,
    /// For ever.
    Unlimited,
    /// This long, at least 1 ms.
    Of(Duration),
}

/// Where a value to be merged comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MergeSource {
    /// A peer's state; announced as put, update or remove.
    Crdt,
    /// A replication stream; announced as a replication.
    Replication,
}

/// What a computation wants done, knowing what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compute {
    /// Leave everything as it is.
    Keep,
    /// Write this value.
    Put(NewValue),
    /// Write this value, with its own options.
    PutWith(NewValue, WriteOptions),
    /// Remove the record.
    Remove,
}

/// Decides what becomes of a record: given the live one, `None` where there is none. Called again when the data store
/// turns out to hold something newer; must not write to the store that calls it.
pub type ComputeFn = Box<dyn FnMut(Option<&Arc<Record>>) -> Compute + Send>;

impl WriteOptions {
    /// The map's defaults.
    pub const DEFAULT: Self = Self {
        ttl: Period::Default,
        max_idle: Period::Default,
    };

    /// Takes the map's defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self::DEFAULT
    }

    /// Ends the record this long after the write.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Period::Of(ttl);
        self
    }

    /// Ends the record when it was not read for this long.
    #[must_use]
    pub fn max_idle(mut self, max_idle: Duration) -> Self {
        self.max_idle = Period::Of(max_idle);
        self
    }

    /// Lets the record live for ever, whatever the map's defaults are.
    #[must_use]
    pub fn unlimited() -> Self {
        Self {
            ttl: Period::Unlimited,
            max_idle: Period::Unlimited,
        }
    }
}

impl Period {
    /// Returns the span, given the map's default.
    #[must_use]
    pub fn or(self, default: Option<Duration>) -> Option<Duration> {
        match self {
            Self::Default => default,
            Self::Unlimited => None,
            Self::Of(period) => Some(period),
        }
    }
}

impl MergeSource {
    /// Returns the provenance of records that come from here.
    #[must_use]
    pub fn provenance(self) -> Provenance {
        match self {
            Self::Crdt => Provenance::CrdtMerge,
            Self::Replication => Provenance::Replication,
        }
    }
}

impl fmt::Display for MergeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.provenance().name())
    }
}

impl From<Value> for NewValue {
    fn from(value: Value) -> Self {
        Self::Plain(Arc::new(value))
    }
}

impl From<Arc<Value>> for NewValue {
    fn from(value: Arc<Value>) -> Self {
        Self::Plain(value)
    }
}

impl From<&str> for NewValue {
    fn from(value: &str) -> Self {
        Value::from(value).into()
    }
}

impl From<u64> for NewValue {
    fn from(value: u64) -> Self {
        Value::from(value).into()
    }
}

impl From<RecordValue> for NewValue {
    fn from(value: RecordValue) -> Self {
        Self::Stamped(value)
    }
}
