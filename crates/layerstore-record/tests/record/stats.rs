//! Access statistics: beside the record, never part of it.

use layerstore_record::{AccessStats, Millis, Record, RecordValue, Version};

use crate::samples::at;

#[test]
fn an_overwrite_keeps_hits_and_the_later_access() {
    let old = AccessStats::new(Millis(10));
    old.touch(Millis(20));
    old.touch(Millis(30));
    let new = AccessStats::new(Millis(25));
    new.carry_over(&old);
    assert_eq!((new.hits(), new.last_access()), (2, Millis(30)));
    let newer = AccessStats::new(Millis(40));
    newer.carry_over(&new);
    assert_eq!((newer.hits(), newer.last_access()), (2, Millis(40)));
}

#[test]
fn a_wall_clock_set_back_does_not_take_an_access_back() {
    let stats = AccessStats::new(Millis(10));
    stats.touch(Millis(30));
    stats.touch(Millis(20));
    assert_eq!((stats.hits(), stats.last_access()), (2, Millis(30)));
}

#[test]
fn touching_and_storing_change_no_record() {
    let record = || Record::builder(RecordValue::lww(1, at(5, 0, 0)), Version::new(at(5, 0, 0))).build();
    let (touched, untouched) = (record(), record());
    touched.access().touch(Millis(9));
    touched.mark_stored(Millis(7));
    assert_eq!(touched, untouched);
    assert_eq!(
        (touched.last_stored(), untouched.last_stored()),
        (Some(Millis(7)), None)
    );
}

#[test]
fn a_successor_keeps_the_time_of_creation_alone() {
    let first = Record::builder(RecordValue::lww(1, at(5, 0, 0)), Version::new(at(5, 0, 0))).build();
    let second = first
        .successor(RecordValue::lww(2, at(8, 0, 0)), Version::new(at(8, 0, 0)))
        .build();
    assert_eq!((second.created(), second.updated()), (Millis(5), Millis(8)));
    assert_eq!(second.last_stored(), None);
}
