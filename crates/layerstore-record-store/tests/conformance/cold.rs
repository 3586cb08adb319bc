//! S4, S6, S9: what the engine has moved to its disk tier is there as ever, for every verb; only memory's own verbs tell.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{InMemoryDataStore, MapDataStore, NullDataStore, ScanRequest};
use layerstore_engine::Cursor;
use layerstore_record::{Clock, NodeId, Record, RecordValue, Timestamp, Version};
use layerstore_record_store::{
    Compute, MergeSource, NewValue, RecordErrorKind, RecordStore, RecordStoreConfig, ScanPlace, TryGet,
    WriteOptions,
};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::doubles::RecordingDataStore;

use crate::slow_tier::SlowTier;
use crate::stage::{Plan, Stage, config, idle, key, kind, number, start, ttl};

/// A stage whose engine has a disk tier.
struct Tiered {
    stage: Stage,
    engine: Arc<SlowTier>,
    calls: Arc<RecordingDataStore>,
}

impl std::ops::Deref for Tiered {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl Tiered {
    async fn configured(config: RecordStoreConfig, has_data_store: bool) -> Self {
        let clock = ManualClock::new();
        let below = Arc::new(InMemoryDataStore::new(clock.shared()));
        let data_store: Arc<dyn MapDataStore> = if has_data_store {
            Arc::clone(&below) as _
        } else {
            Arc::new(NullDataStore::new())
        };
        let calls = Arc::new(RecordingDataStore::new(data_store));
        let engine = Arc::new(SlowTier::new());
        let plan = Plan { config, node: 1 };
        let stage = Stage::on_engine(
            Arc::clone(&engine) as _,
            plan,
            clock,
            below,
            Arc::clone(&calls) as _,
        )
        .await;
        Self { stage, engine, calls }
    }

    /// Two stages, with a data store and without, in which `k` holds 1 and is cold.
    async fn both() -> Vec<Self> {
        let mut both = Vec::new();
        for has_data_store in [true, false] {
            let tiered = Self::configured(config(), has_data_store).await;
            tiered.set("k", 1).await;
            tiered.chill("k");
            tiered.engine.let_pass(1_000);
            let _ = (tiered.observer.take(), tiered.calls.take());
            both.push(tiered);
        }
        both
    }

    fn chill(&self, name: &str) {
        assert!(self.engine.inner.chill(&key(name)), "it was in memory");
    }

    /// The data store was not asked for what memory's own tier has.
    fn assert_not_loaded(&self, verb: &str) {
        assert_eq!(self.store.stats().loads, 0, "{verb} asked the data store");
    }
}

const READS: [&str; 7] = [
    "get",
    "get_all",
    "contains",
    "load",
    "scan_page",
    "scan_unordered",
    "count",
];

/// Reads `k` with a verb: its number, or 1 where the verb only tells that it is there.
async fn read(stage: &Stage, verb: &str) -> Option<u64> {
    let (store, k) = (&stage.store, &key("k"));
    let told = |there: bool| there.then_some(1);
    match verb {
        "get" => store.get(k).await.unwrap().map(|record| number(&record)),
        "get_all" => {
            let all = store.get_all(std::slice::from_ref(k)).await.unwrap();
            all[0].as_ref().map(|record| number(record))
        }
        "contains" => told(store.contains(k).await.unwrap()),
        "load" => store.load(k).await.unwrap().map(|record| number(&record)),
        "count" => told(store.count().await.unwrap() == 1),
        "scan_unordered" => {
            let page = store.scan_unordered(&ScanPlace::start(), 10).await.unwrap();
            page.records.first().map(|(_, record)| number(record))
        }
        _ => {
            let page = store.scan_page(ScanRequest::first(10)).await.unwrap();
            page.records.first().map(|(_, record)| number(record))
        }
    }
}

#[tokio::test]
async fn s4_every_way_of_reading_finds_a_cold_record() {
    for verb in READS {
        for tiered in Tiered::both().await {
            assert_eq!(read(&tiered, verb).await, Some(1), "{verb}");
            tiered.assert_not_loaded(verb);
            assert!(tiered.observer.told().is_empty(), "{verb} tells nobody");
        }
    }
}

#[tokio::test]
async fn s4_a_cold_slot_that_is_gone_when_it_is_read_sends_every_reader_to_the_data_store() {
    for verb in READS {
        let tiered = Tiered::both().await.swap_remove(0);
        tiered.engine.lose();
        assert_eq!(read(&tiered, verb).await, Some(1), "{verb}");
    }
    let tiered = Tiered::both().await.swap_remove(0);
    tiered.engine.lose();
    let put = tiered
        .store
        .put(&key("k"), 2.into(), &WriteOptions::DEFAULT)
        .await;
    assert_eq!(put.unwrap().value.map(|record| number(&record)), Some(1));
}

#[tokio::test]
async fn s10_every_write_that_has_to_know_what_is_there_knows_a_cold_record() {
    for verb in [
        "put",
        "put_if_absent",
        "replace",
        "compute",
        "merge",
        "set_expiry",
        "remove",
    ] {
        for tiered in Tiered::both().await {
            let (store, k, options) = (&tiered.store, &key("k"), &WriteOptions::DEFAULT);
            let value = |record: Option<Arc<Record>>| record.map(|record| number(&record));
            let (answer, after) = match verb {
                "put" => (
                    value(store.put(k, 2.into(), options).await.unwrap().value),
                    Some(2),
                ),
                "put_if_absent" => {
                    let put = store.put_if_absent(k, 2.into(), options).await.unwrap();
                    (value(put.value), Some(1))
                }
                "replace" => {
                    let held = store.get(k).await.unwrap().unwrap().version();
                    tiered.chill("k");
                    store.replace(k, held, 2.into(), options).await.unwrap();
                    (Some(1), Some(2))
                }
                "compute" => {
                    let add = |held: Option<&Arc<Record>>| {
                        Compute::Put((held.map_or(0, |held| number(held)) + 1).into())
                    };
                    store.compute(k, Box::new(add)).await.unwrap();
                    (Some(1), Some(2))
                }
                "merge" => {
                    // Older than what is there: it loses, which only who knows the cold record can tell.
                    let old = Timestamp::new(layerstore_record::Millis(1), 0, NodeId(9));
                    let merged = store
                        .merge(k, RecordValue::lww(2, old), MergeSource::Crdt, options)
                        .await
                        .unwrap();
                    assert_eq!(merged.version, None);
                    (value(merged.value), Some(1))
                }
                "set_expiry" => {
                    assert!(store.set_expiry(k, &ttl(1_000)).await.unwrap().value);
                    (Some(1), Some(1))
                }
                _ => (value(store.remove(k).await.unwrap().value), None),
            };
            assert_eq!((answer, tiered.get("k").await), (Some(1), after), "{verb}");
            tiered.assert_not_loaded(verb);
        }
    }
}

#[tokio::test]
async fn s9_a_blind_write_over_a_cold_record_reads_nothing_and_does_not_claim_to_know_it() {
    for tiered in Tiered::both().await {
        tiered.engine.lose();
        tiered.set("k", 2).await;
        assert_eq!(
            (tiered.get("k").await, tiered.observer.names()),
            (Some(2), vec!["update"])
        );
    }
}

#[tokio::test]
async fn s9_memorys_own_verbs_leave_a_cold_record_where_it_is() {
    for tiered in Tiered::both().await {
        let (store, k) = (&tiered.store, &key("k"));
        assert_eq!(store.try_get(k), TryGet::NeedsLoad);
        assert_eq!(store.read(k, &mut |_| ()), TryGet::NeedsLoad);
        assert!(store.scan_resident(&Cursor::start(), 10).records.is_empty());
        assert!(!store.evict(k).await.unwrap());
        assert_eq!(store.clear_memory().await.unwrap(), 0);
        let swept = store.sweep().await.unwrap();
        assert_eq!((swept.visited, swept.expired, swept.failed), (1, 0, 0));
        assert!(tiered.observer.told().is_empty());
        assert_eq!(tiered.get("k").await, Some(1));
        tiered.assert_not_loaded("get");
    }
}

#[tokio::test]
async fn s9_removing_everything_removes_cold_records_too() {
    for tiered in Tiered::both().await {
        tiered.store.delete_all().await.unwrap();
        assert_eq!(
            (tiered.get("k").await, tiered.store.count().await.unwrap()),
            (None, 0)
        );
    }
}

#[tokio::test]
async fn s9_a_preload_goes_on_after_a_cold_record() {
    let tiered = Tiered::both().await.swap_remove(0);
    tiered.set("a", 1).await;
    tiered.set("z", 2).await;
    tiered.chill("a");
    assert!(tiered.store.evict(&key("z")).await.unwrap());
    assert_eq!(tiered.store.preload(10).await.unwrap(), 1);
    assert!(tiered.resident("z").is_some());
}

#[tokio::test]
async fn s6_a_cold_record_that_has_ended_is_not_returned() {
    for verb in READS {
        for has_data_store in [true, false] {
            let tiered = Tiered::configured(config(), has_data_store).await;
            let (k, ten) = (key("k"), ttl(10));
            tiered.store.set(&k, 1.into(), &ten).await.unwrap();
            tiered.chill("k");
            tiered.engine.let_pass(1_000);
            tiered.advance(10);
            assert_eq!(read(&tiered, verb).await, None, "{verb}");
        }
    }
}

#[tokio::test]
async fn s6_reading_a_cold_record_counts_and_keeps_it_alive_and_asking_for_it_does_not() {
    for (verb, is_read) in [
        ("get", true),
        ("get_all", true),
        ("contains", false),
        ("scan_page", false),
    ] {
        let tiered = Tiered::configured(config(), true).await;
        tiered.store.set(&key("k"), 1.into(), &idle(100)).await.unwrap();
        tiered.engine.let_pass(1_000);
        tiered.advance(60);
        tiered.chill("k");
        assert_eq!(read(&tiered, verb).await, Some(1));
        let hits = tiered.resident("k").unwrap().access().hits();
        assert_eq!(hits, u32::from(is_read), "{verb}");
        tiered.advance(60);
        assert_eq!(tiered.get("k").await, is_read.then_some(1), "{verb}");
    }
}

#[tokio::test]
async fn s6_an_idle_deadline_that_moved_before_the_record_went_cold_is_persisted() {
    let tiered = Tiered::configured(config(), true).await;
    tiered.store.set(&key("k"), 1.into(), &idle(100)).await.unwrap();
    tiered.engine.let_pass(1_000);
    tiered.advance(60);
    assert_eq!(tiered.get("k").await, Some(1));
    tiered.chill("k");
    assert_eq!(tiered.store.sweep().await.unwrap().persisted, 1);
    let again = tiered.restarted(Plan::default()).await;
    again.advance(90);
    assert_eq!(again.get("k").await, Some(1), "late, never early");
}

#[tokio::test]
async fn s6_a_write_over_a_cold_record_keeps_its_statistics() {
    for tiered in Tiered::both().await {
        for _ in 0..3 {
            tiered.get("k").await;
        }
        let before = tiered.resident("k").unwrap().access().hits();
        tiered.chill("k");
        let put = tiered
            .store
            .put(&key("k"), 2.into(), &WriteOptions::DEFAULT)
            .await;
        put.unwrap();
        assert_eq!((before, tiered.resident("k").unwrap().access().hits()), (3, 3));
    }
}

#[tokio::test]
async fn p_a_backup_must_rise_above_a_cold_one() {
    let tiered = Tiered::both().await.swap_remove(1);
    let copy = |millis: u64, value: u64| {
        let at = Timestamp::new(tiered.clock.now().plus(millis), 0, NodeId(9));
        Arc::new(Record::builder(RecordValue::lww(value, at), Version::new(at)).build())
    };
    tiered.store.put_backup(&key("k"), copy(100, 5)).await.unwrap();
    tiered.chill("k");
    let older = tiered.store.put_backup(&key("k"), copy(50, 4)).await;
    assert_eq!(kind(older), RecordErrorKind::NotNewer);
    assert_eq!(tiered.get("k").await, Some(5));
}

#[tokio::test]
async fn s4_a_disk_tier_that_fails_is_an_error_and_leaves_no_trace() {
    for tiered in Tiered::both().await {
        tiered.engine.inner.fail_loads(true);
        assert_eq!(kind(tiered.store.get(&key("k")).await), RecordErrorKind::Engine);
        let put = tiered
            .store
            .put(&key("k"), 2.into(), &WriteOptions::DEFAULT)
            .await;
        assert_eq!(kind(put), RecordErrorKind::Engine);
        let page = tiered.store.scan_page(ScanRequest::first(10)).await;
        assert_eq!(kind(page.map(drop)), RecordErrorKind::Engine);
        assert!(tiered.observer.told().is_empty());
        tiered.engine.inner.fail_loads(false);
        assert_eq!(tiered.get("k").await, Some(1));
    }
}

#[tokio::test(start_paused = true)]
async fn s5_a_slow_disk_tier_holds_up_nobody_else_is_read_once_and_has_a_deadline() {
    for has_data_store in [true, false] {
        let tiered = Tiered::configured(config(), has_data_store).await;
        tiered.set("k", 1).await;
        tiered.chill("k");
        let (store, k) = (&tiered.store, key("k"));
        let mut first = store.get(&k);
        let mut second = store.get(&k);
        start(&mut first).await;
        start(&mut second).await;
        // One thread: were it blocked, this would never be reached.
        tiered.set("other", 2).await;
        assert_eq!(tiered.get("other").await, Some(2));
        tiered.engine.let_pass(1);
        let both = (first.await.unwrap(), second.await.unwrap());
        assert_eq!((both.0.is_some(), both.1.is_some()), (true, true));

        tiered.chill("k");
        let late = tokio::time::timeout(Duration::from_secs(60), store.get(&k)).await;
        assert_eq!(kind(late.unwrap()), RecordErrorKind::Deadline);
        let options = WriteOptions::DEFAULT;
        let late = store.put(&k, NewValue::from(2), &options);
        let late = tokio::time::timeout(Duration::from_secs(60), late).await;
        assert_eq!(kind(late.unwrap()), RecordErrorKind::Deadline);
        tiered.engine.let_pass(100);
        assert_eq!(tiered.get("k").await, Some(1));
    }
}

#[tokio::test]
async fn s9_a_scan_in_any_order_goes_over_memory_once() {
    const RECORDS: usize = 1_000;
    let tiered = Tiered::configured(config(), false).await;
    for number in 0..RECORDS {
        tiered.set(&format!("{number:04}"), number as u64).await;
    }
    let before = tiered.engine.fetched();
    let mut found = BTreeSet::new();
    let mut next = Some(ScanPlace::start());
    while let Some(place) = next {
        let page = tiered.store.scan_unordered(&place, 10).await.unwrap();
        assert!(page.records.len() <= 20, "about ten were asked for");
        found.extend(page.records.into_iter().map(|(key, _)| key));
        next = page.next;
    }
    let fetched = tiered.engine.fetched() - before;
    assert_eq!(
        (found.len(), fetched),
        (RECORDS, RECORDS),
        "found, and read on the way"
    );
}
