//! Errors say what failed, and one record's failure is that record's alone.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{InMemoryDataStore, Limits};
use layerstore_observer::MerkleObserver;
use layerstore_record::{MapName, Millis, NodeId, RecordValue, Timestamp};
use layerstore_record_store::{Partition, RecordStore};
use layerstore_sync::{Replica, SyncErrorKind, SyncOptions};
use layerstore_testkit::clock::ManualClock;

use crate::node::{Node, config, key, map};

#[tokio::test]
async fn a6_a_tree_that_is_not_built_is_named_and_whose_it_is() {
    let (one, other) = (Node::new(1).await, Node::new(2).await);
    drop(one.replica.tree().rebuild());
    let ours = one.replica.sync(&other.peer()).await.unwrap_err();
    assert_eq!(
        (ours.kind(), ours.is_transient()),
        (SyncErrorKind::Incomplete, false)
    );
    let theirs = other.replica.sync(&one.peer()).await.unwrap_err();
    assert_eq!(
        (theirs.kind(), theirs.is_transient()),
        (SyncErrorKind::PeerIncomplete, true)
    );
    assert_eq!(
        theirs.to_string(),
        "map \"map\" was not synchronised: the peer's tree is incomplete: it has to be rebuilt there first"
    );
}

#[tokio::test]
async fn a6_a_tree_or_a_peer_of_another_map_is_refused() {
    let node = Node::new(1).await;
    let other = Arc::new(MerkleObserver::new("merkle", MapName::new("other").unwrap(), 0));
    let error = Replica::new(Arc::clone(&node.store) as _, other).unwrap_err();
    assert_eq!(error.kind(), SyncErrorKind::OtherMap);
    let part = Arc::new(MerkleObserver::new("merkle", map(), 1));
    let error = Replica::new(Arc::clone(&node.store) as _, part).unwrap_err();
    assert_eq!(error.kind(), SyncErrorKind::OtherMap);
}

#[tokio::test]
async fn a6_replicas_with_another_number_of_partitions_are_refused_before_a_key_is_in_the_wrong_one() {
    let whole = Node::new(1).await;
    let clock = ManualClock::new();
    let below = Arc::new(InMemoryDataStore::new(clock.shared()));
    let first_of_two = Partition::new(0, 2).unwrap();
    let half = Node::part(2, clock, below, (config(), first_of_two), SyncOptions::default()).await;
    let is_of = |number: &u64| first_of_two.owns(&key(&format!("k{number}")));
    let (ours, foreign) = (
        (0..).find(is_of).unwrap(),
        (0..).find(|number| !is_of(number)).unwrap(),
    );
    for number in [ours, foreign] {
        whole.set(&format!("k{number}"), number).await;
    }
    for (asking, asked) in [(&whole, &half), (&half, &whole)] {
        let error = asking.replica.sync(&asked.peer()).await.unwrap_err();
        assert_eq!(error.kind(), SyncErrorKind::OtherMap, "{error}");
    }
    assert_eq!(half.store.resident_len(), 0);
    // What both have in one place they may exchange.
    whole.store.delete_all().await.unwrap();
    whole.set(&format!("k{ours}"), 1).await;
    assert!(half.sync(&whole).await.is_equal);
}

#[tokio::test]
async fn a6_a_cutoff_ahead_of_the_clock_is_refused_by_either_side() {
    let (one, ahead) = (Node::new(1).await, Node::new(2).await);
    let hour = ManualClock::START.plus(3_600_000);
    ahead
        .replica
        .tree()
        .forget_removals(Timestamp::new(hour, 0, NodeId(2)));
    for (asking, asked) in [(&one, &ahead), (&ahead, &one)] {
        let error = asking.replica.sync(&asked.peer()).await.unwrap_err();
        assert_eq!(error.kind(), SyncErrorKind::CutoffAhead);
        assert_eq!(
            one.replica.tree().cutoff(),
            Timestamp::ZERO,
            "nothing was believed"
        );
    }
    // Set right, it is believed.
    one.clock.advance(Duration::from_secs(3_600));
    ahead.clock.advance(Duration::from_secs(3_600));
    assert!(one.replica.sync(&ahead.peer()).await.unwrap().is_equal);
}

#[tokio::test]
async fn a6_a_record_that_one_store_cannot_take_is_counted_and_keeps_no_other_away() {
    let clock = ManualClock::new();
    let mut limits = Limits::default();
    limits.record_bytes = 1_000;
    let below = Arc::new(InMemoryDataStore::new(clock.shared()).with_limits(limits));
    let narrow = Node::over(1, clock, below, config(), SyncOptions::default()).await;
    let wide = Node::new(2).await;
    let at = Timestamp::new(Millis(1_700_000_000_000), 0, NodeId(9));
    wide.put("large", RecordValue::lww("v".repeat(2_000).as_str(), at))
        .await;
    for number in 0..10 {
        wide.set(&format!("small:{number}"), number).await;
    }
    for report in [narrow.sync(&wide).await, wide.sync(&narrow).await] {
        assert_eq!((report.failed, report.is_equal), (1, false), "{report:?}");
        assert_eq!(narrow.records().await.len(), 10);
    }
}
