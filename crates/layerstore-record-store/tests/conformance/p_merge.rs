//! Provenances *CRDT merge* and *replication*: merged with what is there, loading it where memory does not know; a new version
//! only if that changed anything.

use layerstore_data_store::{ErrorKind, MapDataStore, Write};
use layerstore_record::{NodeId, RecordValue, Timestamp, Version};
use layerstore_record_store::{MergeSource, RecordErrorKind, RecordStore, WriteOptions};
use layerstore_testkit::doubles::{Call, Fault};

use crate::p::{at, below, foreign, forget, or_map, read, told, writes};
use crate::stage::{Rig, Stage, config, key, kind, map};

const SOURCES: [MergeSource; 2] = [MergeSource::Crdt, MergeSource::Replication];

/// Merges a value; returns the version, if there was anything to change, and what is there afterwards.
async fn merge(stage: &Stage, value: RecordValue, source: MergeSource) -> (Option<Version>, Option<String>) {
    let merged = stage
        .store
        .merge(&key("a"), value, source, &WriteOptions::DEFAULT)
        .await
        .unwrap();
    (merged.version, merged.value.map(|record| crate::p::show(&record)))
}

/// A number with a timestamp of another process.
fn lww(number: u64, timestamp: Timestamp) -> RecordValue {
    RecordValue::lww(number, timestamp)
}

/// What observers are told of a merge: a replication is announced as such.
fn announced(source: MergeSource, crdt: &str, replication: &str) -> Vec<String> {
    vec![match source {
        MergeSource::Crdt => format!("{crdt} by crdt-merge as owner"),
        MergeSource::Replication => format!("{replication} by replication as owner"),
    }]
}

#[tokio::test]
async fn p_merge_that_changes_gets_a_new_version_is_applied_and_told() {
    for source in SOURCES {
        let rig = Rig::new().await;
        let brought = at(&rig, 5);
        let (put, held) = merge(&rig, lww(1, brought), source).await;
        let put = put.unwrap();
        assert_eq!(held.as_deref(), Some("1"));
        assert_eq!(told(&rig), announced(source, "put 1", "replicate nothing to 1"));
        let kept = rig.store.get(&key("a")).await.unwrap().unwrap();
        assert_eq!(kept.value().timestamp(), brought, "the value keeps its own time");
        assert_eq!(put.timestamp().node(), NodeId(1), "the version is ours");
        let (update, held) = merge(&rig, lww(2, at(&rig, 6)), source).await;
        let update = update.unwrap();
        assert!(update > put && held.as_deref() == Some("2"));
        assert_eq!(told(&rig), announced(source, "update 1 to 2", "replicate 1 to 2"));
        assert_eq!(below(&rig, "a").await, Some(("2".to_owned(), update)));
        let gone = RecordValue::Tombstone {
            timestamp: at(&rig, 7),
        };
        let (removal, held) = merge(&rig, gone, source).await;
        assert!(removal > Some(update) && held.is_none());
        assert_eq!(
            told(&rig),
            announced(source, "remove 2 Removed", "replicate 2 to gone")
        );
        assert_eq!(
            below(&rig, "a").await,
            Some(("gone".to_owned(), removal.unwrap()))
        );
        assert_eq!(read(&rig, "a").await, None);
    }
}

#[tokio::test]
async fn p_replication_is_announced_as_one_and_merged_like_a_peers_state() {
    let rig = Rig::new().await;
    let source = MergeSource::Replication;
    let (first, _) = merge(&rig, lww(1, at(&rig, 1)), source).await;
    let (second, _) = merge(&rig, lww(2, at(&rig, 2)), source).await;
    assert_eq!(
        merge(&rig, lww(9, at(&rig, 1)), source).await,
        (None, Some("2".to_owned()))
    );
    let expected = [
        "replicate nothing to 1 by replication as owner",
        "replicate 1 to 2 by replication as owner",
    ];
    assert_eq!(
        (told(&rig), writes(&rig)),
        (expected.map(String::from).to_vec(), 2)
    );
    assert!(first < second);
    assert_eq!(below(&rig, "a").await, Some(("2".to_owned(), second.unwrap())));
}

#[tokio::test]
async fn p_merge_without_effect_keeps_the_version_writes_nothing_and_tells_nobody() {
    for source in SOURCES {
        let rig = Rig::new().await;
        let newest = at(&rig, 5);
        merge(&rig, lww(5, newest), source).await;
        let resident = rig.resident("a").unwrap();
        let count = rig.store.stats().writes;
        forget(&rig);
        let older = RecordValue::Tombstone {
            timestamp: at(&rig, 4),
        };
        // The same once more, an older value, an older removal, and of equal times the lower value.
        for value in [lww(5, newest), lww(9, at(&rig, 4)), older, lww(4, newest)] {
            assert_eq!(merge(&rig, value, source).await, (None, Some("5".to_owned())));
        }
        assert!(std::sync::Arc::ptr_eq(&resident, &rig.resident("a").unwrap()));
        assert_eq!((told(&rig), rig.recording.calls()), (vec![], vec![]));
        assert_eq!(rig.store.stats().writes, count);
    }
}

#[tokio::test]
async fn p_merge_loads_what_is_not_in_memory() {
    for source in SOURCES {
        let rig = Rig::new().await;
        let (first, _) = merge(&rig, lww(5, at(&rig, 5)), source).await;
        for (value, expected) in [(lww(9, at(&rig, 4)), "5"), (lww(6, at(&rig, 6)), "6")] {
            assert!(rig.store.evict(&key("a")).await.unwrap());
            forget(&rig);
            let (version, held) = merge(&rig, value, source).await;
            assert_eq!(held.as_deref(), Some(expected));
            assert_eq!(rig.recording.count(Call::Load), 1);
            if expected == "5" {
                assert_eq!((version, writes(&rig)), (None, 0));
                assert_eq!(told(&rig), ["load 5 by load as owner"], "it stays in memory");
                assert_eq!(below(&rig, "a").await.map(|(_, version)| version), first);
            } else {
                assert!(version > first && writes(&rig) == 1);
                assert_eq!(told(&rig), announced(source, "update 5 to 6", "replicate 5 to 6"));
            }
        }
    }
}

#[tokio::test]
async fn p_merge_sees_the_tombstone_of_a_key_that_is_known_to_be_absent() {
    for source in SOURCES {
        let rig = Rig::new().await;
        merge(&rig, lww(1, at(&rig, 1)), source).await;
        let gone = RecordValue::Tombstone {
            timestamp: at(&rig, 9),
        };
        merge(&rig, gone, source).await;
        assert_eq!(rig.get("a").await, None);
        forget(&rig);
        assert_eq!(merge(&rig, lww(2, at(&rig, 8)), source).await, (None, None));
        assert_eq!((told(&rig), writes(&rig)), (vec![], 0));
        assert_eq!(
            merge(&rig, lww(3, at(&rig, 10)), source).await.1.as_deref(),
            Some("3")
        );
        assert_eq!(told(&rig), announced(source, "put 3", "replicate nothing to 3"));
    }
}

#[tokio::test]
async fn p_merge_takes_what_the_data_store_has_newer_than_memory() {
    for source in SOURCES {
        let rig = Rig::new().await;
        merge(&rig, lww(1, at(&rig, 1)), source).await;
        // Somebody else's write reached the data store meanwhile.
        let newer = foreign(&rig, 7, 7);
        let write = Write::new(map(), key("a"), newer.clone());
        assert!(rig.below.apply(vec![write]).await[0].is_applied());
        forget(&rig);
        assert_eq!(
            merge(&rig, lww(5, at(&rig, 5)), source).await,
            (None, Some("7".to_owned()))
        );
        assert_eq!(below(&rig, "a").await, Some(("7".to_owned(), newer.version())));
        let (version, held) = merge(&rig, lww(8, at(&rig, 8)), source).await;
        assert!(version > Some(newer.version()) && held.as_deref() == Some("8"));
    }
}

#[tokio::test]
async fn p_merge_of_or_maps_is_their_union_and_a_part_of_it_changes_nothing() {
    for source in SOURCES {
        let rig = Rig::new().await;
        merge(&rig, or_map(&[1, 2], &[]), source).await;
        assert_eq!(
            told(&rig),
            announced(source, "put {1 2}", "replicate nothing to {1 2}")
        );
        rig.store.evict(&key("a")).await.unwrap();
        let (first, held) = merge(&rig, or_map(&[3], &[1]), source).await;
        assert_eq!(held.as_deref(), Some("{2 3}"));
        assert_eq!(below(&rig, "a").await, Some(("{2 3}".to_owned(), first.unwrap())));
        forget(&rig);
        // What was removed does not come back; what is there already is no change.
        for part in [or_map(&[1], &[]), or_map(&[2, 3], &[]), or_map(&[], &[1])] {
            assert_eq!(merge(&rig, part, source).await, (None, Some("{2 3}".to_owned())));
        }
        assert_eq!((told(&rig), rig.recording.calls()), (vec![], vec![]));
        let (second, held) = merge(&rig, or_map(&[], &[2, 3]), source).await;
        assert!(second > first && held.is_none());
        assert_eq!(
            told(&rig),
            announced(source, "remove {2 3} Removed", "replicate {2 3} to gone")
        );
        assert_eq!(merge(&rig, or_map(&[2], &[]), source).await, (None, None));
    }
}

#[tokio::test]
async fn p_merge_yields_the_same_in_every_order() {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        let (plain, or) = (Rig::new().await, Stage::pure(config()).await);
        let values = [
            lww(1, at(&plain, 3)),
            RecordValue::Tombstone {
                timestamp: at(&plain, 2),
            },
            lww(3, at(&plain, 3)),
        ];
        let maps = [or_map(&[1, 2], &[]), or_map(&[3], &[2]), or_map(&[2], &[4])];
        for place in order {
            merge(&plain, values[place].clone(), SOURCES[place % 2]).await;
            plain.store.evict(&key("a")).await.unwrap();
            merge(&or, maps[place].clone(), SOURCES[place % 2]).await;
        }
        assert_eq!(plain.get("a").await, Some(3), "{order:?}");
        let held = or.store.get(&key("a")).await.unwrap().unwrap();
        assert_eq!(*held.value(), or_map(&[1, 3], &[2, 4]), "{order:?}");
    }
}

#[tokio::test]
async fn p_merge_that_fails_leaves_no_trace() {
    for source in SOURCES {
        let rig = Rig::new().await;
        merge(&rig, lww(1, at(&rig, 1)), source).await;
        let resident = rig.resident("a").unwrap();
        forget(&rig);
        let options = WriteOptions::DEFAULT;
        let drifted = lww(2, at(&rig, 3_600_000));
        let drifted = rig.store.merge(&key("a"), drifted, source, &options).await;
        assert_eq!(kind(drifted), RecordErrorKind::ClockDrift);
        let other = rig
            .store
            .merge(&key("a"), or_map(&[1], &[]), source, &options)
            .await;
        assert_eq!(kind(other), RecordErrorKind::KindMismatch);
        assert_eq!(
            rig.recording.calls(),
            [],
            "both are refused before the data store is asked"
        );
        rig.failing
            .fail_next(Call::Apply, Fault::before(ErrorKind::Rejected));
        let rejected = rig
            .store
            .merge(&key("a"), lww(2, at(&rig, 2)), source, &options)
            .await;
        assert_eq!(kind(rejected), RecordErrorKind::Store);
        assert!(std::sync::Arc::ptr_eq(&resident, &rig.resident("a").unwrap()));
        assert_eq!(told(&rig), Vec::<String>::new());
        rig.store.evict(&key("a")).await.unwrap();
        forget(&rig);
        rig.failing
            .fail_next(Call::Load, Fault::before(ErrorKind::Unavailable));
        let unread = rig
            .store
            .merge(&key("a"), lww(2, at(&rig, 2)), source, &options)
            .await;
        assert_eq!(kind(unread), RecordErrorKind::Store);
        assert_eq!((told(&rig), writes(&rig)), (vec![], 0));
        assert_eq!(rig.get("a").await, Some(1));
    }
}

#[tokio::test]
async fn p_merge_into_a_backup_takes_it_over_only_if_it_changes_it() {
    for source in SOURCES {
        let rig = Rig::new().await;
        let backup = foreign(&rig, 5, 5);
        rig.store.put_backup(&key("a"), backup.clone()).await.unwrap();
        forget(&rig);
        assert_eq!(
            merge(&rig, lww(4, at(&rig, 4)), source).await,
            (None, Some("5".to_owned()))
        );
        assert_eq!((told(&rig), writes(&rig)), (vec![], 0));
        assert_eq!(rig.store.stats().backups, 1);
        let (version, _) = merge(&rig, lww(6, at(&rig, 6)), source).await;
        assert!(version > Some(backup.version()));
        assert_eq!(told(&rig), announced(source, "update 5 to 6", "replicate 5 to 6"));
        assert_eq!(rig.store.stats().backups, 0);
        assert_eq!(below(&rig, "a").await, Some(("6".to_owned(), version.unwrap())));
    }
}
