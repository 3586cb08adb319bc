use layerstore_record::Millis;

/// What a policy knows of a record that could leave memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// How often the record was read.
    pub hits: u32,
    /// How long it was not read, in milliseconds.
    pub idle: u64,
}

/// Chooses which record leaves memory. Holds no record and no key; called by several threads.
pub trait EvictionPolicy: Send + Sync + std::fmt::Debug + 'static {
    /// Returns the name used in configuration and metrics.
    fn name(&self) -> &'static str;

    /// Returns how many records it wants to choose from, 0 when nothing may ever be evicted. For every eighth of them another is chosen of
    /// the same draw, and leaves next, unless it is read or written before: drawing costs more than all else.
    fn sample_size(&self) -> usize;

    /// Chooses one of the candidates; `None` only when there are none or nothing may be evicted.
    fn choose(&self, candidates: &[Candidate], rng: &mut fastrand::Rng) -> Option<usize>;

    /// Takes note that a record, by the hash of its key, left memory for want of room.
    fn evicted(&self, _hash: u64, _now: Millis) {}

    /// Tells how many hits a key that comes into memory is credited with, by its hash.
    fn admitted(&self, _hash: u64) -> u32 {
        0
    }
}
