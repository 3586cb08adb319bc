//! E-borrow: a record is read in place.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use layerstore_engine::Previous;

use super::EngineSubject;
use super::subject::{get, tells};
use crate::records::{key, record};

/// The closure is called with the very record, once, or not at all.
pub fn e_borrow_sees_the_record_in_place(subject: &EngineSubject) {
    let engine = subject.make();
    let record = record(1);
    engine.put(key(1), record.clone());
    let mut calls = 0;
    let resident = engine.lookup(&key(1)).hit().is_some();
    let read = engine.read(&key(1), &mut |found| {
        assert!(Arc::ptr_eq(found, &record));
        calls += 1;
    });
    assert_eq!((read, calls), (resident, i32::from(resident)));
    engine.remove(&key(1));
    assert!(!engine.read(&key(1), &mut |_| panic!("nothing is there")));
    assert!(!engine.read(&key(2), &mut |_| panic!("nothing is there")));
}

/// What is borrowed stays whole while other threads replace and remove it, and many others.
pub fn e_borrow_lasts_while_others_write(subject: &EngineSubject) {
    let engine = subject.make();
    engine.put(key(1), record(1));
    let read = engine.read(&key(1), &mut |found| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                engine.put(key(1), record(2));
                engine.remove(&key(1));
                (0..2_000).for_each(|number| drop(engine.put(key(number), record(3))));
                engine.clear();
            });
        });
        assert_eq!(**found, *record(1));
    });
    assert_eq!(engine.len(), if read { 0 } else { 1 });
}

/// A reader that panics takes nothing with it.
pub fn e_borrow_a_panicking_reader_leaves_everything_as_it_was(subject: &EngineSubject) {
    let engine = subject.make();
    let first = record(1);
    engine.put(key(1), first.clone());
    let read = catch_unwind(AssertUnwindSafe(|| {
        engine.read(&key(1), &mut |_| panic!("on purpose"))
    }));
    assert!(read.is_err() || engine.lookup(&key(1)).hit().is_none());
    assert!(get(&*engine, &key(1)).is_some_and(|found| Arc::ptr_eq(&found, &first)));
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(tells(&engine.put(key(1), record(2)), Some(&first))));
    });
    assert!(!matches!(engine.remove(&key(1)), Previous::Absent));
    assert!(engine.is_empty());
}
