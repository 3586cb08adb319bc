//! The sequencer between its lock and the log's thread. Every interleaving of it is tried under loom (`tests/interleavings`).

use std::sync::PoisonError;
use std::time::Duration;

use super::sequencer::{Refusal, Sequencer, Submission, Turn};
use super::sync::{Condvar, Mutex, MutexGuard};

#[derive(Debug)]
pub(crate) struct Intake<P, W, T, E> {
    /// Protects who waits. Held for moments, never while anything is written.
    sequencer: Mutex<Sequencer<P, W, T, E>>,
    /// Told when there is something to do for the one thread that takes turns.
    work: Condvar,
}

impl<P, W, T, E: Clone> Intake<P, W, T, E> {
    pub(crate) fn new() -> Self {
        Self {
            sequencer: Mutex::new(Sequencer::new()),
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
        let mut sequencer = self.lock();
        while sequencer.is_idle() {
            let Some(patience) = patience else {
                sequencer = self.work.wait(sequencer).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let waited = self.work.wait_timeout(sequencer, patience);
            sequencer = waited.unwrap_or_else(PoisonError::into_inner).0;
            break;
        }
        sequencer.take(most)
    }

    /// Lets nothing in any more because of an error; gives back who waits.
    pub(crate) fn poison(&self, error: E) -> Vec<W> {
        self.lock().poison(error)
    }

    /// Ends; gives back who is left.
    pub(crate) fn end(&self) -> (Vec<W>, Vec<T>) {
        self.lock().end()
    }

    fn change<R>(&self, change: impl FnOnce(&mut Sequencer<P, W, T, E>) -> R) -> R {
        let (was_idle, changed) = {
            let mut sequencer = self.lock();
            (sequencer.is_idle(), change(&mut sequencer))
        };
        // Who waits has waited since there was nothing to do; whoever made that end has told.
        if was_idle {
            self.work.notify_one();
        }
        changed
    }

    /// Nothing panics while it is held.
    fn lock(&self) -> MutexGuard<'_, Sequencer<P, W, T, E>> {
        self.sequencer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
