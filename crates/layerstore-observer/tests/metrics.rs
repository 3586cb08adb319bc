//! What the metrics observer tells a recorder.
#![expect(clippy::unwrap_used, reason = "an unexpected answer ends the test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use layerstore_observer::{
    MUTATIONS_TOTAL, MetricsObserver, Mutation, MutationEvent, MutationObserver, Ownership, PreviousValue,
    RESIDENT_RECORDS, RemoveReason,
};
use layerstore_record::{MapName, Provenance, Record, RecordValue};
use layerstore_testkit::metrics::MemoryRecorder;
use layerstore_testkit::observer::every_event;
use layerstore_testkit::records::{key, record, version};
use metrics::{Unit, with_local_recorder};

const OWNED: &str = "layerstore_resident_records{map=users,ownership=owner}";
const COPIED: &str = "layerstore_resident_records{map=users,ownership=backup}";

fn users() -> MapName {
    MapName::new("users").unwrap()
}

#[test]
fn every_mutation_is_counted_once_by_event_map_provenance_and_ownership() {
    let memory = MemoryRecorder::default();
    let told = every_event(&users());
    with_local_recorder(&memory, || {
        let observer = MetricsObserver::new();
        for mutation in &told {
            observer.on_mutation(&mutation.as_mutation()).unwrap();
        }
    });
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for one in &told {
        let name = format!(
            "{MUTATIONS_TOTAL}{{event={},map=users,ownership={},provenance={}}}",
            one.event.name(),
            one.ownership.name(),
            one.provenance.name()
        );
        *expected.entry(name).or_default() += 1;
    }
    assert_eq!(
        expected.len(),
        9 * 5 * 2,
        "nine events, five provenances, two ownerships"
    );
    for (name, count) in expected {
        assert_eq!(memory.counter(&name), count, "{name}");
    }
}

#[test]
fn the_gauge_follows_records_into_memory_and_out_of_it() {
    let (map, key, other, one, two) = (&users(), &key(1), &key(2), &record(1), &record(2));
    let known = PreviousValue::Known(one);
    let remove = |previous| MutationEvent::Remove {
        key,
        tombstone: None,
        previous,
        reason: RemoveReason::Removed,
    };
    let update = |previous| MutationEvent::Update {
        key,
        record: two,
        previous,
    };
    let removed = RecordValue::Tombstone {
        timestamp: version(3).timestamp(),
    };
    let tombstone = &Arc::new(Record::builder(removed, version(3)).build());
    let replicated = |record| MutationEvent::ReplicationPut {
        key,
        record,
        previous: known,
    };
    let steps = [
        (MutationEvent::Put { key, record: one }, 1.0),
        (update(known), 1.0),
        (MutationEvent::Evict { key, record: two }, 0.0),
        (update(PreviousValue::Unknown), 1.0),
        (remove(PreviousValue::Known(two)), 0.0),
        // The previous value may have been read from the data store: nothing came, and nothing left.
        (remove(PreviousValue::Known(two)), 0.0),
        (update(known), 1.0),
        (remove(PreviousValue::Unknown), 0.0),
        (MutationEvent::Load { key, record: one }, 1.0),
        (MutationEvent::Load { key, record: two }, 1.0),
        (replicated(tombstone), 0.0),
        (replicated(two), 1.0),
        (
            MutationEvent::Put {
                key: other,
                record: one,
            },
            2.0,
        ),
        (MutationEvent::Reset { resident: 2 }, 0.0),
        (MutationEvent::Evict { key, record: two }, 0.0),
        (MutationEvent::Put { key, record: one }, 1.0),
        (MutationEvent::Clear { resident: 1 }, 0.0),
    ];
    let memory = MemoryRecorder::default();
    with_local_recorder(&memory, || {
        let observer = MetricsObserver::new();
        for (step, (event, resident)) in steps.into_iter().enumerate() {
            observer
                .on_mutation(&Mutation::new(map, Provenance::Client, event))
                .unwrap();
            assert_eq!(memory.gauge(OWNED), resident, "step {step}: {}", event.name());
        }
    });
}

#[test]
fn the_gauge_is_exact_for_many_keys_and_absent_where_it_is_not_wanted() {
    let (map, record) = (&users(), &record(1));
    let memory = MemoryRecorder::default();
    with_local_recorder(&memory, || {
        let (with, without) = (MetricsObserver::new(), MetricsObserver::new().without_gauge());
        let sessions = MapName::new("sessions").unwrap();
        for number in 0..5_000 {
            let key = &key(number);
            let put = MutationEvent::Put { key, record };
            with.on_mutation(&Mutation::new(map, Provenance::Client, put))
                .unwrap();
            without
                .on_mutation(&Mutation::new(&sessions, Provenance::Client, put))
                .unwrap();
        }
        for number in 0..2_000 {
            let key = &key(number);
            let evict = MutationEvent::Evict { key, record };
            with.on_mutation(&Mutation::new(map, Provenance::Client, evict))
                .unwrap();
        }
    });
    assert_eq!(memory.gauge(OWNED), 3_000.0);
    let names = memory.counters();
    assert!(names.keys().any(|name| name.contains("map=sessions")));
    assert!(
        !names
            .keys()
            .any(|name| name.starts_with(RESIDENT_RECORDS) && name.contains("sessions"))
    );
}

#[test]
fn partitions_share_a_gauge_and_a_destroyed_one_takes_its_own_part_away() {
    let (map, keys, record) = (&users(), [key(1), key(2), key(3)], &record(1));
    let memory = MemoryRecorder::default();
    with_local_recorder(&memory, || {
        let observer = MetricsObserver::new();
        let tell = |event, partition, ownership| {
            let mutation = Mutation::new(map, Provenance::Client, event)
                .in_partition(partition)
                .owned_as(ownership);
            observer.on_mutation(&mutation).unwrap();
        };
        let put = |key| MutationEvent::Put { key, record };
        for (key, partition) in [(&keys[0], 0), (&keys[1], 0), (&keys[0], 1)] {
            tell(put(key), partition, Ownership::Owner);
        }
        tell(put(&keys[2]), 0, Ownership::Backup);
        assert_eq!((memory.gauge(OWNED), memory.gauge(COPIED)), (3.0, 1.0));
        tell(MutationEvent::Clear { resident: 2 }, 0, Ownership::Owner);
        assert_eq!(
            (memory.gauge(OWNED), memory.gauge(COPIED)),
            (1.0, 1.0),
            "a clear leaves backups"
        );
        tell(put(&keys[2]), 0, Ownership::Owner);
        assert_eq!(
            (memory.gauge(OWNED), memory.gauge(COPIED)),
            (2.0, 0.0),
            "a promoted backup changes hands"
        );
        tell(put(&keys[1]), 0, Ownership::Backup);
        tell(MutationEvent::Destroy { shutdown: false }, 0, Ownership::Owner);
        assert_eq!((memory.gauge(OWNED), memory.gauge(COPIED)), (1.0, 0.0));
    });
}

#[test]
fn metrics_are_described_with_their_units() {
    let memory = MemoryRecorder::default();
    with_local_recorder(&memory, MetricsObserver::new);
    let described = memory.described();
    for name in [MUTATIONS_TOTAL, RESIDENT_RECORDS] {
        let (unit, text) = &described[name];
        assert_eq!(*unit, Some(Unit::Count), "{name}");
        assert!(text.contains("by") && text.contains("map"), "{name}: {text}");
    }
}
