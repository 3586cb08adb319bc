//! An embedded, ordered byte store with keyspaces: the contract, and a backend in memory.
//!
//! This crate knows bytes. It has no idea what a record, a map or a version is, does no networking and starts no
//! thread. It is synchronous, because it is for engines inside the process; whoever calls it from an async runtime
//! does so from a thread of its own.
//!
//! The contract is [`KvBackend`]; its numbered clauses K1 to K12 are each tested for every backend by
//! `layerstore_testkit::kv_conformance!`.
//!
//! ```
//! use layerstore_kv::{Batch, Committed, Direction, Durability, KeyRange, KvBackend, KvRead, MemoryKv};
//!
//! let kv = MemoryKv::new();
//! kv.create_keyspace(b"users")?;
//!
//! let mut batch = Batch::new();
//! batch.require(b"users", b"alice", None); // only if there is no alice yet
//! batch.put(b"users", b"alice", b"admin");
//! assert_eq!(kv.commit(&batch, Durability::Sync)?, Committed::Durable);
//!
//! for item in kv.scan(b"users", KeyRange::prefix(b"al"), Direction::Forward)? {
//!     let (key, value) = item?; // a read error is an item, never an early end
//!     assert_eq!((&*key, &*value), (&b"alice"[..], &b"admin"[..]));
//! }
//! # Ok::<(), layerstore_kv::KvError>(())
//! ```

mod backend;
mod batch;
mod durability;
mod error;
mod limits;
mod memory;
mod range;
mod stats;

pub use backend::{KvBackend, KvItem, KvIter, KvRead, KvSnapshot};
pub use batch::{Batch, Operation, Precondition};
pub use durability::{Committed, Durability};
pub use error::{KvError, KvErrorKind, KvOperation, KvResult, Outcome};
pub use limits::{KvLimits, MAX_KEYSPACE_NAME_LEN};
pub use memory::MemoryKv;
pub use range::{Direction, KeyRange};
pub use stats::KvStats;
