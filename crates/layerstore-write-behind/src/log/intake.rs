//! The sequencer between its lock and the log's thread. Every interleaving of it is tried under loom (`tests/interleavings`).

use std::sync::PoisonError;
use std::time::Duration;

use super::sequencer::{Refusal, Sequencer, Submission, Turn};
use super::sync::{Condvar, Mutex, MutexGuard};

#[derive(Debug)]
pub(crate) struct Intake<P, W, T, E> {
    /// Protects who waits. Held for moments, never while anything is written.
    inside: Mutex<Inside<P, W, T, E>>,
    /// Told when there is something to do for the one thread that takes turns.
    work: Condvar,
}

#[derive(Debug)]
struct Inside<P, W, T, E> {
    sequencer: Sequencer<P, W, T, E>,
    /// Whether the thread sleeps, and nobody has woken it yet: to wake one that is at work is a call of the system for nothing.
    sleeps: bool,
}

impl<P, W, T, E: Clone> Intake<P, W, T, E> {
    pub(crate) fn new() -> Self {
        Self {
            inside: Mutex::new(Inside {
                sequencer: Sequencer::new(),
                sleeps: false,
            }),
            work: Condvar::new(),
        }
    }

    /// Queues something to be appended; gives back who waits where it cannot.
    pub(crate) fn submit(&self, submission: Submission<P, W>) -> Result<(), (W, Refusal<E>)> {
        self.change(|sequencer| sequencer.submit(submission))
    }

    /// Queues something else; gives it back where nobody would do it.
    pub(crate) fn ask(&self, task: T) -> Result<(), T> {
        self.change(|sequencer| sequencer.ask(task))
    }

    /// Takes note of what is done.
    pub(crate) fn done(&self, sequences: impl IntoIterator<Item = u64>) {
        self.change(|sequencer| sequencer.done(sequences));
    }

    /// Lets nothing in any more.
    pub(crate) fn close(&self) {
        self.change(Sequencer::close);
    }

    /// Waits for something to do, at most so long where a time is given; what is taken may be nothing.
    pub(crate) fn next(&self, most: u64, patience: Option<Duration>) -> Turn<P, W, T> {
        let mut inside = self.lock();
        while inside.sequencer.is_idle() {
            inside.sleeps = true;
            let Some(patience) = patience else {
                inside = self.work.wait(inside).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let waited = self.work.wait_timeout(inside, patience);
            inside = waited.unwrap_or_else(PoisonError::into_inner).0;
            break;
        }
        inside.sleeps = false;
        inside.sequencer.take(most)
    }

    /// Lets nothing in any more because of an error; gives back who waits.
    pub(crate) fn poison(&self, error: E) -> Vec<W> {
        self.lock().sequencer.poison(error)
    }

    /// Ends; gives back who is left.
    pub(crate) fn end(&self) -> (Vec<W>, Vec<T>) {
        self.lock().sequencer.end()
    }

    fn change<R>(&self, change: impl FnOnce(&mut Sequencer<P, W, T, E>) -> R) -> R {
        let (wakes, changed) = {
            let mut inside = self.lock();
            let changed = change(&mut inside.sequencer);
            let wakes = inside.sleeps && !inside.sequencer.is_idle();
            // Whoever comes next need not do it again.
            inside.sleeps &= !wakes;
            (wakes, changed)
        };
        if wakes {
            self.work.notify_one();
        }
        changed
    }

    /// Nothing panics while it is held.
    fn lock(&self) -> MutexGuard<'_, Inside<P, W, T, E>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
