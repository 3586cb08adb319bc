//! D5: records come back as they were, until they end.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{Expect, MapDataStore, ScanRequest, Write};
use layerstore_record::{
    Clock, Expiry, Fields, Key, MapName, Millis, NodeId, OrEntries, Record, RecordValue, Tags, Timestamp,
    Value,
};

use super::fixture::Subject;
use super::steps::{
    answer, applied, assert_conflict, assert_held, assert_stale, ending, held, keys, load, map, put, removal,
    scanned,
};
use crate::records::{key, version};

const MINUTE: u64 = 60_000;

fn until(now: Millis, millis: u64) -> Expiry {
    Expiry {
        deadline: Some(now.plus(millis)),
        ..Expiry::NEVER
    }
}

/// Expects a key to be answered as absent by every way of reading.
async fn assert_gone(store: &Arc<dyn MapDataStore>, map: &MapName, gone: &Key, why: &str) {
    assert_eq!(load(store, map, gone).await, None, "{why} (load)");
    let all = store
        .load_all(map, std::slice::from_ref(gone))
        .await
        .expect("a load works");
    assert_eq!(all, [None], "{why} (load_all)");
    assert!(!keys(store, map).await.contains(gone), "{why} (scan)");
    let with_tombstones = scanned(store, map, ScanRequest::first(9).with_tombstones()).await;
    assert!(
        with_tombstones.iter().all(|(key, _)| key != gone),
        "{why} (scan with tombstones)"
    );
}

/// Checks both kinds of deadline, to the millisecond. Of an idle deadline the store knows what was persisted, which reads
/// have moved since: `persisted_end` says how long it must wait.
pub async fn d5_an_expired_record_is_not_returned(subject: &Subject) {
    let (map, clock) = (map("map"), subject.clock());
    let store = subject.open_for(&[&map]).await;
    let now = clock.now();
    let idle = Expiry {
        deadline: None,
        max_idle: Some(MINUTE),
        idle_deadline: Some(now.plus(MINUTE)),
    };
    let ends = [
        until(now, MINUTE),
        idle,
        Expiry {
            deadline: Some(now.plus(3 * MINUTE)),
            ..idle
        },
        Expiry {
            deadline: Some(now.plus(MINUTE / 2)),
            ..idle
        },
    ];
    let writes = ends
        .iter()
        .zip(1..)
        .map(|(expiry, number)| ending(&map, &key(number), number, *expiry));
    applied(&store, writes.chain([put(&map, &key(9), 9)]).collect()).await;
    let mut last: Vec<(Millis, u64)> = ends
        .iter()
        .zip(1..)
        .map(|(expiry, number)| (expiry.persisted_end().unwrap_or(now), number))
        .collect();
    last.sort_unstable();
    for (end, number) in last {
        clock.set(Millis(end.0 - 1));
        let found = held(&store, &map, &key(number)).await;
        assert_eq!(
            found,
            Some(version(number)),
            "D5: before its end a record is returned (key {number})"
        );
        assert!(
            keys(&store, &map).await.contains(&key(number)),
            "D5: before its end a record is scanned"
        );
        clock.set(end);
        assert_gone(
            &store,
            &map,
            &key(number),
            "D5: at its end a record is returned no more",
        )
        .await;
    }
    assert_held(
        &store,
        &map,
        &key(9),
        Some(9),
        "D5: a record without an end stays",
    )
    .await;
    let store = subject.reopen(store).await;
    for number in 1..=4 {
        assert_gone(
            &store,
            &map,
            &key(number),
            "D5: an ended record does not come back after a restart",
        )
        .await;
    }
}

/// Checks that a restart neither extends nor shortens a lifetime.
pub async fn d5_what_remains_of_a_lifetime_outlives_a_restart(subject: &Subject) {
    let (map, clock) = (map("map"), subject.clock());
    let store = subject.open_for(&[&map]).await;
    let expiry = until(clock.now(), MINUTE);
    applied(&store, vec![ending(&map, &key(1), 1, expiry)]).await;
    clock.advance(Duration::from_millis(MINUTE / 2));
    let store = subject.reopen(store).await;
    let found = load(&store, &map, &key(1))
        .await
        .expect("D5: half of its lifetime is left");
    assert_eq!(found.expiry(), expiry, "D5: the absolute end comes back");
    clock.advance(Duration::from_millis(MINUTE / 2 - 1));
    assert_eq!(
        held(&store, &map, &key(1)).await,
        Some(version(1)),
        "D5: a restart does not shorten a lifetime"
    );
    clock.advance(Duration::from_millis(1));
    assert_gone(
        &store,
        &map,
        &key(1),
        "D5: a restart does not start a lifetime anew",
    )
    .await;
}

/// Checks conditions and the fence against a record that has ended.
pub async fn d5_an_expired_record_is_absent_to_conditions_and_still_fences(subject: &Subject) {
    let (map, clock) = (map("map"), subject.clock());
    let store = subject.open_for(&[&map]).await;
    applied(&store, vec![ending(&map, &key(1), 5, until(clock.now(), MINUTE))]).await;
    let there = answer(&store, put(&map, &key(1), 6).expecting(Expect::Absent)).await;
    assert_conflict(&there, Some(5), "D5: before its end a record is there");
    clock.advance(Duration::from_millis(MINUTE));
    assert_stale(
        &answer(&store, put(&map, &key(1), 4)).await,
        5,
        "D5: an ended record still fences what is older",
    );
    let other = answer(
        &store,
        put(&map, &key(1), 6).expecting(Expect::Version(version(5))),
    )
    .await;
    assert_conflict(&other, None, "D5: an ended record is no version to expect");
    let anew = answer(&store, put(&map, &key(1), 6).expecting(Expect::Absent)).await;
    assert!(
        anew.is_applied(),
        "D5: an ended record counts as absent: {anew:?}"
    );
    assert_held(
        &store,
        &map,
        &key(1),
        Some(6),
        "D5: a record written anew does not inherit the end",
    )
    .await;
}

/// Checks every kind of record and value, their times and ends, before and after a restart.
pub async fn d5_everything_comes_back_as_it_was_written(subject: &Subject) {
    let map = map("map");
    let mut store = subject.open_for(&[&map]).await;
    let now = subject.clock().now();
    let records: Vec<Arc<Record>> = values()
        .into_iter()
        .zip(1..)
        .map(|(value, number)| {
            let ends = Expiry::starting(
                now,
                Some(Duration::from_secs(number * 60)),
                Some(Duration::from_secs(50)),
            );
            let record = Record::builder(value, version(number))
                .created(Millis(number * 3))
                .updated(Millis(number * 5))
                .expiry(if number % 2 == 0 {
                    ends.expect("an end within the calendar")
                } else {
                    Expiry::NEVER
                });
            Arc::new(record.build())
        })
        .collect();
    let keyed = || {
        records
            .iter()
            .zip(1..)
            .map(|(record, number)| (key(number), record))
    };
    applied(
        &store,
        keyed()
            .map(|(key, record)| Write::new(map.clone(), key, Arc::clone(record)))
            .collect(),
    )
    .await;
    for round in ["at once", "after a restart"] {
        for (key, written) in keyed() {
            let found = load(&store, &map, &key).await;
            assert_eq!(
                found.as_ref(),
                Some(&**written),
                "D5: value, version, times and end come back, {round}"
            );
        }
        let scanned = scanned(&store, &map, ScanRequest::first(4).with_tombstones()).await;
        let mut expected: Vec<(Key, &Record)> = keyed().map(|(key, record)| (key, &**record)).collect();
        expected.sort_by(|(one, _), (other, _)| one.cmp(other));
        let found: Vec<(Key, &Record)> = scanned
            .iter()
            .map(|(key, record)| (key.clone(), record))
            .collect();
        assert_eq!(
            found, expected,
            "D5: a scan returns records as they were written, {round}"
        );
        store = subject.reopen(store).await;
    }
}

/// Record values of every kind, with the corners of every shape of value.
fn values() -> Vec<RecordValue> {
    let at = |millis| Timestamp::new(Millis(millis), 3, NodeId(u64::MAX));
    let fields = vec![("".into(), Value::Null), ("\0é".into(), Value::Array([].into()))];
    let fields = Fields::new(fields).expect("different names");
    let plain = [
        Value::Null,
        Value::Bool(true),
        Value::I64(i64::MIN),
        Value::U64(u64::MAX),
        Value::F64(-0.0),
        Value::F64(f64::NAN),
        Value::F64(f64::MIN_POSITIVE / 2.0),
        Value::from(""),
        Value::from("a\0😀"),
        Value::from(&[0_u8, 255, 0][..]),
        Value::Map(fields.clone()),
        deep(layerstore_record::MAX_DEPTH),
    ];
    let entries = OrEntries::new(vec![(at(1), Value::Map(fields)), (at(2), Value::from(7_u64))]);
    let tags = Tags::new(vec![(at(3), at(8)), (at(4), at(9))]);
    let others = [
        RecordValue::Tombstone { timestamp: at(9) },
        RecordValue::or_map(entries.clone(), Tags::default()),
        RecordValue::or_map(entries, tags.clone()),
        RecordValue::OrTombstones { tags },
        RecordValue::lww(1_u64, Timestamp::MAX),
    ];
    plain
        .into_iter()
        .map(|value| RecordValue::lww(value, at(5)))
        .chain(others)
        .collect()
}

/// Arrays within each other, this many.
fn deep(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |inner, _| Value::Array([inner].into()))
}

/// Checks both kinds of tombstone.
pub async fn d5_tombstones_come_back_as_such(subject: &Subject) {
    let map = map("map");
    let mut store = subject.open_for(&[&map]).await;
    let tags = Tags::new(vec![(version(3).timestamp(), version(4).timestamp())]);
    let or_removal = Record::builder(RecordValue::OrTombstones { tags }, version(4)).build();
    let or_removal = Write::new(map.clone(), key(2), Arc::new(or_removal));
    applied(&store, vec![removal(&map, &key(1), 4), or_removal.clone()]).await;
    for round in ["at once", "after a restart"] {
        let lww = load(&store, &map, &key(1))
            .await
            .expect("D5: a tombstone is loaded");
        assert_eq!(
            lww,
            *removal(&map, &key(1), 4).record,
            "D5: a tombstone comes back as such, {round}"
        );
        let or_map = load(&store, &map, &key(2))
            .await
            .expect("D5: a tombstone is loaded");
        assert_eq!(
            or_map, *or_removal.record,
            "D5: the tags of removed entries come back, {round}"
        );
        assert!(
            keys(&store, &map).await.is_empty(),
            "D5: a scan of values returns no tombstone, {round}"
        );
        store = subject.reopen(store).await;
    }
}

/// Checks `load_all` with keys that repeat, are missing, were removed or have ended.
pub async fn d5_several_keys_are_answered_in_the_order_given(subject: &Subject) {
    let (map, clock) = (map("map"), subject.clock());
    let store = subject.open_for(&[&map]).await;
    applied(
        &store,
        vec![
            put(&map, &key(1), 1),
            removal(&map, &key(2), 2),
            ending(&map, &key(3), 3, until(clock.now(), MINUTE)),
            put(&map, &key(4), 4),
        ],
    )
    .await;
    clock.advance(Duration::from_millis(MINUTE));
    let asked = [key(4), key(2), key(9), key(1), key(3), key(4)];
    let found = store.load_all(&map, &asked).await.expect("several keys are read");
    let found: Vec<_> = found
        .iter()
        .map(|record| record.as_ref().map(layerstore_record::Record::version))
        .collect();
    let expected =
        [Some(4), Some(2), None, Some(1), None, Some(4)].map(|number: Option<u64>| number.map(version));
    assert_eq!(
        found, expected,
        "D5: load_all answers for each key, in the order given, as load would"
    );
    let none = store.load_all(&map, &[]).await.expect("no keys are read");
    assert!(none.is_empty(), "load_all of no keys answers nothing");
}
