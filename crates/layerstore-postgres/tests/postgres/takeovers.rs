//! Two processes on one map: the later fences the earlier, whatever is under way.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::TryStreamExt;
use layerstore_data_store::{MapDataStore, MapDataStoreExt, ScanRequest, WriteResult};
use layerstore_postgres::PostgresDataStore;
use layerstore_record::{Key, MapName};
use layerstore_testkit::takeover;
use sqlx::{Connection, PgConnection};

use crate::server::Database;
use crate::support::{key, map, put, waiting};

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

/// The processes find the database by its address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m4_two_processes_on_one_map_lose_nothing_and_mix_nothing() {
    if let Some(address) = takeover::place() {
        let store = PostgresDataStore::builder(&address).pool_size(8).connect().await;
        return takeover::own(Arc::new(store.unwrap())).await;
    }
    let database = Database::default();
    let test = "takeovers::m4_two_processes_on_one_map_lose_nothing_and_mix_nothing";
    takeover::rounds(test, database.get().await.url(), 100).await;
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
