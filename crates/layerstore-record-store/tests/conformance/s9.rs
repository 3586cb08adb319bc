//! S9: the scope of verbs. Scans cover store, pending and memory in key byte order; batches are one call; partitions keep to themselves.

use std::ops::Bound;
use std::sync::Arc;

use layerstore_data_store::{ErrorKind, InMemoryDataStore, MapDataStoreExt, ScanRequest, Write};
use layerstore_engine::{Cursor, HashMapEngine, StorageEngine};
use layerstore_observer::{OwnedEvent, OwnedPrevious};
use layerstore_record::{Key, Millis, NodeId, Record, RecordValue, Timestamp, Version};
use layerstore_record_store::{
    Partition, RecordErrorKind, RecordStore, RecordStoreFactory, ScanPlace, WriteOptions,
};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::doubles::{Call, Fault};

use crate::stage::{Rig, Stage, config, idle, key, kind, map, number, ttl};

/// Reads everything, in pages of this size.
async fn scan(store: &dyn RecordStore, request: ScanRequest) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    let mut next = Some(request);
    while let Some(request) = next {
        let page = store.scan_page(request.clone()).await.unwrap();
        assert!(page.records.len() <= request.limit);
        found.extend(
            page.records
                .iter()
                .map(|(key, record)| (key.to_string(), number(record))),
        );
        next = page.next.map(|last| request.from(Bound::Excluded(last)));
    }
    found
}

/// Reads everything in any order; that of a data store is that of keys.
async fn scan_anyhow(store: &dyn RecordStore, limit: usize) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    let mut next = Some(ScanPlace::start());
    while let Some(place) = next {
        let page = store.scan_unordered(&place, limit).await.unwrap();
        assert!(page.is_in_key_order && page.records.len() <= limit);
        let records = page.records.iter();
        found.extend(records.map(|(key, record)| (key.to_string(), number(record))));
        next = page.next;
    }
    found
}

fn backup(value: u64) -> Arc<Record> {
    let at = Timestamp::new(Millis(ManualClock::START.0 + 10), 0, NodeId(9));
    Arc::new(Record::builder(RecordValue::lww(value, at), Version::new(at)).build())
}

#[tokio::test]
async fn s9_scans_are_in_key_byte_order_wherever_the_records_are() {
    let names = ["é", "a", "Z", "ab", "z", "aa\0", "😀", "b", "a/"];
    let mut sorted: Vec<_> = names.map(key).to_vec();
    sorted.sort_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
    let sorted: Vec<_> = sorted.iter().map(Key::to_string).collect();
    for stage in [Stage::pure(config()).await, Stage::new().await] {
        for (at, name) in names.into_iter().enumerate() {
            stage.set(name, at as u64).await;
        }
        stage.store.evict(&key("zzz is not there")).await.unwrap();
        for limit in 1..=10 {
            let found = scan(&*stage.store, ScanRequest::first(limit)).await;
            let found: Vec<_> = found.into_iter().map(|(key, _)| key).collect();
            assert_eq!(found, sorted, "in pages of {limit}");
        }
    }
}

#[tokio::test]
async fn s9_a_scan_merges_data_store_memory_and_backups() {
    let stage = Stage::new().await;
    for name in ["below", "both", "gone", "ended"] {
        stage.set(name, 1).await;
    }
    stage.store.set(&key("ended"), 1.into(), &ttl(10)).await.unwrap();
    for name in ["below", "ended"] {
        assert!(stage.store.evict(&key(name)).await.unwrap());
    }
    stage.set("both", 2).await;
    stage.store.remove(&key("gone")).await.unwrap();
    stage.store.put_backup(&key("backup"), backup(3)).await.unwrap();
    stage.store.put_backup(&key("zbackup"), backup(4)).await.unwrap();
    stage.advance(10);
    let all =
        [("backup", 3), ("below", 1), ("both", 2), ("zbackup", 4)].map(|(key, held)| (key.to_owned(), held));
    for limit in 1..=5 {
        assert_eq!(
            scan(&*stage.store, ScanRequest::first(limit)).await,
            all,
            "in pages of {limit}"
        );
    }
    for limit in 1..=5 {
        let found = scan_anyhow(&*stage.store, limit).await;
        assert_eq!(found, all, "in pages of {limit}, in any order");
    }
    let some = ScanRequest::first(1)
        .from(Bound::Excluded(key("backup")))
        .until(Bound::Included(key("both")));
    assert_eq!(scan(&*stage.store, some).await, all[1..3]);
    assert_eq!(stage.store.count().await.unwrap(), 4);
    let empty = ScanRequest::first(5)
        .from(Bound::Included(key("z")))
        .until(Bound::Excluded(key("a")));
    assert_eq!(scan(&*stage.store, empty).await, []);
}

#[tokio::test]
async fn s9_forget_drops_what_memory_knows_also_that_there_is_nothing() {
    let stage = Stage::new().await;
    stage.set("there", 1).await;
    assert_eq!(stage.get("absent").await, None);
    for name in ["there", "absent"] {
        // Behind the store's back, as one that gives up a write does.
        let write = Write::new(map(), key(name), backup(5));
        assert!(stage.below.apply_one(write).await.is_applied());
    }
    assert_eq!(
        (stage.get("there").await, stage.get("absent").await),
        (Some(1), None)
    );
    assert!(stage.store.forget(&key("there")).await.unwrap());
    assert!(!stage.store.forget(&key("absent")).await.unwrap());
    assert_eq!(
        (stage.get("there").await, stage.get("absent").await),
        (Some(5), Some(5))
    );
    // A backup is nowhere else.
    stage.store.put_backup(&key("backup"), backup(3)).await.unwrap();
    assert!(!stage.store.forget(&key("backup")).await.unwrap());
    assert_eq!(stage.store.stats().backups, 1);
}

#[tokio::test]
async fn s9_memory_verbs_cover_memory_alone() {
    let stage = Stage::new().await;
    for (at, name) in ["a", "b", "c"].into_iter().enumerate() {
        stage.set(name, at as u64).await;
    }
    assert!(stage.store.evict(&key("b")).await.unwrap());
    assert!(!stage.store.evict(&key("b")).await.unwrap());
    assert_eq!(
        (stage.store.resident_len(), stage.store.count().await.unwrap()),
        (2, 3)
    );
    let page = stage.store.scan_resident(&Cursor::start(), 10);
    let mut resident: Vec<_> = page
        .records
        .iter()
        .map(|(key, _)| key.as_str().to_owned())
        .collect();
    resident.sort_unstable();
    assert_eq!(
        (resident, page.next.is_none()),
        (vec!["a".to_owned(), "c".to_owned()], true)
    );
    assert_eq!(stage.store.clear_memory().await.unwrap(), 2);
    assert_eq!(
        (stage.store.resident_len(), stage.store.count().await.unwrap()),
        (0, 3)
    );
    assert_eq!(stage.store.preload(2).await.unwrap(), 2);
    assert_eq!(stage.store.resident_len(), 2);
    assert_eq!(
        stage.store.preload(10).await.unwrap(),
        1,
        "what is in memory is not read again"
    );
}

#[tokio::test]
async fn s9_a_preload_stops_when_memory_is_full_and_evicts_nothing() {
    let stage = Stage::configured(config().max_count(3)).await;
    for number in 0..10 {
        stage.set(&format!("key:{number}"), number).await;
    }
    stage.store.clear_memory().await.unwrap();
    stage.get("key:9").await.unwrap();
    assert_eq!(stage.store.preload(10).await.unwrap(), 2);
    assert!(stage.resident("key:9").is_some());
}

#[tokio::test]
async fn s9_a_batch_is_one_call_with_a_result_a_record_and_a_key_that_comes_twice_is_written_twice() {
    let rig = Rig::new().await;
    let batch = [("b", 1), ("a", 2), ("b", 3), ("c", 4)]
        .map(|(name, held)| (key(name), held.into()))
        .to_vec();
    let written = rig.store.put_all(batch, &WriteOptions::DEFAULT).await;
    let versions: Vec<_> = written
        .into_iter()
        .map(|outcome| outcome.unwrap().version.unwrap())
        .collect();
    assert!(versions[2] > versions[0], "in the order given");
    assert_eq!(rig.get("b").await, Some(3));
    assert_eq!(
        rig.recording.count(Call::Apply),
        2,
        "one, and one for what came twice"
    );
    let _ = rig.recording.take();
    rig.store.clear_memory().await.unwrap();
    let removed = rig.store.remove_all(&["c", "x", "a"].map(key)).await;
    let removed: Vec<_> = removed
        .into_iter()
        .map(|outcome| outcome.unwrap().value.map(|held| number(&held)))
        .collect();
    assert_eq!(removed, [Some(4), None, Some(2)]);
    assert_eq!(
        (
            rig.recording.count(Call::LoadAll),
            rig.recording.count(Call::Apply)
        ),
        (1, 1)
    );
    let found = rig.store.get_all(&["c", "b", "a", "b"].map(key)).await.unwrap();
    let found: Vec<_> = found
        .into_iter()
        .map(|held| held.map(|held| number(&held)))
        .collect();
    assert_eq!(found, [None, Some(3), None, Some(3)]);
}

#[tokio::test]
async fn s9_a_read_error_ends_a_scan_and_a_count_with_an_error() {
    let rig = Rig::new().await;
    rig.set("a", 1).await;
    rig.failing
        .fail_always(Call::ScanPage, Fault::before(ErrorKind::Corrupt));
    assert_eq!(
        kind(rig.store.scan_page(ScanRequest::first(10)).await),
        RecordErrorKind::Store
    );
    assert_eq!(kind(rig.store.count().await), RecordErrorKind::Store);
    assert_eq!(kind(rig.store.preload(10).await), RecordErrorKind::Store);
}

#[tokio::test]
async fn s9_a_blind_write_tells_observers_that_it_does_not_know_and_put_tells_what_it_replaces() {
    let stage = Stage::new().await;
    let first = stage.set("a", 1).await;
    stage.store.evict(&key("a")).await.unwrap();
    stage.set("a", 2).await;
    stage.store.evict(&key("a")).await.unwrap();
    let put = stage
        .store
        .put(&key("a"), 3.into(), &WriteOptions::DEFAULT)
        .await
        .unwrap();
    assert_eq!(put.value.map(|held| number(&held)), Some(2));
    let told = stage.observer.of_key(&key("a"));
    let previous: Vec<_> = told
        .iter()
        .filter_map(|one| match &one.event {
            OwnedEvent::Update { previous, .. } => Some(match previous {
                OwnedPrevious::Known(held) => Some(number(held)),
                OwnedPrevious::Absent => Some(0),
                OwnedPrevious::Unknown => None,
            }),
            _ => None,
        })
        .collect();
    assert_eq!(previous, [None, None, Some(2)]);
    assert!(put.version.unwrap() > first);
}

#[tokio::test]
async fn s9_partitions_keep_to_their_own_keys_and_their_number_may_change() {
    let clock = ManualClock::new();
    let below = Arc::new(InMemoryDataStore::new(clock.shared()));
    let factory = |node| {
        let hlc = Arc::new(layerstore_record::Hlc::new(NodeId(node), clock.shared()));
        let engines = Arc::new(|_: &_, _| Arc::new(HashMapEngine::new()) as Arc<dyn StorageEngine>);
        RecordStoreFactory::with_hlc(engines, Arc::new(below.share()), hlc)
    };
    let open = async |factory: &RecordStoreFactory, count| {
        let mut stores = Vec::new();
        for index in 0..count {
            let partition = Partition::new(index, count).unwrap();
            let store = factory.create(&map(), partition, config(), None).unwrap();
            store.init().await.unwrap();
            stores.push(store);
        }
        stores
    };
    let one = open(&factory(1), 1).await;
    for number in 0..200_u64 {
        one[0]
            .set(
                &key(&format!("key:{number}")),
                number.into(),
                &WriteOptions::DEFAULT,
            )
            .await
            .unwrap();
    }
    let sixteen = open(&factory(2), 16).await;
    let mut all = Vec::new();
    for (index, store) in sixteen.iter().enumerate() {
        let mine = scan(store, ScanRequest::first(7)).await;
        assert_eq!(store.count().await.unwrap(), mine.len() as u64);
        assert!(
            mine.iter()
                .all(|(name, _)| Partition::index_of(&key(name), 16) as usize == index)
        );
        all.extend(mine);
    }
    all.sort_unstable_by_key(|(_, number)| *number);
    assert!(all.into_iter().map(|(_, number)| number).eq(0..200));
    // A partition removes its own records and no others; all partitions hold one claim.
    let third = sixteen[3].count().await.unwrap();
    sixteen[3].delete_all().await.unwrap();
    assert_eq!(sixteen[3].count().await.unwrap(), 0);
    sixteen[4]
        .set(
            &key(&format!("key:{}", of_partition(4))),
            1.into(),
            &WriteOptions::DEFAULT,
        )
        .await
        .unwrap();
    let again = open(&factory(3), 1).await;
    assert_eq!(again[0].count().await.unwrap(), 200 - third);
}

#[tokio::test]
async fn s9_clearing_a_partition_removes_what_has_ended_and_the_data_store_would_give_back() {
    let clock = ManualClock::new();
    let below = Arc::new(InMemoryDataStore::new(clock.shared()));
    let hlc = Arc::new(layerstore_record::Hlc::new(NodeId(1), clock.shared()));
    let engines = Arc::new(|_: &_, _| Arc::new(HashMapEngine::new()) as Arc<dyn StorageEngine>);
    let factory = RecordStoreFactory::with_hlc(engines, below, hlc);
    let partition = Partition::new(Partition::index_of(&key("a"), 2), 2).unwrap();
    let store = factory.create(&map(), partition, config(), None).unwrap();
    store.init().await.unwrap();
    store.set(&key("a"), 1.into(), &idle(100)).await.unwrap();
    // Ended here, and for another 20 ms not to the data store, which takes an idle deadline late and never early.
    clock.advance(std::time::Duration::from_millis(100));
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
    store.delete_all().await.unwrap();
    assert_eq!(store.get(&key("a")).await.unwrap(), None, "it is not back");
    assert_eq!(store.count().await.unwrap(), 0);
}

/// A number whose key lies in this partition of sixteen.
fn of_partition(index: u32) -> u64 {
    (0..200)
        .find(|number| Partition::index_of(&key(&format!("key:{number}")), 16) == index)
        .unwrap()
}

#[tokio::test]
async fn s9_only_reads_count_as_hits_and_keep_a_record_alive() {
    for stage in [Stage::pure(config()).await, Stage::new().await] {
        stage.store.set(&key("a"), 1.into(), &idle(100)).await.unwrap();
        stage.advance(60);
        assert!(stage.store.contains(&key("a")).await.unwrap());
        assert!(stage.store.peek(&key("a")).hit().is_some());
        assert_eq!(stage.store.count().await.unwrap(), 1);
        assert_eq!(scan(&*stage.store, ScanRequest::first(5)).await.len(), 1);
        let a = stage.resident("a").unwrap();
        assert_eq!((a.access().hits(), stage.store.stats().hits), (0, 0));
        let _ = stage.store.try_get(&key("a"));
        let _ = stage.store.read(&key("a"), &mut |_| ());
        stage.store.get_all(&[key("a")]).await.unwrap();
        assert_eq!(stage.get("a").await, Some(1));
        assert_eq!((a.access().hits(), stage.store.stats().hits), (4, 4));
        stage.advance(60);
        assert!(
            stage.store.contains(&key("a")).await.unwrap(),
            "it was read 60 ms ago"
        );
        stage.advance(40);
        assert!(
            !stage.store.contains(&key("a")).await.unwrap(),
            "to ask whether it is there did not keep it alive"
        );
    }
}

#[tokio::test]
async fn s9_reset_forgets_memory_and_pending_and_leaves_the_data_store() {
    let stage = Stage::new().await;
    stage.set("a", 1).await;
    let _ = stage.observer.take();
    assert_eq!(stage.store.reset().await.unwrap().value, 1);
    assert_eq!((stage.store.resident_len(), stage.get("a").await), (0, Some(1)));
    assert_eq!(stage.observer.names(), ["reset", "load"]);
}

#[tokio::test]
async fn s9_delete_all_removes_everywhere_and_what_was_deleted_does_not_come_back() {
    let stage = Stage::new().await;
    for number in 0..20 {
        stage.set(&format!("key:{number}"), number).await;
    }
    stage.store.clear_memory().await.unwrap();
    stage.get("key:0").await;
    let deleted = stage.store.delete_all().await.unwrap();
    assert_eq!((deleted.value, stage.store.count().await.unwrap()), (1, 0));
    for number in 0..20 {
        assert_eq!(stage.get(&format!("key:{number}")).await, None);
    }
    let again = stage.restarted(crate::stage::Plan::default()).await;
    assert_eq!(again.store.count().await.unwrap(), 0);
    again.set("key:1", 5).await;
    assert_eq!(again.get("key:1").await, Some(5));
}
