//! Two processes on one map: the later fences the earlier, whatever is under way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::TryStreamExt;
use layerstore_data_store::{ErrorKind, MapDataStore, MapDataStoreExt, ScanRequest, WriteResult};
use layerstore_postgres::PostgresDataStore;
use layerstore_record::{Key, MapName};
use layerstore_testkit::proof;
use sqlx::{Connection, PgConnection};
use tokio::task::JoinHandle;

use crate::server::Database;
use crate::support::{key, map, put, waiting};

const WRITERS: u64 = 4;

/// Writes of the earlier owner, until it is fenced.
struct Owner {
    acknowledged: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<BTreeMap<Key, u64>>>,
}

impl Owner {
    /// Starts writers, each with keys of its own and versions from `from` on.
    fn start(store: &Arc<PostgresDataStore>, map: &MapName, from: u64) -> Self {
        let acknowledged = Arc::new(AtomicU64::new(0));
        let writer = |writer: u64| {
            let (store, map, counter) = (Arc::clone(store), map.clone(), Arc::clone(&acknowledged));
            tokio::spawn(async move {
                let mut told = BTreeMap::new();
                for version in from.. {
                    let keys = [0, 1].map(|number| key(&format!("{writer}/{}", (version + number) % 5)));
                    let writes = keys.iter().map(|key| put(&map, key, version)).collect();
                    for (key, answer) in keys.into_iter().zip(store.apply(writes).await) {
                        match answer {
                            WriteResult::Applied => {
                                told.insert(key, version);
                                counter.fetch_add(1, Ordering::Relaxed);
                            }
                            WriteResult::Rejected(error) if error.kind() == ErrorKind::Fenced => return told,
                            other => panic!("the owner of a map is served until it is fenced: {other:?}"),
                        }
                    }
                }
                told
            })
        };
        Self {
            tasks: (0..WRITERS).map(writer).collect(),
            acknowledged,
        }
    }

    /// Waits until every writer was told that it is fenced; returns what they had been told before.
    async fn fenced(self) -> BTreeMap<Key, u64> {
        let mut told = BTreeMap::new();
        for task in self.tasks {
            told.extend(task.await.unwrap());
        }
        told
    }
}

/// Everything that the map holds, as numbers.
async fn held(store: &PostgresDataStore, map: &MapName) -> BTreeMap<Key, u64> {
    let all: Vec<_> = store
        .scan(map, ScanRequest::first(100))
        .try_collect()
        .await
        .unwrap();
    all.into_iter()
        .map(|(key, record)| (key, record.version().millis().0))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m4_two_processes_on_one_map_lose_nothing_and_mix_nothing() {
    let (database, map) = (Database::default(), map("map"));
    let open = async || Arc::new(database.builder().await.pool_size(8).connect().await.unwrap());
    let (mut owner, mut rival) = (open().await, open().await);
    owner.claim(&map).await.unwrap();
    let rounds = proof::scaled(100);
    let seed = proof::seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut from, mut acknowledged) = (1, 0);
    for round in 0..rounds {
        let writers = Owner::start(&owner, &map, from);
        let moment = rng.u64(1..60);
        while writers.acknowledged.load(Ordering::Relaxed) < moment {
            tokio::task::yield_now().await;
        }
        let claim = rival.claim(&map).await.unwrap();
        // From here on nothing of the earlier owner's arrives, whatever it had under way.
        let at_claim = held(&rival, &map).await;
        let told = writers.fenced().await;
        for (key, version) in &told {
            let found = at_claim.get(key).copied().unwrap_or_default();
            assert!(
                found >= *version,
                "round {round}: {key:?} holds {found}, {version} was acknowledged"
            );
            acknowledged += 1;
        }
        let highest = at_claim.values().max().copied().unwrap_or_default();
        assert!(
            claim.high_water.millis().0 >= highest,
            "round {round}: the mark covers what was written"
        );
        assert_eq!(
            held(&rival, &map).await,
            at_claim,
            "round {round}: the earlier owner wrote after the claim"
        );
        from = highest + 1;
        std::mem::swap(&mut owner, &mut rival);
    }
    proof::report(
        "M4",
        &[
            ("rounds", rounds),
            ("acknowledged", acknowledged),
            ("seed", seed),
            ("violations", 0),
        ],
    );
}

/// A batch is held up in the midst of its statement by somebody who has locked one of its records.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_waits_for_a_batch_that_is_being_committed() {
    let (database, map) = (Database::default(), map("map"));
    let open = async || Arc::new(database.builder().await.connect().await.unwrap());
    let (owner, rival) = (open().await, open().await);
    owner.claim(&map).await.unwrap();
    let write = |number| vec![put(&map, &key("a"), number), put(&map, &key("b"), number)];
    assert!(owner.apply(write(1)).await.iter().all(WriteResult::is_applied));
    let mut sql = PgConnection::connect(database.get().await.url()).await.unwrap();
    let mut watch = PgConnection::connect(database.get().await.url()).await.unwrap();
    let mut holder = sql.begin().await.unwrap();
    sqlx::query("SELECT FROM layerstore.records FOR UPDATE")
        .execute(&mut *holder)
        .await
        .unwrap();
    let batch = tokio::spawn({
        let (owner, writes) = (Arc::clone(&owner), write(2));
        async move { owner.apply(writes).await }
    });
    while waiting(&mut watch).await < 1 {}
    let claim = tokio::spawn({
        let (rival, map) = (Arc::clone(&rival), map.clone());
        async move { rival.claim(&map).await.unwrap() }
    });
    while waiting(&mut watch).await < 2 && !claim.is_finished() {}
    let had_claim = claim.is_finished();
    holder.commit().await.unwrap();
    let answers = batch.await.unwrap();
    claim.await.unwrap();
    assert!(
        !had_claim,
        "a claim was answered while a batch of the earlier owner could still be committed"
    );
    assert!(answers.iter().all(WriteResult::is_applied), "{answers:?}");
    assert_eq!(held(&rival, &map).await.into_values().collect::<Vec<_>>(), [2, 2]);
}

/// A claim that was delayed on its way must not fence out one that was made meanwhile.
#[tokio::test]
async fn of_claims_beside_each_other_each_has_an_epoch_of_its_own() {
    let (database, map) = (Database::default(), map("map"));
    let store = Arc::new(database.builder().await.pool_size(8).connect().await.unwrap());
    let claims = (0..16).map(|_| store.claim(&map));
    let mut epochs: Vec<u64> = futures::future::try_join_all(claims)
        .await
        .unwrap()
        .iter()
        .map(|claim| claim.epoch)
        .collect();
    epochs.sort_unstable();
    epochs.dedup();
    assert_eq!(epochs.len(), 16, "two claimants never hold one epoch");
    // Whichever was answered last, the store writes under its newest claim.
    assert!(store.apply(vec![put(&map, &key("a"), 1)]).await[0].is_applied());
}
