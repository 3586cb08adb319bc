//! The key-value contract of Layerstore on fjall, a log-structured merge tree in safe Rust.
//!
//! This crate translates: keyspace names, durability that fjall leaves to its caller, errors, and one
//! lock per directory that tells the second opener who has it. It has no idea what the bytes mean.
//!
//! What fjall gives: every block of a table carries a checksum, so a damaged row is an error when it is read; a batch
//! in its journal carries one too. What it does not: damage that makes the frame of a journal entry unreadable looks
//! like the end of the journal, and what follows it is dropped at open. So closing seals the journals, and opening compares them
//! with the seal. After a crash there is none: damage to a journal between a crash and the next opening is taken for its end.
//!
//! ```
//! use layerstore_kv::{Batch, Durability, KvBackend, KvRead};
//! use layerstore_kv_fjall::{FjallKv, FjallOptions};
//!
//! let dir = tempfile::tempdir()?;
//! let kv = FjallKv::open(dir.path(), FjallOptions::default())?;
//! kv.create_keyspace(b"users")?;
//! let mut batch = Batch::new();
//! batch.put(b"users", b"alice", b"admin");
//! let _durable = kv.commit(&batch, Durability::Sync)?;
//! drop(kv);
//!
//! let kv = FjallKv::open(dir.path(), FjallOptions::default())?;
//! assert_eq!(kv.get(b"users", b"alice")?, Some(b"admin".to_vec()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod catalog;
mod convert;
mod directory;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod options;
mod seal;
mod store;
mod versions;
mod view;

pub use options::{DEFAULT_CACHE_BYTES, DEFAULT_MAX_JOURNAL_BYTES, DEFAULT_WORKER_THREADS, FjallOptions};
pub use store::FjallKv;
