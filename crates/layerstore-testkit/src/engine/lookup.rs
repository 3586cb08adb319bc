//! E-lookup: what is there is found, and put and remove tell what was there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use layerstore_engine::{Decision, Previous, StorageEngine};
use layerstore_record::{Cost, Key, Record};

use super::EngineSubject;
use super::subject::{contents, get, tells};
use crate::proof;
use crate::records::{key, record};

const THREADS: u64 = 8;

/// Records come back as they were put, keys that were never put or were removed do not.
pub fn e_lookup_answers_what_was_put(subject: &EngineSubject) {
    let engine = subject.make();
    let records: Vec<_> = (0..3_000).map(record).collect();
    for (number, record) in (0..).zip(&records) {
        assert!(get(&*engine, &key(number)).is_none());
        engine.put(key(number), record.clone());
    }
    for (number, record) in (0..).zip(&records) {
        assert!(get(&*engine, &key(number)).is_some_and(|found| Arc::ptr_eq(&found, record)));
        assert!(get(&*engine, &key(number + 3_000)).is_none());
    }
    for number in (0..3_000).step_by(2) {
        engine.remove(&key(number));
    }
    for number in 0..3_000 {
        assert_eq!(get(&*engine, &key(number)).is_some(), number % 2 == 1);
    }
}

/// Absent, present and cold are told apart, and the record that was there is handed back.
pub fn e_lookup_put_and_remove_tell_what_was_there(subject: &EngineSubject) {
    let engine = subject.make();
    let (first, second) = (record(1), record(2));
    assert!(tells(&engine.remove(&key(1)), None));
    assert!(tells(&engine.put(key(1), first.clone()), None));
    assert!(tells(&engine.put(key(1), second.clone()), Some(&first)));
    assert!(tells(&engine.remove(&key(1)), Some(&second)));
    assert!(tells(&engine.remove(&key(1)), None));
    assert!(tells(&engine.put(key(1), first), None));
}

/// Keys of any content and length are keys of their own.
pub fn e_lookup_keys_are_told_apart_to_the_last_byte(subject: &EngineSubject) {
    let engine = subject.make();
    let long = "k".repeat(1_023);
    let texts = [
        "k", "K", "\0", "k\0", "k\0\0", "../k", "k/", "é", "e\u{301}", "😀", " ", "k ", "\n",
    ];
    let lengths = (1..64).map(|length| "x".repeat(length));
    let texts = texts.into_iter().map(str::to_owned).chain(lengths);
    let texts = texts.chain([format!("{long}a"), format!("{long}b")]);
    let keys: Vec<_> = texts.map(|text| Key::new(text).expect("a key")).collect();
    for (number, key) in (0..).zip(&keys) {
        assert!(tells(&engine.put(key.clone(), record(number)), None), "{key:?}");
    }
    for (number, key) in (0..).zip(&keys) {
        assert!(
            get(&*engine, key).is_some_and(|found| *found == *record(number)),
            "{key:?}"
        );
    }
    assert_eq!(engine.len(), keys.len());
}

/// Threads with keys of their own find each call answered as if they were alone, while the engine grows.
pub fn e_lookup_threads_do_not_disturb_each_other(subject: &EngineSubject) {
    let mut rng = fastrand::Rng::with_seed(proof::seed());
    for round in 0..proof::scaled(2_000) {
        let engine = subject.make();
        // Mostly small engines, which grow while everybody waits for the same lock.
        let keys = if round % 20 == 0 { 400 } else { 40 };
        let left: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let alone = Alone {
                        engine: &*engine,
                        rng: rng.fork(),
                        thread,
                        expected: vec![None; keys],
                    };
                    scope.spawn(move || alone.run(keys * 5))
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("no thread panicked"))
                .sum()
        });
        assert_eq!((engine.len(), contents(&*engine).len()), (left, left));
    }
}

/// A thread, the only one that uses its keys.
struct Alone<'a> {
    engine: &'a dyn StorageEngine,
    rng: fastrand::Rng,
    thread: u64,
    expected: Vec<Option<Arc<Record>>>,
}

impl Alone<'_> {
    /// Returns how many records it left.
    fn run(mut self, steps: usize) -> usize {
        for step in 0..steps as u64 {
            let index = self.rng.usize(..self.expected.len());
            let key = key(index as u64 * THREADS + self.thread);
            let expected = &mut self.expected[index];
            match self.rng.u8(..4) {
                0 => assert!(tells(&self.engine.remove(&key), expected.take().as_ref())),
                1 => assert_eq!(get(self.engine, &key), *expected),
                _ => {
                    let new = record(step);
                    let previous = self.engine.put(key, new.clone());
                    assert!(tells(&previous, expected.replace(new).as_ref()));
                }
            }
        }
        self.expected.iter().flatten().count()
    }
}

/// Writers wait for a lock while its holder makes the engine grow: what they put is where it belongs.
pub fn e_lookup_a_writer_that_waited_while_the_engine_grew_is_not_lost(subject: &EngineSubject) {
    for _ in 0..proof::scaled(200) {
        let engine = subject.make();
        let steps = Steps::default();
        thread::scope(|scope| {
            for thread in 1..THREADS {
                let (engine, steps) = (&*engine, &steps);
                scope.spawn(move || steps.wait_and_put(engine, thread));
            }
            steps.hold_and_grow(&*engine);
        });
        for number in THREADS..(Steps::COUNT + 1) * THREADS {
            let removed = engine.remove(&key(number));
            assert!(!matches!(removed, Previous::Absent), "{number} was lost");
            assert!(
                removed.record().is_none_or(|found| *found == *record(number)),
                "not {number}'s own"
            );
        }
        assert_eq!((engine.len(), engine.cost()), (0, Cost::ZERO));
    }
}

/// Lets one thread hold a key while all others are about to write.
#[derive(Default)]
struct Steps {
    /// The step that has begun.
    begun: AtomicU64,
    /// How many writers said that they are about to write, in all steps.
    ready: AtomicU64,
    /// How many have written.
    done: AtomicU64,
}

impl Steps {
    const COUNT: u64 = 100;
    const WAITING: u64 = THREADS - 1;

    fn hold_and_grow(&self, engine: &dyn StorageEngine) {
        let _release = ReleaseOnPanic(self);
        for step in 1..=Self::COUNT {
            wait_until(&self.done, (step - 1) * Self::WAITING);
            engine.compute(&key(step * THREADS), &mut |_| {
                self.begun.store(step, Ordering::Release);
                wait_until(&self.ready, step * Self::WAITING);
                // They said that they are about to wait: let them.
                (0..2).for_each(|_| thread::yield_now());
                Decision::Put(record(step * THREADS))
            });
        }
    }

    fn wait_and_put(&self, engine: &dyn StorageEngine, thread: u64) {
        let _release = ReleaseOnPanic(self);
        for step in 1..=Self::COUNT {
            wait_until(&self.begun, step);
            self.ready.fetch_add(1, Ordering::AcqRel);
            engine.put(key(step * THREADS + thread), record(step * THREADS + thread));
            self.done.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// Keeps the other threads from waiting for one that panicked.
struct ReleaseOnPanic<'a>(&'a Steps);

impl Drop for ReleaseOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let Steps { begun, ready, done } = self.0;
            for count in [begun, ready, done] {
                count.store(u64::MAX / 2, Ordering::Release);
            }
        }
    }
}

fn wait_until(count: &AtomicU64, enough: u64) {
    while count.load(Ordering::Acquire) < enough {
        thread::yield_now();
    }
}
