/// What goes on while reads are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upset {
    /// Nothing but an overwrite now and then.
    Quiet,
    /// Fifty times as many records come in as there were: tables grow.
    Growth,
    /// Half of the records have ended and are removed.
    Sweep,
    /// Memory is full, and every write evicts.
    Evictions,
    /// Writes are acknowledged and brought into the embedded store, which is waited for.
    Flush,
    /// Records are brought into memory from the embedded store.
    Preload,
}

impl Upset {
    pub(crate) const ALL: [Self; 6] = [
        Self::Quiet,
        Self::Growth,
        Self::Sweep,
        Self::Evictions,
        Self::Flush,
        Self::Preload,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Growth => "growth",
            Self::Sweep => "sweep",
            Self::Evictions => "eviction storm",
            Self::Flush => "flush",
            Self::Preload => "preload",
        }
    }
}

/// Records that are read: they are there throughout.
pub(crate) const READ: u64 = 10_000;

/// Records that come, end, are evicted or are brought in beside them.
pub(crate) const OTHERS: u64 = 500_000;
