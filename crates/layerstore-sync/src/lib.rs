//! Make two copies of a map the same again, sending only where they differ.
//!
//! This crate does not know how records are kept, nor over what two processes speak: it compares the trees of two
//! [`MerkleObserver`](layerstore_observer::MerkleObserver)s and merges records into two
//! [`RecordStore`](layerstore_record_store::RecordStore)s, through a [`Peer`] of one method.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod answer;
mod compare;
mod error;
mod exchange;
mod merge;
mod message;
mod options;
mod peer;
mod rebuild;
mod replica;
mod report;
mod round;
mod state;
mod wire;

pub use error::{SyncError, SyncErrorKind};
pub use message::{
    Answer, CompareAnswer, ComparedRange, ExchangeAnswer, Piece, ReplicaRecord, Request, Response,
};
pub use options::{DEFAULT_CALL_DEADLINE, SyncOptions};
pub use peer::{LocalPeer, Peer};
pub use rebuild::{RebuildProgress, rebuild};
pub use replica::Replica;
pub use report::SyncReport;
pub use wire::{MAX_MESSAGE_BYTES, decode_request, decode_response, encode_request, encode_response};
