//! S7: the memory budget is hard. Reserve, evict, wait, refuse; never lose what exists nowhere else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use layerstore_data_store::{ErrorKind, InMemoryDataStore, ScanRequest};
use layerstore_record::{Cost, Hlc, MapName, Millis, NodeId, Record, RecordValue, Timestamp, Value, Version};
use layerstore_record_store::eviction::NoEviction;
use layerstore_record_store::{
    Budget, DefaultRecordStore, RecordErrorKind, RecordStore, RecordStoreConfig, WriteOptions,
};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::doubles::{Call, Fault, Side};

use crate::queueing::QueueingDataStore;
use crate::stage::{Rig, Stage, config, key, kind, start};

fn name(number: u64) -> String {
    format!("key:{number}")
}

/// A budget of this many records, of which none is ever evicted.
fn without_eviction(records: u64) -> RecordStoreConfig {
    config().max_count(records).with_eviction(NoEviction)
}

fn backup(number: u64) -> Arc<Record> {
    let at = Timestamp::new(Millis(1_000 + number), 0, NodeId(9));
    Arc::new(Record::builder(RecordValue::lww(number, at), Version::new(at)).build())
}

#[tokio::test]
async fn s7_records_never_exceed_their_number_and_every_one_is_read() {
    let config = config().max_count(10);
    let budget = Arc::clone(&config.budget);
    let stage = Stage::configured(config).await;
    for number in 0..100 {
        stage.set(&name(number), number).await;
        assert!(stage.store.resident_len() <= 10);
        assert_eq!(budget.used(), stage.store.resident_len() as u64);
    }
    for number in 0..100 {
        assert_eq!(stage.get(&name(number)).await, Some(number));
        assert!(budget.used() <= 10);
    }
    assert_eq!(stage.store.count().await.unwrap(), 100);
    let stats = stage.store.stats();
    assert_eq!(
        stats.evictions,
        190 - 10 + (stats.loads - 90),
        "every load and every further write evicts one"
    );
}

#[tokio::test]
async fn s7_bytes_never_exceed_their_limit_and_are_accounted_to_the_byte() {
    let limit = 20_000;
    let config = config().max_cost(Cost(limit));
    let budget = Arc::clone(&config.budget);
    let stage = Stage::configured(config).await;
    let mut rng = fastrand::Rng::with_seed(layerstore_testkit::proof::seed());
    for _ in 0..2_000 {
        let key = key(&name(rng.u64(0..200)));
        let text = "x".repeat(rng.usize(0..900));
        match rng.u8(0..6) {
            0 => drop(stage.store.remove(&key).await.unwrap()),
            1 => drop(stage.store.get(&key).await.unwrap()),
            2 => drop(stage.store.evict(&key).await.unwrap()),
            _ => drop(
                stage
                    .store
                    .set(&key, Value::from(text).into(), &WriteOptions::DEFAULT)
                    .await
                    .unwrap(),
            ),
        }
        assert_eq!(budget.used(), stage.store.stats().cost.0);
        assert!(budget.used() <= limit);
    }
    stage.store.delete_all().await.unwrap();
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn s7_an_overwrite_at_the_limit_evicts_nobody() {
    let stage = Stage::configured(config().max_count(10)).await;
    for number in 0..10 {
        stage.set(&name(number), number).await;
    }
    for number in 0..10 {
        stage.set(&name(number), number + 1).await;
    }
    assert_eq!(
        (stage.store.resident_len(), stage.store.stats().evictions),
        (10, 0)
    );
}

#[tokio::test]
async fn s7_a_budget_is_shared_by_maps_and_given_back_by_one_that_ends() {
    let clock = ManualClock::new();
    let budget = Budget::count(10);
    let mut config = config();
    config.budget = Arc::clone(&budget);
    let hlc = Arc::new(Hlc::new(NodeId(1), clock.shared()));
    let below = Arc::new(InMemoryDataStore::new(clock.shared()));
    let store = async |name: &str| {
        let engine = Arc::new(layerstore_engine::HashMapEngine::new());
        let map = MapName::new(name).unwrap();
        let builder = DefaultRecordStore::builder(map, engine, Arc::clone(&below) as _);
        let store = builder
            .hlc(Arc::clone(&hlc))
            .config(config.clone())
            .build()
            .unwrap();
        store.init().await.unwrap();
        store
    };
    let (one, two) = (store("one").await, store("two").await);
    for number in 0..10 {
        one.set(&key(&name(number)), number.into(), &WriteOptions::DEFAULT)
            .await
            .unwrap();
    }
    // The other map has nothing to evict of its own: what it needs comes from its neighbour.
    two.set(&key("a"), 1.into(), &WriteOptions::DEFAULT)
        .await
        .unwrap();
    assert_eq!(
        (one.resident_len(), two.resident_len(), budget.used()),
        (9, 1, 10)
    );
    assert!(one.close(Duration::from_secs(1)).await.is_complete());
    drop(one);
    assert_eq!(budget.used(), 1);
}

#[tokio::test]
async fn s7_a_value_above_the_budget_is_refused_at_once() {
    let rig = Rig::configured(config().max_cost(Cost(2_000))).await;
    rig.set("alice", 1).await;
    let large = Value::from("x".repeat(3_000));
    let before = tokio::time::Instant::now();
    let refused = rig
        .store
        .set(&key("alice"), large.into(), &WriteOptions::DEFAULT)
        .await;
    assert_eq!(kind(refused), RecordErrorKind::TooLarge);
    assert!(
        before.elapsed() < Duration::from_secs(1),
        "there is nothing to wait for"
    );
    assert_eq!(
        (rig.get("alice").await, rig.stored("alice").await),
        (Some(1), Some(1))
    );
    assert_eq!(
        rig.recording.count(Call::Apply),
        1,
        "memory is reserved before the data store is asked"
    );
}

#[tokio::test(start_paused = true)]
async fn s7_a_writer_waits_for_room_and_is_refused_after_the_put_deadline() {
    let rig = Rig::configured(without_eviction(2)).await;
    rig.set("a", 1).await;
    rig.set("b", 1).await;
    let begun = tokio::time::Instant::now();
    let refused = rig
        .store
        .set(&key("c"), 1.into(), &WriteOptions::DEFAULT)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), RecordErrorKind::OverBudget);
    assert!(refused.is_retryable());
    let waited = begun.elapsed();
    assert!((5.0..5.2).contains(&waited.as_secs_f64()), "waited {waited:?}");
    assert_eq!(
        (rig.recording.count(Call::Apply), rig.store.stats().over_budget),
        (2, 1)
    );
    assert_eq!((rig.get("c").await, rig.observer.told().len()), (None, 2));
}

#[tokio::test]
async fn s7_a_waiting_writer_goes_on_when_room_is_made() {
    let rig = Rig::configured(without_eviction(1)).await;
    rig.set("a", 1).await;
    let b = key("b");
    let mut waiting = rig.store.set(&b, 2.into(), &WriteOptions::DEFAULT);
    start(&mut waiting).await;
    tokio::task::yield_now().await;
    rig.store.remove(&key("a")).await.unwrap();
    waiting.await.unwrap();
    assert_eq!((rig.resident("b").is_some(), rig.store.resident_len()), (true, 1));
}

#[tokio::test]
async fn s7_a_load_that_does_not_fit_is_returned_and_not_kept() {
    let rig = Rig::configured(without_eviction(2)).await;
    for name in ["a", "b"] {
        rig.set(name, 1).await;
        assert!(rig.store.evict(&key(name)).await.unwrap());
    }
    rig.set("c", 3).await;
    assert_eq!((rig.get("a").await, rig.get("b").await), (Some(1), Some(1)));
    assert_eq!(rig.store.resident_len(), 2);
    assert!(rig.resident("b").is_none() && rig.resident("a").is_some());
}

#[tokio::test]
async fn s7_what_a_refused_write_had_set_aside_is_given_back() {
    let config = config().max_count(3);
    let budget = Arc::clone(&config.budget);
    let rig = Rig::configured(config).await;
    for fault in [
        Fault::before(ErrorKind::Rejected),
        Fault::lost(ErrorKind::Timeout),
    ] {
        for number in 0..10 {
            rig.failing.fail_next(Call::Apply, fault);
            assert!(
                rig.store
                    .set(&key(&name(number)), 1.into(), &WriteOptions::DEFAULT)
                    .await
                    .is_err()
            );
        }
        assert_eq!((budget.used(), rig.store.resident_len()), (0, 0));
    }
    let batch: Vec<_> = (0..20)
        .map(|number| (key(&name(number)), number.into()))
        .collect();
    rig.failing
        .fail_key(&key(&name(7)), Fault::before(ErrorKind::Rejected));
    let results = rig.store.put_all(batch, &WriteOptions::DEFAULT).await;
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
    assert_eq!(budget.used(), rig.store.resident_len() as u64);
}

#[tokio::test]
async fn s7_a_batch_larger_than_the_budget_is_written_in_parts() {
    let rig = Rig::configured(config().max_count(10)).await;
    let batch: Vec<_> = (0..100)
        .map(|number| (key(&name(number)), number.into()))
        .collect();
    for result in rig.store.put_all(batch, &WriteOptions::DEFAULT).await {
        result.unwrap();
    }
    assert_eq!(rig.store.resident_len(), 10);
    assert_eq!(
        rig.store
            .scan_page(ScanRequest::first(1_000))
            .await
            .unwrap()
            .records
            .len(),
        100
    );
    let calls = rig.recording.count(Call::Apply);
    assert!(
        (10..=11).contains(&calls),
        "as few calls as memory has room for: {calls}"
    );
}

#[tokio::test(start_paused = true)]
async fn s7_a_batch_waits_for_room_once_and_not_once_a_record() {
    let mut settings = without_eviction(2);
    settings.put_deadline = Duration::from_millis(50);
    let rig = Rig::configured(settings).await;
    rig.set("a", 1).await;
    rig.set("b", 1).await;
    // Every other key twice: what comes twice is written in a round of its own.
    let batch = (0..500)
        .map(|number| (key(&name(number / 2)), number.into()))
        .collect();
    let before = tokio::time::Instant::now();
    let results = rig.store.put_all(batch, &WriteOptions::DEFAULT).await;
    assert_eq!(results.len(), 500);
    for result in results {
        assert_eq!(kind(result), RecordErrorKind::OverBudget);
    }
    let waited = before.elapsed();
    assert!(
        waited >= Duration::from_millis(50) && waited < Duration::from_millis(100),
        "{waited:?}"
    );
    rig.store.remove(&key("a")).await.unwrap();
    rig.set("c", 1).await;
}

#[tokio::test(start_paused = true)]
async fn s7_a_backup_is_never_evicted_and_a_memory_of_backups_refuses() {
    let stage = Stage::configured(config().max_count(5)).await;
    for number in 0..3 {
        stage
            .store
            .put_backup(&key(&format!("backup:{number}")), backup(number))
            .await
            .unwrap();
    }
    for number in 0..100 {
        stage.set(&name(number), number).await;
    }
    assert_eq!((stage.store.resident_len(), stage.store.stats().backups), (5, 3));
    assert!(!stage.store.evict(&key("backup:0")).await.unwrap());
    for number in 3..5 {
        stage
            .store
            .put_backup(&key(&format!("backup:{number}")), backup(number))
            .await
            .unwrap();
    }
    let refused = stage
        .store
        .set(&key("one more"), 1.into(), &WriteOptions::DEFAULT)
        .await;
    assert_eq!(kind(refused), RecordErrorKind::OverBudget);
    stage.store.clear_memory().await.unwrap();
    for number in 0..5 {
        assert!(stage.resident(&format!("backup:{number}")).is_some());
    }
    // Once promoted they are in the data store, and may leave.
    assert_eq!(stage.store.promote().await.unwrap().promoted, 5);
    stage.set("one more", 1).await;
    assert_eq!(stage.store.resident_len(), 5);
}

#[tokio::test]
async fn s7_a_record_that_is_being_written_is_not_evicted() {
    let rig = Rig::configured(config().max_count(1)).await;
    rig.set("a", 1).await;
    rig.slow.shut(Call::Apply, Side::After);
    let (a, b) = (key("a"), key("b"));
    let mut writing = rig.store.set(&a, 2.into(), &WriteOptions::DEFAULT);
    start(&mut writing).await;
    rig.slow.until_waiting(Call::Apply, Side::After, 1).await;
    let mut waiting = rig.store.set(&b, 3.into(), &WriteOptions::DEFAULT);
    start(&mut waiting).await;
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert!(rig.resident("a").is_some(), "its writer is at it");
    assert_eq!(
        rig.slow.waiting(Call::Apply, Side::After),
        1,
        "the other has no room yet"
    );
    rig.slow.open_all();
    writing.await.unwrap();
    waiting.await.unwrap();
    assert_eq!((rig.get("a").await, rig.get("b").await), (Some(2), Some(3)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s7_many_writers_and_readers_never_pass_the_limit() {
    let config = config().max_count(50);
    let budget = Arc::clone(&config.budget);
    let stage = Stage::configured(config).await;
    let done = Arc::new(AtomicBool::new(false));
    let (watched, ended) = (Arc::clone(&budget), Arc::clone(&done));
    let watcher = std::thread::spawn(move || {
        let mut most = 0;
        while !ended.load(Ordering::Acquire) {
            most = most.max(watched.used());
        }
        most
    });
    let seed = layerstore_testkit::proof::seed();
    let tasks = (0..8).map(|task| {
        let store = Arc::clone(&stage.store);
        tokio::spawn(async move {
            let mut rng = fastrand::Rng::with_seed(seed ^ task);
            for number in 0..2_000_u64 {
                let key = key(&name(rng.u64(0..500)));
                if rng.bool() {
                    store
                        .set(&key, number.into(), &WriteOptions::DEFAULT)
                        .await
                        .unwrap();
                } else {
                    store.get(&key).await.unwrap();
                }
            }
        })
    });
    for task in futures::future::join_all(tasks).await {
        task.unwrap();
    }
    done.store(true, Ordering::Release);
    let most = watcher.join().unwrap();
    assert!((1..=50).contains(&most), "at most {most} of 50 were in use");
    assert_eq!(budget.used(), stage.store.resident_len() as u64);
}

#[tokio::test(start_paused = true)]
async fn s7_an_evicted_record_counts_until_the_queue_has_let_it_go() {
    let config = config().max_count(3);
    let budget = Arc::clone(&config.budget);
    let mut queue = None;
    let stage = Stage::with(crate::stage::Plan { config, node: 1 }, |below| {
        let store = Arc::new(QueueingDataStore::new(below));
        queue = Some(Arc::clone(&store));
        store
    });
    let stage = stage.await;
    let queue = queue.unwrap();
    for name in ["a", "b", "c"] {
        stage.set(name, 1).await;
    }
    assert!(
        stage.store.evict(&key("a")).await.unwrap(),
        "what is in the queue may leave memory"
    );
    assert_eq!(
        (stage.store.resident_len(), budget.used()),
        (2, 3),
        "its bytes still stand in the queue"
    );
    let refused = stage.store.set(&key("d"), 1.into(), &WriteOptions::DEFAULT).await;
    assert_eq!(kind(refused), RecordErrorKind::OverBudget);
    assert_eq!(
        stage.store.resident_len(),
        2,
        "to evict the others would have freed nothing"
    );
    assert_eq!(queue.drain(), 3);
    stage.set("d", 1).await;
    assert_eq!((stage.store.resident_len(), budget.used()), (3, 3));
    assert_eq!(stage.get("a").await, Some(1));
}
