//! Records of every kind, from a seeded generator, and mutations that tell an observer of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use layerstore_observer::{
    MerkleObserver, Mutation, MutationEvent, MutationObserver, PreviousValue, RemoveReason,
};
use layerstore_record::{
    Key, MapName, Millis, NodeId, OrEntries, Provenance, Record, RecordValue, Tags, Timestamp, Value, Version,
};

/// What the keys of a map hold.
pub(crate) type Held = BTreeMap<Key, RecordValue>;

pub(crate) fn map() -> MapName {
    MapName::new("map").unwrap()
}

pub(crate) fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp::new(Millis(millis), 0, NodeId(7))
}

pub(crate) fn record(value: RecordValue, version: u64) -> Arc<Record> {
    Arc::new(Record::builder(value, Version::new(at(version))).build())
}

/// A complete observer of a map without records.
pub(crate) fn observer() -> MerkleObserver {
    let observer = MerkleObserver::new("merkle", map(), 0);
    observer.rebuild().finish().unwrap();
    observer
}

pub(crate) fn tell(observer: &MerkleObserver, event: MutationEvent<'_>) {
    observer
        .on_mutation(&Mutation::new(&map(), Provenance::Client, event))
        .unwrap();
}

/// Tells of a value, or of a removal, as a blind write does: what was there before is not known.
pub(crate) fn tell_of(observer: &MerkleObserver, key: &Key, value: &RecordValue, version: u64) {
    let record = &record(value.clone(), version);
    let previous = PreviousValue::Unknown;
    let event = if value.is_tombstone() {
        let (tombstone, reason) = (Some(record), RemoveReason::Removed);
        MutationEvent::Remove {
            key,
            tombstone,
            previous,
            reason,
        }
    } else {
        MutationEvent::Update {
            key,
            record,
            previous,
        }
    };
    tell(observer, event);
}

/// Tells of everything, in the order of the keys.
pub(crate) fn observer_of(held: &Held) -> MerkleObserver {
    let observer = observer();
    for (key, value) in held {
        tell_of(&observer, key, value, 1);
    }
    observer
}

pub(crate) fn any_key(rng: &mut fastrand::Rng) -> Key {
    // Few short ones, which come again, and some that share a long beginning.
    match rng.u8(..4) {
        0 => key(&format!(
            "{}/{}",
            "a/long/path/that/many/keys/have".repeat(3),
            rng.u16(..500)
        )),
        1 => key(&rng.u8(..).to_string()),
        _ => key(&format!("user:{}", rng.u16(..2_000))),
    }
}

pub(crate) fn any_record_value(rng: &mut fastrand::Rng) -> RecordValue {
    let written = at(rng.u64(1..1_000));
    match rng.u8(..8) {
        0 => RecordValue::Tombstone { timestamp: written },
        1 => RecordValue::OrTombstones { tags: any_tags(rng) },
        2 => {
            let entries = (0..rng.u8(1..4)).map(|_| (at(rng.u64(2_000..3_000)), any_value(rng)));
            RecordValue::or_map(OrEntries::new(entries.collect()), any_tags(rng))
        }
        _ => RecordValue::lww(any_value(rng), written),
    }
}

fn any_tags(rng: &mut fastrand::Rng) -> Tags {
    let tags = (0..rng.u8(1..4)).map(|_| (at(rng.u64(1..1_000)), at(rng.u64(1_000..2_000))));
    Tags::new(tags.collect())
}

fn any_value(rng: &mut fastrand::Rng) -> Value {
    match rng.u8(..8) {
        0 => Value::Null,
        1 => rng.bool().into(),
        2 => Value::I64(-rng.i64(1..100)),
        3 => rng.u64(..100).into(),
        4 => Value::F64([0.0, -0.0, 1.5, f64::NAN][rng.usize(..4)]),
        5 => Value::Bytes(vec![rng.u8(..); rng.usize(..40)].into()),
        6 => Value::Array((0..rng.u8(..3)).map(|_| any_value(rng)).collect()),
        _ => "text".repeat(rng.usize(..20)).as_str().into(),
    }
}
