//! Memory of entries that are written, for those of later ones: what one thread asks for and another gives back costs both of them dearly.

use std::sync::{Mutex, PoisonError};

/// As many are kept as appends wait together at most in practice; the allocator has the rest.
const KEPT: usize = 256;

/// The largest that is kept, in bytes: many times what most records take.
const LARGEST: usize = 4_096;

/// Buffers that are free.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    /// Returns one, with or without room.
    pub(crate) fn take(&self) -> Vec<u8> {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        free.pop().unwrap_or_default()
    }

    /// Keeps what is worth it.
    pub(crate) fn give_back(&self, buffers: impl IntoIterator<Item = Vec<u8>>) {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = KEPT.saturating_sub(free.len());
        let fit = buffers.into_iter().filter(|buffer| buffer.capacity() <= LARGEST);
        free.extend(fit.take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_but_not_much_of_it_kept() {
        let buffers = Buffers::default();
        assert_eq!(buffers.take().capacity(), 0);
        buffers.give_back([Vec::with_capacity(100), Vec::with_capacity(LARGEST + 1)]);
        assert!(buffers.take().capacity() >= 100);
        assert_eq!(buffers.take().capacity(), 0, "the large one is gone");
        buffers.give_back((0..2 * KEPT).map(|_| Vec::with_capacity(1)));
        let kept = (0..2 * KEPT).filter(|_| buffers.take().capacity() > 0);
        assert_eq!(kept.count(), KEPT);
    }
}
