//! The durable log: what was acknowledged and is not in the final store yet.
//!
//! Segments of frames, in groups that end with a commit, and a sidecar that says what was synced. [`LogWriter`] does the work on one
//! thread; [`DurableLog`] is the handle that many callers share.
//!
//! - **L1** What an append returned is in the log, whole and in the order of appends; under [`SyncPolicy::Always`] it was synced before.
//! - **L2** Opening gives back what was appended and is not done: never part of an append, never another value, never an older
//!   entry after a newer one of its key.
//! - **L3** Damage below what was synced is [`LogError::Corrupt`], and the log is not opened. What an unclean stop left behind the last
//!   group that is whole is cut, logged and returned as [`TailCut`].
//! - **L4** A failed sync poisons the log: whoever waits gets the error, and nothing is acknowledged until the log is opened again.
//! - **L5** A full disk or a full log is an error of its own: reads go on, nothing acknowledged is lost, and when there is room
//!   appending goes on without opening again.
//! - **L6** An entry that is not done is above the watermark, and stays. A segment is removed only when nothing in it is pending and that
//!   is durable. Near the bound, what is pending is copied forward, so that one stuck key does not fill the log.
//! - **L7** A log has one opener. A format or a setting that is not known is refused by name, with nothing changed.
//! - **L8** Closing answers everyone who waits, once, syncs, and seals the log: the next opening finds it as it was, or says what changed.

mod buffers;
mod durable;
mod entry;
mod error;
mod files;
mod frame;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod group;
mod inspect;
mod intake;
mod little_endian;
mod opening;
mod options;
mod pending;
mod read;
mod reclaim;
mod recover;
mod salvage;
mod scan;
mod segment;
mod sequencer;
mod sidecar;
mod survey;
mod sync;
mod thread;
mod writer;

pub use durable::{CloseReport, DurableLog, LogStats};
pub use entry::{EncodedEntry, LogEntry, MAX_REASON_BYTES, NewEntry, Sequence};
pub use error::LogError;
pub use inspect::{Damage, Inspection, SegmentInfo, inspect};
pub use opening::{Recovered, TailCut};
pub use options::{
    DEFAULT_DEADLINE, DEFAULT_GROUP_BYTES, DEFAULT_MAX_BYTES, DEFAULT_QUEUE_BYTES, DEFAULT_SEGMENT_BYTES,
    LEAST_SEGMENT_BYTES, LogOptions, SEGMENTS_AT_LEAST, SyncPolicy,
};
pub use salvage::{Loss, SalvageReport, salvage};
pub use writer::{Appended, LogWriter};

pub(crate) use thread::Entries;
