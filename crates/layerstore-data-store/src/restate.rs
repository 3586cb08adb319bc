use async_trait::async_trait;

use crate::write::{Write, WriteResult};

/// The ability to keep a record in another form, as the near one of two tiers does with what it has handed to the far one.
///
/// What a store answers with as [`restating`](crate::MapDataStore::restating).
///
/// # Contract
/// **D-restate**: a restatement replaces the value that is held under a key by another form of the very same version, and
/// nothing else: neither what is newer (it is [`Stale`](WriteResult::Stale)), nor what is older, removed, ended or absent
/// (a [`Conflict`](WriteResult::Conflict) with the version of the value that is there). It never puts a record where none of
/// its version is. Floors, epochs, limits, durability and the answers of a batch are those of
/// [`apply`](crate::MapDataStore::apply).
#[async_trait]
pub trait RestateRecords: Send + Sync {
    /// Replaces records by other forms of the same versions, and answers for each, in the order given. What a write
    /// [expects](Write::expect) is not looked at: it expects its own version.
    async fn restate(&self, writes: Vec<Write>) -> Vec<WriteResult>;
}
