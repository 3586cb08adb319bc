//! R11: what threads see of a key is explained by one order of their calls, while the engine grows.

use std::sync::Arc;
use std::thread;

use fastrand::Rng;
use layerstore_engine::{Computed, Decision, Previous, StorageEngine};
use layerstore_record::{Key, Record};

use super::EngineSubject;
use super::subject::{compute, get, number};
use crate::linearizability::{Checked, Recorder, Register, RegisterOp, RegisterOutput, Stamps, check_by_key};
use crate::proof;
use crate::records::{key, record};

/// The full figure.
const HISTORIES: u64 = 10_000;
const CALLS: u64 = 1_000;
const THREADS: u64 = 8;
/// Few, so that calls of different threads meet.
const KEYS: u64 = 4;

/// Eight threads look up, borrow, put, put if, remove and compute on four keys while the engine fills with others.
pub fn r11_calls_on_a_key_are_linearizable_while_the_engine_grows(subject: &EngineSubject) {
    let seed = proof::seed();
    let histories = proof::scaled(HISTORIES);
    let mut calls = 0;
    for history in 0..histories {
        let seed = seed.wrapping_add(history);
        calls += run(&*subject.make(), seed, CALLS).calls;
    }
    let counts = [
        ("histories", histories),
        ("calls", calls),
        ("threads", THREADS),
        ("seed", seed),
        ("violations", 0),
    ];
    proof::report("R11", &counts);
}

/// Makes one history and checks it.
fn run(engine: &dyn StorageEngine, seed: u64, calls: u64) -> Checked {
    let mut rng = Rng::with_seed(seed);
    // Up to 8,000 other keys: the stripes or shards and the tables grow once, twice or not at all.
    let others = [0, 1, 2, 8][rng.usize(..4)];
    let stamps = Stamps::new();
    let recorders: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let caller = Caller {
                    engine,
                    recorder: Recorder::new(&stamps),
                    rng: rng.fork(),
                    thread,
                    others,
                };
                scope.spawn(move || caller.run(calls / THREADS))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no caller panicked"))
            .collect()
    });
    match check_by_key(&Register, recorders) {
        Ok(checked) => checked,
        Err(violation) => panic!("history of seed {seed}: {violation}"),
    }
}

/// One thread of a history.
struct Caller<'a> {
    engine: &'a dyn StorageEngine,
    recorder: Recorder<'a, u64, RegisterOp, RegisterOutput>,
    rng: Rng,
    thread: u64,
    others: u64,
}

impl<'a> Caller<'a> {
    fn run(mut self, calls: u64) -> Recorder<'a, u64, RegisterOp, RegisterOutput> {
        let mut seen = [None; KEYS as usize];
        for call in 0..calls {
            self.grow(call);
            let index = self.rng.u64(..KEYS);
            // Odd and even, and no two alike in a history.
            let new = 2 * (call * THREADS + self.thread) + self.rng.u64(..2);
            let op = self.choose(seen[index as usize], new);
            let (engine, pause) = (self.engine, self.rng.u8(..6) == 0);
            let last = &mut seen[index as usize];
            self.recorder.call(index, op, |op| {
                let output = perform(engine, &key(index), *op, pause);
                if let RegisterOutput::Value(found) = output {
                    *last = found;
                }
                output
            });
        }
        self.recorder
    }

    /// Puts other records into the engine, and takes some out.
    fn grow(&mut self, call: u64) {
        for other in 0..self.others {
            let number = 1_000 + (call * self.others + other) * THREADS + self.thread;
            self.engine.put(key(number), record(number));
            if self.rng.u8(..8) == 0 {
                self.engine.remove(&key(number));
            }
        }
    }

    fn choose(&mut self, seen: Option<u64>, new: u64) -> RegisterOp {
        match self.rng.u8(..10) {
            0..=3 => RegisterOp::Get,
            4 | 5 => RegisterOp::Put(new),
            6 => RegisterOp::PutIf {
                expected: seen,
                put: new,
            },
            7 => RegisterOp::Remove,
            _ => RegisterOp::Toggle(new),
        }
    }
}

/// Does to the engine what the register is asked. A pause in the middle lets the other threads in.
fn perform(engine: &dyn StorageEngine, key: &Key, op: RegisterOp, pause: bool) -> RegisterOutput {
    let wait = || {
        if pause {
            thread::yield_now();
        }
    };
    match op {
        RegisterOp::Get => RegisterOutput::Value(if pause {
            borrowed(engine, key)
        } else {
            numbered(get(engine, key))
        }),
        RegisterOp::Put(new) => {
            wait();
            replaced(engine.put(key.clone(), record(new)))
        }
        RegisterOp::Remove => {
            wait();
            replaced(engine.remove(key))
        }
        RegisterOp::PutIf { expected, put } => {
            let computed = compute(engine, key, |found| {
                wait();
                if found.map(|record| number(record)) == expected {
                    Decision::Put(record(put))
                } else {
                    Decision::Keep
                }
            });
            RegisterOutput::Done(matches!(computed, Computed::Put(_)))
        }
        RegisterOp::Toggle(new) => {
            let mut found_number = None;
            compute(engine, key, |found| {
                found_number = found.map(|record| number(record));
                wait();
                match Register::toggled(found_number, new) {
                    Some(new) => Decision::Put(record(new)),
                    None => Decision::Remove,
                }
            });
            RegisterOutput::Value(found_number)
        }
    }
}

fn borrowed(engine: &dyn StorageEngine, key: &Key) -> Option<u64> {
    let mut found = None;
    let read = engine.read(key, &mut |record| {
        thread::yield_now();
        found = Some(number(record));
    });
    // Not resident is not the same as not there.
    if read { found } else { numbered(get(engine, key)) }
}

fn replaced(previous: Previous) -> RegisterOutput {
    match previous {
        Previous::Absent => RegisterOutput::Value(None),
        Previous::Present(record) => RegisterOutput::Value(Some(number(&record))),
        Previous::Cold => RegisterOutput::Unread,
    }
}

fn numbered(record: Option<Arc<Record>>) -> Option<u64> {
    record.map(|record| number(&record))
}
