//! What a backend says about itself.

/// Figures of a backend at one moment; cheap to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct KvStats {
    /// How many keyspaces exist.
    pub keyspaces: u64,
    /// Bytes that the data takes on its medium, approximately (deleted rows count until they are compacted).
    pub bytes: u64,
    /// Batches committed since it was opened.
    pub commits: u64,
    /// Times that it waited for the medium to make something durable since it was opened, for commits and `persist`.
    pub syncs: u64,
}
