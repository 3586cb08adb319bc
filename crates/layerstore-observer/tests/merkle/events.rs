//! What each event does to a tree, and what does nothing.

use std::time::Duration;

use layerstore_observer::{
    LeafHash, Mutation, MutationEvent, MutationObserver, Ownership, PreviousValue, RemoveReason,
};
use layerstore_record::{
    Expiry, Fields, MapName, Millis, OrEntries, Provenance, Record, RecordValue, Tags, Value, Version,
};

use crate::samples::{at, key, map, observer, record, tell, tell_of};

#[test]
fn t2_eviction_access_loads_versions_and_expiry_change_nothing() {
    let observer = observer();
    let (key, value) = (key("alice"), RecordValue::lww("Alice", at(5)));
    let first = record(value.clone(), 5);
    tell(
        &observer,
        MutationEvent::Put {
            key: &key,
            record: &first,
        },
    );
    let root = observer.root();
    first
        .access()
        .carry_over(&layerstore_record::AccessStats::new(Millis(9)));
    tell(
        &observer,
        MutationEvent::Evict {
            key: &key,
            record: &first,
        },
    );
    assert_eq!(observer.root(), root, "after an eviction");
    tell(
        &observer,
        MutationEvent::Load {
            key: &key,
            record: &first,
        },
    );
    assert_eq!(observer.root(), root, "after a load");
    let expiry = Expiry::starting(Millis(8), Some(Duration::from_secs(1)), None).unwrap();
    let later = Record::builder(value, Version::new(at(8))).expiry(expiry).build();
    let (record, previous) = (&later.into(), PreviousValue::Known(&first));
    tell(
        &observer,
        MutationEvent::Update {
            key: &key,
            record,
            previous,
        },
    );
    assert_eq!(observer.root(), root, "after a new version with another expiry");
}

#[test]
fn t2_value_timestamp_removal_and_key_change_the_root() {
    let values = [
        RecordValue::lww("Alice", at(5)),
        RecordValue::lww("alice", at(5)),
        RecordValue::lww("Alice", at(6)),
        RecordValue::Tombstone { timestamp: at(5) },
    ];
    let hashes = values
        .iter()
        .flat_map(|value| ["a", "b"].map(|name| LeafHash::of(&key(name), value)));
    let mut hashes: Vec<LeafHash> = hashes.collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 8);
}

#[test]
fn t1_a_leaf_hashes_to_what_it_always_did() {
    let fields = Fields::new(vec![("a".into(), Value::F64(-0.0)), ("b".into(), Value::Null)]);
    let value = Value::Array([Value::I64(-1), true.into(), Value::Map(fields.unwrap())].into());
    let entries = OrEntries::new(vec![(at(9), value)]);
    let values = [
        RecordValue::lww("Alice", at(5)),
        RecordValue::Tombstone { timestamp: at(5) },
        RecordValue::or_map(entries, Tags::new(vec![(at(1), at(2))])),
        RecordValue::OrTombstones {
            tags: Tags::new(vec![(at(1), at(2))]),
        },
    ];
    let hashes = values.map(|value| format!("{:?}", LeafHash::of(&key("alice"), &value)));
    assert_eq!(
        hashes,
        [
            "56a26c5d9ccecd8d290da32a39da0495",
            "a40bd731b831f1aec3c3ecc005c33fb2",
            "bfe14af5917309ce01a1ec1ca8b124fb",
            "7f9c705f4f35037c4be9e94ee13179d9",
        ]
    );
}

#[test]
fn t3_a_blind_write_of_an_evicted_record_replaces_its_leaf() {
    let (observer, direct) = (observer(), crate::samples::observer());
    let (key, old, new) = (
        key("k"),
        RecordValue::lww(1_u64, at(1)),
        RecordValue::lww(2_u64, at(2)),
    );
    tell_of(&observer, &key, &old, 1);
    let evicted = &record(old, 1);
    tell(
        &observer,
        MutationEvent::Evict {
            key: &key,
            record: evicted,
        },
    );
    assert_eq!(observer.root().unwrap().leaves(), 1, "it stays covered");
    tell_of(&observer, &key, &new, 2);
    tell_of(&direct, &key, &new, 9);
    assert_eq!(observer.root(), direct.root());
}

#[test]
fn records_of_others_and_backups_are_not_covered() {
    let observer = observer();
    let (key, record) = (&key("k"), &record(RecordValue::lww(1_u64, at(1)), 1));
    let (map, other) = (map(), MapName::new("other").unwrap());
    let event = MutationEvent::Put { key, record };
    for mutation in [
        Mutation::new(&other, Provenance::Client, event),
        Mutation::new(&map, Provenance::Client, event).in_partition(1),
        Mutation::new(&map, Provenance::Backup, event).owned_as(Ownership::Backup),
    ] {
        observer.on_mutation(&mutation).unwrap();
    }
    assert!(observer.root().unwrap().is_empty());
    let promoted = Mutation::new(&map, Provenance::Backup, event);
    observer.on_mutation(&promoted).unwrap();
    assert_eq!(observer.root().unwrap().leaves(), 1);
}

#[test]
fn a_record_that_ended_in_memory_alone_is_covered_no_more() {
    let observer = observer();
    let key = key("k");
    tell_of(&observer, &key, &RecordValue::lww(1_u64, at(1)), 1);
    let (tombstone, previous, reason) = (None, PreviousValue::Unknown, RemoveReason::Expired);
    tell(
        &observer,
        MutationEvent::Remove {
            key: &key,
            tombstone,
            previous,
            reason,
        },
    );
    assert!(observer.root().unwrap().is_empty());
}
