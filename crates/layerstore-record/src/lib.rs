//! What a record is: its key, its value, its version, and the rules that combine two of them.
//!
//! This crate does no I/O, holds no lock, and knows neither where records are kept nor who reads them.
//! It reads the wall clock in one place only, [`SystemClock`]; everything else takes a [`Clock`].

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod access;
mod clock;
pub mod codec;
mod cost;
mod expiry;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod hlc;
mod key;
mod map_name;
mod metadata;
mod or_map;
mod provenance;
mod record;
mod record_value;
mod text;
mod timestamp;
mod value;
mod version;

pub use access::AccessStats;
pub use clock::{Clock, Millis, SystemClock};
pub use cost::Cost;
pub use expiry::{Expiry, ExpiryError};
pub use hlc::{ClockDrift, DEFAULT_MAX_DRIFT, Hlc};
pub use key::{InvalidKey, Key, MAX_KEY_BYTES};
pub use map_name::{InvalidMapName, MAX_MAP_NAME_BYTES, MapName};
pub use or_map::{OrEntries, Tags};
pub use provenance::Provenance;
pub use record::{Record, RecordBuilder};
pub use record_value::{KindMismatch, Merged, Pruned, RecordKind, RecordValue};
pub use text::Text;
pub use timestamp::{NodeId, Timestamp};
pub use value::{Fields, MAX_DEPTH, Value, ValueError, ValueErrorReason, from_value, to_value};
pub use version::Version;
