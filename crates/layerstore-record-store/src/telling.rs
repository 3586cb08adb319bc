//! Knows whose observers are being told on this thread, so that a write from inside one to the same key is an error
//! and not a wait without end.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, Ordering};

thread_local! {
    /// The operations whose observers are being told on this thread, outermost first.
    static TOLD: RefCell<Vec<OpId>> = const { RefCell::new(Vec::new()) };
    /// The name that this thread gives next.
    static NEXT: Cell<u64> = const { Cell::new(0) };
}

/// How many names a thread takes at a time, so that threads seldom meet.
const NAMES: u64 = 1_024;

/// Names an operation while it holds gates: unique in the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpId(u64);

/// The operations from inside whose observers another one was begun. Travels with it to its task.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ancestry(Vec<OpId>);

/// While this lives, observers are being told on this thread.
#[must_use]
pub(crate) struct Telling {
    before: usize,
}

impl OpId {
    /// Names the next operation.
    pub(crate) fn next() -> Self {
        static FREE: AtomicU64 = AtomicU64::new(0);
        NEXT.with(|next| {
            let mut name = next.get();
            if name.is_multiple_of(NAMES) {
                name = FREE.fetch_add(NAMES, Ordering::Relaxed);
            }
            next.set(name + 1);
            Self(name)
        })
    }
}

impl Ancestry {
    /// Returns the operations whose observers are being told on this thread now.
    pub(crate) fn here() -> Self {
        TOLD.with_borrow(|told| Self(told.clone()))
    }

    /// Tells whether `op` is waiting for what is being done now.
    pub(crate) fn contains(&self, op: OpId) -> bool {
        self.0.contains(&op)
    }

    /// Tells whether anything is waiting for what is being done now.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Begins to tell the observers of `op` on this thread.
    pub(crate) fn tell(&self, op: OpId) -> Telling {
        TOLD.with_borrow_mut(|told| {
            let before = told.len();
            told.extend_from_slice(&self.0);
            told.push(op);
            Telling { before }
        })
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        TOLD.with_borrow_mut(|told| told.truncate(self.before));
    }
}
