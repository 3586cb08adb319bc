//! E-lookup: what is there is found, and put and remove tell what was there.

use std::sync::Arc;

use layerstore_record::Key;

use super::EngineSubject;
use super::subject::{get, tells};
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
    let seed = proof::seed();
    for round in 0..proof::scaled(100) {
        let engine = subject.make();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let engine = &*engine;
                scope.spawn(move || {
                    let mut rng = fastrand::Rng::with_seed(seed ^ (round * THREADS + thread));
                    let mut expected = vec![None; 200];
                    for step in 0..1_000 {
                        let index = rng.usize(..expected.len());
                        let key = key(index as u64 * THREADS + thread);
                        let was = expected[index].as_ref();
                        match rng.u8(..4) {
                            0 => assert!(tells(&engine.remove(&key), expected[index].take().as_ref())),
                            1 => assert_eq!(get(engine, &key).as_ref(), was),
                            _ => {
                                let new = record(step);
                                assert!(tells(&engine.put(key, new.clone()), was));
                                expected[index] = Some(new);
                            }
                        }
                    }
                });
            }
        });
    }
}
