//! Tell others what happened to records, without letting them slow or endanger the write.
//!
//! This crate does not know where records are kept nor who changed them; it is told.

mod mutation;
mod observer;
mod owned;

pub use mutation::{Mutation, MutationEvent, Ownership, PreviousValue, RemoveReason};
pub use observer::{MutationObserver, ObserverError};
pub use owned::{OwnedEvent, OwnedMutation, OwnedPrevious};
