//! Who waits for the log, in which order, and what they may still be told. Pure: no lock, no clock, no file.
//!
//! `P` is what is to be appended, `W` whoever waits for the answer, `T` anything else that the log's thread is asked for, `E` why it
//! takes nothing more. Everyone who was let in comes out once: with a group, by poisoning, or at the end.

use std::collections::VecDeque;
use std::mem;

/// The queue in front of the log.
#[derive(Debug)]
pub(crate) struct Sequencer<P, W, T, E> {
    waiting: VecDeque<Submission<P, W>>,
    tasks: Vec<T>,
    done: Vec<u64>,
    state: State<E>,
}

/// Something to be appended.
#[derive(Debug)]
pub(crate) struct Submission<P, W> {
    pub(crate) payload: P,
    pub(crate) bytes: u64,
    pub(crate) waiter: W,
}

/// Work for one turn of the log's thread.
#[derive(Debug)]
pub(crate) struct Turn<P, W, T> {
    /// What one write and one sync serve.
    pub(crate) group: Vec<Submission<P, W>>,
    pub(crate) tasks: Vec<T>,
    /// Sequences that are done.
    pub(crate) done: Vec<u64>,
    /// Nothing follows: the log was closed, and this is the rest.
    pub(crate) is_last: bool,
}

/// Why nothing is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal<E> {
    Closed,
    Poisoned(E),
}

#[derive(Debug)]
enum State<E> {
    Open,
    Poisoned(E),
    /// Nothing is let in; what is in comes out.
    Closing,
    Ended,
}

impl<P, W, T, E: Clone> Sequencer<P, W, T, E> {
    pub(crate) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            tasks: Vec::new(),
            done: Vec::new(),
            state: State::Open,
        }
    }

    /// Lets something in; gives back who waits where it cannot.
    pub(crate) fn submit(&mut self, submission: Submission<P, W>) -> Result<(), (W, Refusal<E>)> {
        let refusal = match &self.state {
            State::Open => {
                self.waiting.push_back(submission);
                return Ok(());
            }
            State::Poisoned(error) => Refusal::Poisoned(error.clone()),
            State::Closing | State::Ended => Refusal::Closed,
        };
        Err((submission.waiter, refusal))
    }

    /// Asks for something else, also of a poisoned log; gives it back where nobody would do it.
    pub(crate) fn ask(&mut self, task: T) -> Result<(), T> {
        match self.state {
            State::Open | State::Poisoned(_) => {
                self.tasks.push(task);
                Ok(())
            }
            State::Closing | State::Ended => Err(task),
        }
    }

    /// Takes note of what is done. What comes after the end is done again when the log is opened again.
    pub(crate) fn done(&mut self, sequences: impl IntoIterator<Item = u64>) {
        if !matches!(self.state, State::Ended) {
            self.done.extend(sequences);
        }
    }

    /// Lets nothing in any more.
    pub(crate) fn close(&mut self) {
        if !matches!(self.state, State::Ended) {
            self.state = State::Closing;
        }
    }

    /// Tells whether there is nothing to do now.
    pub(crate) fn is_idle(&self) -> bool {
        let is_empty = self.waiting.is_empty() && self.tasks.is_empty() && self.done.is_empty();
        is_empty && matches!(self.state, State::Open | State::Poisoned(_))
    }

    /// Takes what the next turn does: as much as fits into `most` bytes, in order, at least one where there is one.
    pub(crate) fn take(&mut self, most: u64) -> Turn<P, W, T> {
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some(next) = self.waiting.front() {
            bytes += next.bytes;
            if bytes > most && !group.is_empty() {
                break;
            }
            group.extend(self.waiting.pop_front());
        }
        Turn {
            group,
            tasks: mem::take(&mut self.tasks),
            done: mem::take(&mut self.done),
            is_last: self.waiting.is_empty() && matches!(self.state, State::Closing | State::Ended),
        }
    }

    /// Lets nothing in any more because of an error; gives back who waits. The first error stays.
    pub(crate) fn poison(&mut self, error: E) -> Vec<W> {
        if matches!(self.state, State::Open) {
            self.state = State::Poisoned(error);
        }
        self.waiting
            .drain(..)
            .map(|submission| submission.waiter)
            .collect()
    }

    /// Ends: gives back who is left. After a turn that was the last there is nobody.
    pub(crate) fn end(&mut self) -> (Vec<W>, Vec<T>) {
        self.state = State::Ended;
        let waiters = self
            .waiting
            .drain(..)
            .map(|submission| submission.waiter)
            .collect();
        (waiters, mem::take(&mut self.tasks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Queue = Sequencer<u64, &'static str, &'static str, &'static str>;

    fn submission(bytes: u64, waiter: &'static str) -> Submission<u64, &'static str> {
        Submission {
            payload: bytes,
            bytes,
            waiter,
        }
    }

    fn waiters(turn: &Turn<u64, &'static str, &'static str>) -> Vec<&'static str> {
        turn.group.iter().map(|submission| submission.waiter).collect()
    }

    #[test]
    fn a_group_takes_what_fits_in_order_and_one_at_least() {
        let mut queue = Queue::new();
        assert!(queue.is_idle());
        for (bytes, waiter) in [(50, "a"), (4, "b"), (5, "c"), (2, "d")] {
            queue.submit(submission(bytes, waiter)).unwrap();
        }
        assert_eq!(waiters(&queue.take(10)), ["a"]);
        assert_eq!(waiters(&queue.take(10)), ["b", "c"]);
        let last = queue.take(10);
        assert_eq!((waiters(&last), last.is_last), (vec!["d"], false));
        assert!(queue.is_idle());
    }

    #[test]
    fn l4_a_poisoned_queue_gives_back_who_waits_and_lets_nobody_in() {
        let mut queue = Queue::new();
        queue.submit(submission(1, "a")).unwrap();
        assert_eq!(queue.poison("broken"), ["a"]);
        assert!(queue.poison("again").is_empty());
        let refused = queue.submit(submission(1, "b"));
        assert_eq!(refused, Err(("b", Refusal::Poisoned("broken"))));
        // Reading goes on.
        assert!(queue.ask("read").is_ok() && !queue.is_idle());
        assert_eq!(queue.take(1).tasks, ["read"]);
    }

    #[test]
    fn l8_closing_lets_out_what_is_in_and_nobody_in() {
        let mut queue = Queue::new();
        for waiter in ["a", "b"] {
            queue.submit(submission(9, waiter)).unwrap();
        }
        queue.done([1, 2]);
        queue.close();
        assert_eq!(queue.submit(submission(1, "c")), Err(("c", Refusal::Closed)));
        assert_eq!(queue.ask("read"), Err("read"));
        let first = queue.take(10);
        assert_eq!(
            (waiters(&first), first.done, first.is_last),
            (vec!["a"], vec![1, 2], false)
        );
        let second = queue.take(10);
        assert_eq!((waiters(&second), second.is_last), (vec!["b"], true));
        assert_eq!(queue.end(), (vec![], vec![]));
    }
}
