//! What a commit asks for, and what it got.

/// What a commit must have done before it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Durability {
    /// Return when the batch, and everything committed before it, survives a power cut.
    Sync,
    /// Return when the batch is visible; a later [`persist`](crate::KvBackend::persist) or `Sync` makes it durable.
    Buffered,
}

/// What a commit that returned `Ok` has reached.
#[must_use = "a batch that is not durable yet must not be acknowledged as durable"]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Committed {
    /// The batch survives whatever the backend's medium survives.
    Durable,
    /// The batch is visible, and a crash may lose it until the next `persist` or `Sync`.
    NotYet,
}
