/// What an import has done so far: only what is durable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Records that were not there.
    pub(super) new: u64,
    /// Records that had another value, or another time to live.
    pub(super) changed: u64,
    /// Records that were there as the file has them.
    pub(super) unchanged: u64,
    /// Everything in the file up to this line is durable or listed as rejected.
    pub(super) last_line: u64,
    /// The first key, to try things with.
    pub(super) first_key: Option<String>,
}

/// What becomes of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    New,
    Changed,
    Unchanged,
}

impl Tally {
    /// Counts a record that is durable.
    pub(super) fn count(&mut self, change: Change) {
        match change {
            Change::New => self.new += 1,
            Change::Changed => self.changed += 1,
            Change::Unchanged => self.unchanged += 1,
        }
    }

    /// Returns how many records of the file are in the store.
    pub(super) fn imported(&self) -> u64 {
        self.new + self.changed + self.unchanged
    }
}
