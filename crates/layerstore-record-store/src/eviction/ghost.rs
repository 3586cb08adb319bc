use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Remembers which keys left memory not long ago, by fingerprints of 4 bytes in a table of fixed size.
///
/// A newer key takes the place of an older one of the same slot; a false memory costs a record its probation, nothing else.
#[derive(Debug)]
pub(super) struct Ghosts {
    /// A power of two.
    len: usize,
    /// Made when the first key leaves memory.
    slots: OnceLock<Box<[AtomicU32]>>,
}

impl Ghosts {
    /// Makes a table of at least `slots` places.
    pub(super) fn new(slots: usize) -> Self {
        Self {
            len: slots.next_power_of_two(),
            slots: OnceLock::new(),
        }
    }

    /// Takes note of a key.
    pub(super) fn remember(&self, hash: u64) {
        let make = || (0..self.len).map(|_| AtomicU32::new(0)).collect();
        let slot = self.slot(self.slots.get_or_init(make), hash);
        slot.store(fingerprint(hash), Ordering::Relaxed);
    }

    /// Tells whether a key was noted, and forgets it.
    pub(super) fn recall(&self, hash: u64) -> bool {
        let Some(slots) = self.slots.get() else {
            return false;
        };
        let slot = self.slot(slots, hash);
        let known = slot.load(Ordering::Relaxed) == fingerprint(hash);
        if known {
            slot.store(0, Ordering::Relaxed);
        }
        known
    }

    fn slot<'a>(&self, slots: &'a [AtomicU32], hash: u64) -> &'a AtomicU32 {
        // The table's length is a power of two, so the mask keeps the index within it on every target.
        let mask = self.len as u64 - 1;
        &slots[usize::try_from(hash & mask).unwrap_or_default()]
    }
}

/// The upper half of a hash, never 0, which marks an empty slot.
fn fingerprint(hash: u64) -> u32 {
    let [a, b, c, d, ..] = hash.to_be_bytes();
    u32::from_be_bytes([a, b, c, d]).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noted_key_is_recalled_once_and_others_are_not() {
        let ghosts = Ghosts::new(100);
        ghosts.remember(0xfeed_0000_0000_0007);
        assert!(!ghosts.recall(0xfeed_0001_0000_0007));
        assert!(ghosts.recall(0xfeed_0000_0000_0007));
        assert!(!ghosts.recall(0xfeed_0000_0000_0007));
    }
}
