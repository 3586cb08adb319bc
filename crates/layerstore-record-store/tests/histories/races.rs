//! Loads that race a mutation on real threads never leave the older value behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use futures::future::join_all;
use layerstore_record::Key;
use layerstore_record_store::{RecordStore, RecordStoreConfig, WriteOptions};
use layerstore_testkit::proof;
use layerstore_testkit::records::key;

use crate::stage::{Stage, number};

/// Races of each mutation.
const ROUNDS: u64 = 300;
const READERS: u64 = 3;

/// How long a race may take before it counts as hanging.
const DEADLINE: Duration = Duration::from_secs(60);

/// What races the loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mutation {
    Set,
    Remove,
    Clear,
}

impl Mutation {
    async fn make(self, stage: &Stage, key: &Key, new: u64) -> Option<u64> {
        match self {
            Self::Set => {
                let set = stage.store.set(key, new.into(), &WriteOptions::DEFAULT).await;
                set.unwrap();
                return Some(new);
            }
            Self::Remove => drop(stage.store.remove(key).await.unwrap()),
            Self::Clear => drop(stage.store.delete_all().await.unwrap()),
        }
        None
    }
}

async fn get(stage: &Stage, key: &Key) -> Option<u64> {
    let found = stage.store.get(key).await.unwrap();
    found.map(|record| number(&record))
}

/// Reads until the mutation was made, and once more: the older value, then the newer, and never back.
async fn read(stage: Arc<Stage>, key: Key, made: Arc<AtomicBool>, old: u64, mut rng: Rng) -> Option<u64> {
    let mut last = Some(old);
    loop {
        let is_last = made.load(Ordering::Acquire);
        let found = match rng.u8(..3) {
            0 => stage
                .store
                .load(&key)
                .await
                .unwrap()
                .map(|record| number(&record)),
            _ => get(&stage, &key).await,
        };
        assert!(found == last || last == Some(old), "{last:?}, then {found:?}");
        last = found;
        if is_last {
            return last;
        }
        if rng.bool() {
            let _ = stage.store.evict(&key).await.unwrap();
        }
        tokio::task::yield_now().await;
    }
}

async fn race(stage: &Arc<Stage>, mutation: Mutation, round: u64, rng: &mut Rng) {
    let (key, old, new) = (key(round), 2 * round, 2 * round + 1);
    let set = stage.store.set(&key, old.into(), &WriteOptions::DEFAULT).await;
    set.unwrap();
    stage.store.evict(&key).await.unwrap();
    let made = Arc::new(AtomicBool::new(false));
    let readers = (0..READERS).map(|_| {
        let (stage, key, made) = (Arc::clone(stage), key.clone(), Arc::clone(&made));
        tokio::spawn(read(stage, key, made, old, rng.fork()))
    });
    let readers: Vec<_> = readers.collect();
    for _ in 0..rng.u8(..12) {
        tokio::task::yield_now().await;
    }
    let expected = mutation.make(stage, &key, new).await;
    made.store(true, Ordering::Release);
    assert_eq!(get(stage, &key).await, expected, "{mutation:?}");
    for last in join_all(readers).await {
        assert_eq!(last.unwrap(), expected, "{mutation:?}");
    }
    assert_eq!(get(stage, &key).await, expected, "{mutation:?}, in memory");
    stage.store.evict(&key).await.unwrap();
    assert_eq!(get(stage, &key).await, expected, "{mutation:?}, loaded again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s5_a_load_that_races_a_set_a_remove_or_a_clear_never_leaves_the_older_value() {
    for mutation in [Mutation::Set, Mutation::Remove, Mutation::Clear] {
        let mut rng = Rng::with_seed(proof::seed());
        let stage = Stage::new(RecordStoreConfig::default(), &mut rng, false).await;
        for round in 0..ROUNDS {
            tokio::time::timeout(DEADLINE, race(&stage, mutation, round, &mut rng))
                .await
                .unwrap_or_else(|_| panic!("round {round} of {mutation:?} hangs"));
        }
        let overtaken = stage.store.stats().loads_poisoned;
        assert!(overtaken > 0, "no load was overtaken by a {mutation:?}");
    }
}
