//! What was removed does not come back.

use layerstore_data_store::MapDataStore;
use layerstore_record::{Timestamp, Version};
use layerstore_record_store::RecordStore;
use layerstore_sync::SyncOptions;

use crate::node::{Node, config, map};

/// Makes a replica forget its removals up to a time, as the purge of its data store does.
pub(crate) async fn purge(node: &Node, up_to: Timestamp) {
    let below = node.below.as_ref().unwrap();
    let _ = below.purge(&map(), Version::new(up_to)).await.unwrap();
    node.replica.tree().forget_removals(up_to);
}

#[tokio::test]
async fn a3_a_removal_wins_over_what_it_removed_and_loses_to_what_came_later() {
    let (one, other) = (Node::new(1).await, Node::new(2).await);
    one.set("removed", 1).await;
    one.set("again", 1).await;
    let _ = one.sync(&other).await;
    one.remove("removed").await;
    one.remove("again").await;
    other.clock.advance(std::time::Duration::from_millis(5));
    other.set("again", 2).await;
    for _ in 0..2 {
        assert!(other.sync(&one).await.is_equal);
        for node in [&one, &other] {
            assert_eq!(
                (node.get("removed").await, node.get("again").await),
                (None, Some(2))
            );
        }
    }
}

#[tokio::test]
async fn a3_replicas_are_equal_though_one_has_purged_what_the_other_still_remembers() {
    let (one, other) = (Node::new(1).await, Node::new(2).await);
    for number in 0..20 {
        one.set(&format!("user:{number}"), number).await;
    }
    let _ = one.sync(&other).await;
    let removed = one.remove("user:7").await.unwrap();
    assert!(one.sync(&other).await.is_equal);
    purge(&one, removed).await;
    let report = other.sync(&one).await;
    assert_eq!((report.is_equal, report.sent, report.received), (true, 0, 0));
    assert_eq!((one.get("user:7").await, other.get("user:7").await), (None, None));
}

#[tokio::test]
async fn a3_what_is_older_than_the_removals_that_were_forgotten_is_refused() {
    let (one, away) = (Node::new(1).await, Node::new(2).await);
    one.set("k", 1).await;
    let _ = one.sync(&away).await;
    // The replica that was away does not hear of it, until nobody remembers it.
    let removed = one.remove("k").await.unwrap();
    purge(&one, removed).await;
    for report in [away.sync(&one).await, one.sync(&away).await] {
        assert_eq!((report.refused, report.is_equal), (1, false));
        assert_eq!(one.get("k").await, None, "it did not come back");
    }
    // Written again it is new, and everybody takes it.
    away.set("k", 2).await;
    assert!(away.sync(&one).await.is_equal);
    assert_eq!(one.get("k").await, Some(2));
}

#[tokio::test]
async fn a3_a_removal_that_does_not_count_any_more_still_removes_where_it_is_remembered() {
    let (one, other) = (Node::new(1).await, Node::new(2).await);
    one.set("k", 1).await;
    let _ = one.sync(&other).await;
    let removed = one.remove("k").await.unwrap();
    // The cutoff passes the removal, which the data store of its replica still has.
    other.replica.tree().forget_removals(removed);
    assert!(other.sync(&one).await.is_equal);
    assert_eq!((one.get("k").await, other.get("k").await), (None, None));
}

#[tokio::test]
async fn a3_a_new_replica_takes_what_an_old_one_has_whatever_that_has_forgotten() {
    let (old, new) = (Node::new(1).await, Node::new(2).await);
    old.set("kept", 1).await;
    old.set("gone", 1).await;
    let removed = old.remove("gone").await.unwrap();
    purge(&old, removed).await;
    assert!(new.sync(&old).await.is_equal);
    assert_eq!((new.get("kept").await, new.get("gone").await), (Some(1), None));
}

#[tokio::test]
async fn a3_what_was_cleared_does_not_come_back_from_who_still_has_it() {
    let (one, other) = (Node::new(1).await, Node::new(2).await);
    one.set("k", 1).await;
    let _ = one.sync(&other).await;
    one.store.delete_all().await.unwrap();
    let report = other.sync(&one).await;
    assert_eq!((report.refused, report.is_equal), (1, false));
    other.store.delete_all().await.unwrap();
    assert!(other.sync(&one).await.is_equal);
    assert_eq!(one.get("k").await, None);
}

#[tokio::test]
async fn a3_a_removal_that_the_data_store_has_purged_without_a_word_is_known_from_the_tree() {
    let (one, away) = (Node::new(1).await, Node::new(2).await);
    one.set("k", 1).await;
    let _ = one.sync(&away).await;
    let removed = one.remove("k").await.unwrap();
    let below = one.below.as_ref().unwrap();
    assert_eq!(below.purge(&map(), Version::new(removed)).await.unwrap(), 1);
    assert!(away.sync(&one).await.is_equal);
    assert_eq!((one.get("k").await, away.get("k").await), (None, None));
}

#[tokio::test]
async fn a3_a_replica_that_is_opened_again_knows_what_was_forgotten_before() {
    for is_cleared in [false, true] {
        let (one, away) = (Node::new(1).await, Node::new(2).await);
        one.set("k", 1).await;
        let _ = one.sync(&away).await;
        if is_cleared {
            one.store.delete_all().await.unwrap();
        } else {
            let removed = one.remove("k").await.unwrap();
            purge(&one, removed).await;
        }
        let (clock, below) = (one.clock.clone(), one.below.clone().unwrap());
        let again = Node::over(1, clock, below, config(), SyncOptions::default()).await;
        let report = away.sync(&again).await;
        assert_eq!(
            (report.refused, report.is_equal),
            (1, false),
            "cleared: {is_cleared}"
        );
        assert_eq!(again.get("k").await, None, "it did not come back");
    }
}
