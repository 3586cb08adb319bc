//! E-clear: nothing stays that was there.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use layerstore_engine::Cursor;
use layerstore_record::Cost;

use super::EngineSubject;
use super::subject::{contents, get, scan_from};
use crate::proof;
use crate::records::{key, record};

/// A quiet engine is empty afterwards in every respect, at any size, and can be filled again.
pub fn e_clear_removes_everything_and_counts_it(subject: &EngineSubject) {
    let engine = subject.make();
    for size in [0, 1, 63, 3_000, 90_000, 5] {
        (0..size).for_each(|number| drop(engine.put(key(number), record(number))));
        assert_eq!(engine.clear() as u64, size);
        assert_eq!((engine.len(), engine.cost()), (0, Cost::ZERO));
        assert!(scan_from(&*engine, Cursor::start(), 10).is_empty());
        assert!(engine.sample(&mut fastrand::Rng::with_seed(1), 3).is_empty());
        assert!((0..size).all(|number| get(&*engine, &key(number)).is_none()));
    }
}

/// While another thread puts new keys, all old ones go, and what was removed and what stayed adds up.
pub fn e_clear_among_writers_removes_what_was_there(subject: &EngineSubject) {
    const OLD: u64 = 3_000;
    for _ in 0..proof::scaled(200) {
        let engine = subject.make();
        (0..OLD).for_each(|number| drop(engine.put(key(number), record(number))));
        let (done, written) = (AtomicBool::new(false), AtomicU64::new(0));
        let cleared = thread::scope(|scope| {
            scope.spawn(|| {
                // At most so many: the clear has to come to its end on a busy machine too.
                for number in (OLD..2 * OLD).take_while(|_| !done.load(Ordering::Acquire)) {
                    engine.put(key(number), record(number));
                    written.fetch_add(1, Ordering::Relaxed);
                }
            });
            let cleared = engine.clear() as u64;
            done.store(true, Ordering::Release);
            cleared
        });
        let left = contents(&*engine);
        assert!(
            (0..OLD).all(|number| !left.contains_key(&key(number))),
            "an old key stayed"
        );
        assert_eq!(engine.len(), left.len());
        assert_eq!(cleared + left.len() as u64, OLD + written.into_inner());
    }
}

/// Clears side by side remove every record once between them.
pub fn e_clear_side_by_side_counts_no_record_twice(subject: &EngineSubject) {
    for _ in 0..proof::scaled(200) {
        let engine = subject.make();
        (0..2_000).for_each(|number| drop(engine.put(key(number), record(number))));
        let removed: usize = thread::scope(|scope| {
            let clears: Vec<_> = (0..4).map(|_| scope.spawn(|| engine.clear())).collect();
            clears
                .into_iter()
                .map(|clear| clear.join().expect("no thread panicked"))
                .sum()
        });
        assert_eq!((removed, engine.len()), (2_000, 0));
    }
}
