//! R15: every interleaving, with up to three preemptions, of who appends, who closes and the log's thread, under loom.
//!
//! Sequencer, intake and the account of what is pending are the log's own sources, with loom's locks in place of the standard library's.
#![expect(clippy::unwrap_used, reason = "test code: an unexpected answer ends the test")]

use std::sync::atomic::{AtomicU64, Ordering};

use layerstore_testkit::proof;
use loom::sync::Arc;
use loom::thread;

use intake::Intake;
use pending::{Pending, Place};
use sequencer::{Refusal, Submission, Turn};

#[expect(dead_code, reason = "the log uses more of it")]
#[path = "../../src/log/intake.rs"]
mod intake;
#[expect(dead_code, reason = "the log uses more of it")]
#[path = "../../src/log/pending.rs"]
mod pending;
#[path = "../../src/row.rs"]
mod row;
#[path = "../../src/log/sequencer.rs"]
mod sequencer;
mod sync {
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
}

/// How many times a thread may be interrupted.
const PREEMPTIONS: usize = 3;

/// Where an answer is waited for.
#[derive(Debug, Clone, Default)]
struct Slot(Arc<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    answers: sync::Mutex<Vec<Answer>>,
    told: sync::Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Appended(u64),
    Poisoned,
    Closed,
}

type Queue = Intake<u64, Slot, (), ()>;

impl Slot {
    fn tell(&self, answer: Answer) {
        self.0.answers.lock().unwrap().push(answer);
        self.0.told.notify_one();
    }

    fn wait(&self) -> Answer {
        let mut answers = self.0.answers.lock().unwrap();
        while answers.is_empty() {
            answers = self.0.told.wait(answers).unwrap();
        }
        answers[0]
    }

    /// The one answer; none or two would be wrong.
    fn only(&self) -> Answer {
        let answers = self.0.answers.lock().unwrap();
        assert_eq!(answers.len(), 1, "told {answers:?}");
        answers[0]
    }
}

/// A log in memory, with what the real one promises of its order.
struct Log {
    pending: Pending,
    appended: u64,
    fails_at: u64,
    has_failed: bool,
    reported: Vec<u64>,
}

impl Log {
    fn failing_at(group: u64) -> Self {
        Self {
            pending: Pending::default(),
            appended: 0,
            fails_at: group,
            has_failed: false,
            reported: Vec::new(),
        }
    }

    /// Does turns until the last one.
    fn run(&mut self, queue: &Queue, most: u64) {
        let mut groups = 0;
        loop {
            let Turn {
                group, done, is_last, ..
            } = queue.next(most, None);
            if !group.is_empty() {
                groups += 1;
                if groups == self.fails_at {
                    self.fail(queue, &group);
                } else {
                    self.append(&group);
                }
            }
            for sequence in done {
                self.reported.push(sequence);
                self.pending.done(sequence);
            }
            self.check_watermark();
            if is_last {
                break;
            }
        }
        for waiter in queue.end().0 {
            waiter.tell(Answer::Closed);
        }
    }

    fn append(&mut self, group: &[Submission<u64, Slot>]) {
        for submission in group {
            self.appended += 1;
            let place = Place {
                segment: 1,
                offset: submission.payload,
                bytes: 1,
            };
            self.pending.put(self.appended, place);
        }
        // All of a group is written before anybody is told.
        for (submission, sequence) in group.iter().zip(self.appended + 1 - group.len() as u64..) {
            let answer = match self.has_failed {
                true => Answer::Poisoned,
                false => Answer::Appended(sequence),
            };
            submission.waiter.tell(answer);
        }
    }

    fn fail(&mut self, queue: &Queue, group: &[Submission<u64, Slot>]) {
        self.has_failed = true;
        for submission in group {
            submission.waiter.tell(Answer::Poisoned);
        }
        for waiter in queue.poison(()) {
            waiter.tell(Answer::Poisoned);
        }
    }

    fn check_watermark(&self) {
        let watermark = self.pending.watermark();
        for sequence in 1..=watermark {
            assert!(
                self.reported.contains(&sequence),
                "{sequence} is not done, the watermark is {watermark}"
            );
        }
    }
}

fn submit(queue: &Queue, slot: &Slot, payload: u64) {
    let submission = Submission {
        payload,
        bytes: 1,
        waiter: slot.clone(),
    };
    if let Err((waiter, refusal)) = queue.submit(submission) {
        waiter.tell(match refusal {
            Refusal::Closed => Answer::Closed,
            Refusal::Poisoned(()) => Answer::Poisoned,
        });
    }
}

/// Tries every interleaving; says how many there were.
fn explore(model: impl Fn() + Send + Sync + 'static) {
    let count = std::sync::Arc::new(AtomicU64::new(0));
    let counted = std::sync::Arc::clone(&count);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let interleavings = count.load(Ordering::Relaxed);
    assert!(interleavings > 10, "{interleavings}");
    proof::report("R15", &[("interleavings", interleavings), ("violations", 0)]);
}

#[test]
fn r15_everyone_is_answered_once_whenever_the_log_is_closed() {
    explore(|| {
        let queue = Arc::new(Queue::new());
        let slots = [Slot::default(), Slot::default()];
        let appenders: Vec<_> = (0..2)
            .map(|caller| {
                let (queue, slot) = (Arc::clone(&queue), slots[caller].clone());
                thread::spawn(move || submit(&queue, &slot, caller as u64))
            })
            .collect();
        let closer = thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.close()
        });
        let mut log = Log::failing_at(u64::MAX);
        log.run(&queue, 1);
        for thread in appenders {
            thread.join().unwrap();
        }
        closer.join().unwrap();
        let answers = slots.map(|slot| slot.only());
        let appended = answers
            .iter()
            .filter(|answer| matches!(answer, Answer::Appended(_)))
            .count();
        assert_eq!(appended as u64, log.appended, "{answers:?}");
        assert!(answers.iter().all(|answer| *answer != Answer::Poisoned));
    });
}

#[test]
fn r15_nobody_is_told_that_all_is_well_after_a_failure() {
    explore(|| {
        let queue = Arc::new(Queue::new());
        let (first, second, third) = (Slot::default(), Slot::default(), Slot::default());
        let other = thread::spawn({
            let (queue, second) = (Arc::clone(&queue), second.clone());
            move || submit(&queue, &second, 2)
        });
        let one = thread::spawn({
            let (queue, first, third) = (Arc::clone(&queue), first.clone(), third.clone());
            move || {
                submit(&queue, &first, 1);
                let answer = first.wait();
                submit(&queue, &third, 3);
                if answer == Answer::Poisoned {
                    assert_eq!(third.wait(), Answer::Poisoned);
                }
                other.join().unwrap();
                queue.close();
            }
        });
        let mut log = Log::failing_at(2);
        log.run(&queue, 1);
        one.join().unwrap();
        let answers = [first.only(), second.only(), third.only()];
        let appended = answers
            .iter()
            .filter(|answer| matches!(answer, Answer::Appended(_)))
            .count();
        // The second group failed: one was appended before it, none since.
        assert_eq!((appended, log.has_failed), (1, true), "{answers:?}");
    });
}

#[test]
fn r15_the_watermark_never_passes_what_is_not_done() {
    explore(|| {
        let queue = Arc::new(Queue::new());
        let call = |queue: &Queue, payload| {
            let slot = Slot::default();
            submit(queue, &slot, payload);
            match slot.wait() {
                Answer::Appended(sequence) => queue.done([sequence]),
                answer => panic!("{answer:?}"),
            }
        };
        let other = thread::spawn({
            let queue = Arc::clone(&queue);
            move || call(&queue, 1)
        });
        let one = thread::spawn({
            let queue = Arc::clone(&queue);
            move || {
                call(&queue, 2);
                other.join().unwrap();
                queue.close();
            }
        });
        let mut log = Log::failing_at(u64::MAX);
        log.run(&queue, 2);
        one.join().unwrap();
        assert_eq!(
            (log.pending.watermark(), log.pending.len()),
            (2, 0),
            "what was done before closing counts"
        );
    });
}

#[test]
fn r15_a_thread_that_ends_lets_go_of_everyone() {
    explore(|| {
        let queue = Arc::new(Queue::new());
        let slot = Slot::default();
        let appender = thread::spawn({
            let (queue, slot) = (Arc::clone(&queue), slot.clone());
            move || {
                submit(&queue, &slot, 1);
                slot.wait()
            }
        });
        for waiter in queue.end().0 {
            waiter.tell(Answer::Closed);
        }
        assert_eq!(appender.join().unwrap(), Answer::Closed);
        assert_eq!(slot.only(), Answer::Closed);
    });
}
