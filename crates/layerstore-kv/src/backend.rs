//! The contract.

use crate::{Batch, Committed, Direction, Durability, KeyRange, KvLimits, KvResult, KvStats};

/// A key and its value.
pub type KvItem = (Vec<u8>, Vec<u8>);

/// A scan under way. It owns what it reads from, so it may outlive the call that made it.
pub type KvIter = Box<dyn Iterator<Item = KvResult<KvItem>> + Send>;

/// Reading: shared by a backend (the newest state) and its snapshots (the state when they were taken).
pub trait KvRead: Send + Sync {
    /// Returns the value of a key.
    ///
    /// # Errors
    /// An unknown keyspace, an empty or too long key, or a failed read.
    fn get(&self, keyspace: &[u8], key: &[u8]) -> KvResult<Option<Vec<u8>>>;

    /// Starts a scan of the keys in `range`, in byte order.
    ///
    /// # Errors
    /// An unknown keyspace. A failed read comes as the scan's last item.
    fn scan(&self, keyspace: &[u8], range: KeyRange, direction: Direction) -> KvResult<KvIter>;

    /// Lists the names of the keyspaces, in byte order.
    ///
    /// # Errors
    /// A failed read.
    fn keyspaces(&self) -> KvResult<Vec<Vec<u8>>>;
}

/// A state of every keyspace at one moment. Dropping it lets the backend forget that state.
pub trait KvSnapshot: KvRead {}

/// An ordered byte store in the process, with keyspaces. Its clauses:
///
/// **K1** Keys, values and keyspace names are any bytes, stored without collision or escape, up to
/// [`limits`](Self::limits); keys and names have at least one byte. What does not fit is refused before anything of
/// its batch is applied.
///
/// **K2** `get` returns the value of the last committed put of a key, and nothing after a delete. An unknown keyspace
/// is an error, never "nothing".
///
/// **K3** A batch is atomic over all its keyspaces: a reader sees all of it or nothing, and one that fails leaves
/// nothing. Where it names a key twice, the last operation wins.
///
/// **K4** A batch's preconditions are checked atomically with its writes, against the state before it. If one fails,
/// nothing is applied, and the error says which.
///
/// **K5** A scan returns each key of its range once, in byte order, ascending or descending, in the state when it was
/// started, whatever is written meanwhile. An inverted range is empty.
///
/// **K6** A scan never ends early and quietly: a failed read is an item, the last one.
///
/// **K7** A snapshot shows one state of all keyspaces for as long as it is held, also of those dropped meanwhile.
///
/// **K8** `create_keyspace` says whether it made the keyspace, `drop_keyspace` whether there was one; both are durable
/// when they return. A dropped keyspace is gone: from the list, after reopening, and when created anew it is empty.
///
/// **K9** Durability is explicit. A commit with [`Durability::Sync`] answers [`Committed::Durable`], and then it and
/// everything committed before it survives. One with [`Durability::Buffered`] that answers [`Committed::NotYet`]
/// becomes durable with the next `Sync` or [`persist`](Self::persist). An empty batch with `Sync` is a `persist`.
///
/// **K10** All methods may be called from many threads: commits happen one after another, and none is lost.
///
/// **K11** `stats` counts keyspaces, commits and syncs exactly, bytes approximately, without reading the data.
///
/// **K12** An error names its kind, operation and keyspace, and says whether to retry and whether the outcome is known;
/// it never shows a value.
///
/// A partitioned store, or revisions over keys, is built on this trait with keys of its own making; no method here
/// assumes that a key is a user's key.
pub trait KvBackend: KvRead + 'static {
    /// Creates a keyspace; `false` if it was there already.
    ///
    /// # Errors
    /// A name that does not fit, or a failed write.
    fn create_keyspace(&self, name: &[u8]) -> KvResult<bool>;

    /// Drops a keyspace with all it holds; `false` if there was none.
    ///
    /// # Errors
    /// A name that does not fit, or a failed write.
    fn drop_keyspace(&self, name: &[u8]) -> KvResult<bool>;

    /// Takes a snapshot.
    ///
    /// # Errors
    /// A failed read.
    fn snapshot(&self) -> KvResult<Box<dyn KvSnapshot>>;

    /// Applies a batch, whole or not at all.
    ///
    /// # Errors
    /// A failed precondition, an unknown keyspace, something that does not fit, or a failed write, whose
    /// [`outcome`](crate::KvError::outcome) may be unknown.
    fn commit(&self, batch: &Batch, durability: Durability) -> KvResult<Committed>;

    /// Returns when everything committed before the call is durable.
    ///
    /// # Errors
    /// A failed sync, after which the backend takes no more writes.
    fn persist(&self) -> KvResult<()>;

    /// Returns figures.
    ///
    /// # Errors
    /// A failed read.
    fn stats(&self) -> KvResult<KvStats>;

    /// Returns what it can hold.
    fn limits(&self) -> KvLimits;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_traits_are_object_safe() {
        fn takes(_: Option<(&dyn KvBackend, &dyn KvSnapshot)>) {}
        takes(None);
    }
}
