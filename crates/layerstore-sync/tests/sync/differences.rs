//! What differs is found, sent, and merged, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use layerstore_record::{Millis, NodeId, OrEntries, RecordValue, Tags, Timestamp, Value};
use layerstore_record_store::{MergeSource, RecordStore, WriteOptions};
use layerstore_sync::{Replica, SyncReport};

use crate::node::{Node, key};

/// What both replicas hold to begin with.
async fn alike(one: &Node, other: &Node, records: u64) {
    for number in 0..records {
        let at = Timestamp::new(Millis(1_700_000_000_000 + number), 0, NodeId(9));
        for node in [one, other] {
            node.put(&format!("user:{number:05}"), RecordValue::lww(number, at))
                .await;
        }
    }
}

async fn assert_equal(one: &Node, other: &Node, report: &SyncReport) {
    assert!(report.is_equal, "{report:?}");
    assert_eq!(one.replica.tree().root(), other.replica.tree().root());
    assert_eq!(one.records().await, other.records().await);
}

#[tokio::test]
async fn a1_one_round_makes_two_quiet_replicas_equal() {
    let (one, other) = (Node::new(1).await, Node::pure(2).await);
    alike(&one, &other, 500).await;
    for number in 0..60 {
        one.set(&format!("user:{:05}", number * 7), number).await;
        other.set(&format!("user:{:05}", number * 5), number).await;
        one.set(&format!("one:{number}"), number).await;
        other.set(&format!("other:{number}"), number).await;
    }
    for number in 200..220_u64 {
        one.remove(&format!("user:{number:05}")).await;
        other.remove(&format!("user:{:05}", number + 100)).await;
    }
    let report = one.sync(&other).await;
    assert_equal(&one, &other, &report).await;
    assert!(
        report.merged_here >= 100 && report.merged_there >= 100,
        "{report:?}"
    );
    assert_eq!((report.refused, report.failed), (0, 0));
}

#[tokio::test]
async fn a1_an_empty_replica_gets_everything_in_one_round_whoever_asks() {
    for is_asking in [true, false] {
        let (full, empty) = (Node::new(1).await, Node::new(2).await);
        for number in 0..3_000 {
            full.set(&format!("user:{number:05}"), number).await;
        }
        full.remove("user:00007").await;
        let report = if is_asking {
            empty.sync(&full).await
        } else {
            full.sync(&empty).await
        };
        assert_equal(&full, &empty, &report).await;
        assert_eq!(report.merged_here + report.merged_there, 3_000_u64);
    }
}

#[tokio::test]
async fn a1_replicas_that_are_written_to_become_equal_once_that_ceases() {
    let (one, other) = (Node::new(1).await, Node::new(2).await);
    alike(&one, &other, 300).await;
    for number in 0..100 {
        one.set(&format!("user:{number:05}"), number).await;
    }
    let writing = async {
        for number in 50..150 {
            other.set(&format!("user:{number:05}"), number).await;
            tokio::task::yield_now().await;
        }
    };
    let peer = crate::weather::Weather::calm(&other);
    let (synced, ()) = tokio::join!(one.replica.sync(&peer), writing);
    let _ = synced.unwrap();
    let report = one.sync(&other).await;
    assert_equal(&one, &other, &report).await;
}

#[tokio::test]
async fn a1_observed_remove_maps_become_their_union_on_both() {
    let at = |millis: u64| Timestamp::new(Millis(1_700_000_000_000 + millis), 0, NodeId(9));
    let entry = |millis: u64, text: &str| (at(millis), Value::from(text));
    let (one, other) = (Node::new(1).await, Node::new(2).await);
    let ours = RecordValue::or_map(
        OrEntries::new(vec![entry(1, "a"), entry(2, "b"), entry(7, "d")]),
        Tags::default(),
    );
    let theirs = RecordValue::or_map(
        OrEntries::new(vec![entry(2, "b"), entry(3, "c")]),
        Tags::new(vec![(at(1), at(4))]),
    );
    one.put("cart", ours.clone()).await;
    other.put("cart", theirs.clone()).await;
    let gone = RecordValue::OrTombstones {
        tags: Tags::new(vec![(at(5), at(6))]),
    };
    other.put("gone", gone).await;
    assert!(one.sync(&other).await.is_equal);
    let union = RecordValue::or_map(
        OrEntries::new(vec![entry(2, "b"), entry(3, "c"), entry(7, "d")]),
        Tags::new(vec![(at(1), at(4))]),
    );
    for node in [&one, &other] {
        let cart = node.store.get(&key("cart")).await.unwrap().unwrap();
        assert_eq!(*cart.value(), union);
        assert_eq!(
            node.replica.tree().root().unwrap().leaves(),
            2,
            "the removed one counts"
        );
    }
}

#[tokio::test]
async fn a2_equal_replicas_exchange_their_roots_and_no_record() {
    let (one, other) = (Node::new(1).await, Node::pure(2).await);
    alike(&one, &other, 1_000).await;
    let report = one.sync(&other).await;
    assert!(report.is_equal);
    assert_eq!((report.calls, report.ranges), (1, 1));
    assert_eq!((report.leaves, report.sent, report.received), (0, 0, 0));
}

#[tokio::test]
async fn a2_one_record_among_thousands_goes_alone() {
    let (one, other) = (Node::new(1).await, Node::new(2).await);
    alike(&one, &other, 5_000).await;
    one.set("user:01234", 7).await;
    let report = one.sync(&other).await;
    assert_equal(&one, &other, &report).await;
    assert_eq!((report.sent, report.received, report.merged_there), (1, 0, 1));
    assert!(report.leaves <= 512 && report.calls <= 8, "{report:?}");
    // The other way round it is fetched; ours goes there, too, since nobody knows yet which is the later.
    other.set("user:04321", 8).await;
    let report = one.sync(&other).await;
    assert_equal(&one, &other, &report).await;
    assert_eq!((report.received, report.merged_here), (1, 1));
}

#[tokio::test]
async fn eviction_and_versions_make_no_difference() {
    let (one, other) = (Node::new(1).await, Node::new(2).await);
    alike(&one, &other, 100).await;
    for number in 0..50 {
        assert!(one.store.evict(&key(&format!("user:{number:05}"))).await.unwrap());
    }
    assert_eq!(one.sync(&other).await.calls, 1);
    other.set("user:00010", 1).await;
    assert_equal(&one, &other, &one.sync(&other).await).await;
    assert_eq!(one.get("user:00010").await, Some(1));
}

#[tokio::test]
async fn a_record_ends_on_both_at_the_same_time() {
    let (one, other) = (Node::new(1).await, Node::new(2).await);
    let options = WriteOptions::new()
        .ttl(Duration::from_secs(60))
        .max_idle(Duration::from_secs(20));
    one.store
        .set(&key("session"), 1_u64.into(), &options)
        .await
        .unwrap();
    one.clock.advance(Duration::from_secs(10));
    other.clock.advance(Duration::from_secs(10));
    let _ = one.sync(&other).await;
    let ours = one.store.get(&key("session")).await.unwrap().unwrap();
    let theirs = other.store.get(&key("session")).await.unwrap().unwrap();
    assert_eq!(ours.expiry().deadline, theirs.expiry().deadline);
    assert_eq!(ours.expiry().max_idle, theirs.expiry().max_idle);
}

#[tokio::test]
async fn what_has_ended_and_was_not_swept_is_not_sent() {
    let (one, other) = (Node::new(1).await, Node::new(2).await);
    let options = WriteOptions::new().ttl(Duration::from_secs(1));
    one.store
        .set(&key("session"), 1_u64.into(), &options)
        .await
        .unwrap();
    one.clock.advance(Duration::from_secs(2));
    let report = one.sync(&other).await;
    assert_eq!((report.ended, report.sent, report.is_equal), (1, 0, true));
    let _ = one.store.sweep().await.unwrap();
    assert_equal(&one, &other, &one.sync(&other).await).await;
}

#[tokio::test]
async fn a1_what_a_store_in_memory_alone_has_lost_comes_back_from_the_other() {
    let (cache, other) = (Node::pure(1).await, Node::new(2).await);
    alike(&cache, &other, 100).await;
    assert!(cache.store.evict(&key("user:00042")).await.unwrap());
    assert_eq!(cache.sync(&other).await.calls, 1, "nobody knows of it yet");
    // Whoever asks for it learns that it is lost.
    other.set("user:00042", 7).await;
    assert_equal(&cache, &other, &cache.sync(&other).await).await;
    assert_eq!(cache.get("user:00042").await, Some(7));
}

#[tokio::test]
async fn a1_a_record_that_ended_below_where_no_sweep_comes_is_removed_by_the_removal_of_the_other() {
    let (one, other) = (Node::new(1).await, Node::new(2).await);
    let options = WriteOptions::new().ttl(Duration::from_secs(1));
    let session = key("session");
    one.store.set(&session, 1_u64.into(), &options).await.unwrap();
    assert!(one.sync(&other).await.is_equal);
    assert!(one.store.evict(&key("session")).await.unwrap());
    for node in [&one, &other] {
        node.clock.advance(Duration::from_secs(2));
        let _ = node.store.sweep().await.unwrap();
    }
    assert_ne!(one.replica.tree().root(), other.replica.tree().root());
    assert_equal(&one, &other, &one.sync(&other).await).await;
}

#[tokio::test]
async fn a_replication_is_told_as_one() {
    let (one, other) = (Node::new(1).await, Node::new(2).await);
    let recorder = Arc::new(layerstore_testkit::observer::RecordingObserver::new("recorder"));
    let clock = layerstore_testkit::clock::ManualClock::new();
    let tree = Arc::new(layerstore_observer::MerkleObserver::new(
        "merkle",
        crate::node::map(),
        0,
    ));
    let all = layerstore_observer::CompositeObserver::new("all");
    all.add(recorder.clone()).unwrap();
    all.add(tree.clone()).unwrap();
    let below = Arc::new(layerstore_data_store::NullDataStore::new());
    let engine = Arc::new(layerstore_testkit::engine::BTreeEngine::new());
    let store = layerstore_record_store::DefaultRecordStore::builder(crate::node::map(), engine, below)
        .observer(Arc::new(all))
        .config(crate::node::config())
        .build()
        .unwrap();
    store.init().await.unwrap();
    layerstore_sync::rebuild(&tree, &store, |_| {}).await.unwrap();
    let replica = Replica::new(Arc::new(store), tree)
        .unwrap()
        .with_clock(clock.shared())
        .with_source(MergeSource::Replication);
    one.set("k", 1).await;
    let _ = one.sync(&other).await;
    let _ = replica.sync(&other.peer()).await.unwrap();
    assert_eq!(recorder.names(), ["replication-put"]);
}
