//! A tree is read from the records that a data store kept.

use std::sync::Arc;

use layerstore_observer::MerkleObserver;
use layerstore_record_store::RecordStore;
use layerstore_sync::{RebuildProgress, rebuild};

use crate::node::{Node, key, map};

#[tokio::test]
async fn t6_a_tree_rebuilt_from_the_store_is_the_one_that_was_told_of_everything() {
    for node in [Node::new(1).await, Node::pure(2).await] {
        for number in 0..12_345 {
            node.set(&format!("user:{number}"), number).await;
        }
        for number in 0..50 {
            node.remove(&format!("user:{}", number * 3)).await;
            // Without a data store what is evicted is lost.
            if node.below.is_some() {
                let evicted = key(&format!("user:{}", number * 3 + 1));
                assert!(node.store.evict(&evicted).await.unwrap());
            }
        }
        let fresh = MerkleObserver::new("fresh", map(), 0);
        let mut told: Vec<RebuildProgress> = Vec::new();
        let root = rebuild(&fresh, &*node.store, |progress| told.push(progress))
            .await
            .unwrap();
        assert_eq!(Some(root), node.replica.tree().root());
        assert_eq!(fresh.removals(), 50);
        let records: Vec<u64> = told.iter().map(|progress| progress.records).collect();
        assert_eq!(records, [10_000, 12_345]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t6_a_rebuild_goes_on_while_records_are_written_and_begins_anew_after_a_clear() {
    let node = Arc::new(Node::new(1).await);
    for number in 0..25_000 {
        node.set(&format!("user:{number:05}"), number).await;
    }
    let tree = Arc::clone(node.replica.tree());
    let mut attempts = 0;
    let writer = Arc::clone(&node);
    let write = |progress: RebuildProgress| {
        attempts = progress.attempt;
        // Between two pages, as another task would.
        futures::executor::block_on(async {
            writer.set(&format!("user:{:05}", progress.records), 7).await;
            writer.remove(&format!("user:{:05}", progress.records / 2)).await;
            if progress.attempt == 1 && progress.records == 20_000 {
                writer.store.delete_all().await.unwrap();
                writer.set("after", 1).await;
            }
        });
    };
    let root = rebuild(&tree, &*node.store, write).await.unwrap();
    assert_eq!(attempts, 2);
    let fresh = MerkleObserver::new("fresh", map(), 0);
    assert_eq!(
        rebuild(&fresh, &*node.store, |_| {}).await.unwrap(),
        tree.root().unwrap()
    );
    assert_ne!(root.leaves(), 0);
}
