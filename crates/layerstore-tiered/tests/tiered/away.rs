//! T-away: while cold is away, what does not need it goes on, and what does says so.

use layerstore_data_store::{ErrorKind, MapDataStore, MapDataStoreExt};
use layerstore_testkit::doubles::{Call, Fault};
use layerstore_testkit::records::{key, version};
use layerstore_tiered::{TieredDataStore, TieredOptions};

use crate::support::{Pair, everything, rejected, unavailable};

/// Takes cold away.
fn away(pair: &Pair) {
    let calls = [
        Call::Claim,
        Call::Apply,
        Call::Load,
        Call::LoadAll,
        Call::ScanPage,
        Call::ListMaps,
        Call::Clear,
        Call::Purge,
        Call::HardFlush,
        Call::FlushKey,
    ];
    for call in calls {
        pair.cold
            .failing
            .fail_always(call, Fault::before(ErrorKind::Unavailable));
    }
}

#[tokio::test]
async fn t_away_a_read_that_needs_cold_is_a_retryable_error_and_the_rest_goes_on() {
    let pair = Pair::new().await;
    pair.archived([1, 2]).await;
    pair.put(3, 3).await;
    away(&pair);
    unavailable(pair.load(1).await);
    unavailable(pair.store.load_all(&pair.map, &[key(3), key(2)]).await);
    unavailable(pair.scan().await);
    unavailable(pair.store.promote(&pair.map, &[key(1)]).await);
    let found = pair.load(3).await.unwrap().unwrap();
    assert_eq!(found.version(), version(3));
    let found = pair.store.load_all(&pair.map, &[key(3), key(9)]).await.unwrap();
    assert!(found[0].is_some() && found[1].is_none());
    pair.put(1, 11).await;
    pair.remove(2, 12).await;
    pair.assert_held(1, Some(11)).await;
    pair.assert_held(2, None).await;
    assert_eq!(
        pair.store.list_maps().await.unwrap(),
        std::slice::from_ref(&pair.map)
    );
    assert_eq!(pair.scan().await.unwrap().len(), 2);
    let flushed = pair.store.hard_flush().await.unwrap_err();
    assert_eq!(flushed.source.unwrap().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn t_away_archiving_waits_and_so_does_what_must_be_gone_from_both() {
    let pair = Pair::new().await;
    pair.archived([1, 2]).await;
    pair.put(3, 3).await;
    pair.remove(1, 11).await;
    away(&pair);
    unavailable(pair.archive_batch().await);
    unavailable(pair.store.sweep(&pair.map, 9).await);
    unavailable(pair.store.purge(&pair.map, version(20)).await);
    assert!(
        pair.load(1).await.unwrap().is_some(),
        "the tombstone is still there"
    );
    unavailable(pair.store.clear(&pair.map, version(20)).await);
    assert_eq!(
        pair.load(3).await.unwrap(),
        None,
        "readers go by hot, which is cleared"
    );
    pair.cold.failing.heal();
    pair.store.clear(&pair.map, version(20)).await.unwrap();
    assert!(
        pair.cold.keys(&pair.map).await.is_empty(),
        "a repeated clear finishes the work"
    );
    pair.put(4, 24).await;
    pair.archive().await;
    pair.assert_held(4, Some(24)).await;
}

#[tokio::test]
async fn t_away_a_map_is_claimed_without_cold_and_archived_once_it_is_back() {
    let pair = Pair::new().await;
    pair.archived([1]).await;
    away(&pair);
    let options = TieredOptions::default().clock(pair.clock.shared());
    let store = TieredDataStore::new(pair.hot.memory.clone(), pair.cold.failing.clone(), options).unwrap();
    store.claim(&pair.map).await.unwrap();
    let write =
        layerstore_data_store::Write::new(pair.map.clone(), key(2), layerstore_testkit::records::record(2));
    assert!(store.apply_one(write).await.is_applied());
    unavailable(store.archive(&pair.map, &everything()).await);
    unavailable(store.load(&pair.map, &key(1)).await);
    pair.cold.failing.heal();
    let report = store.archive(&pair.map, &everything()).await.unwrap();
    assert_eq!(report.archived, 1, "{report:?}");
    for number in [1, 2] {
        let found = store.load(&pair.map, &key(number)).await.unwrap();
        assert_eq!(found.unwrap().version(), version(number));
    }
    // What is not a matter of time is told at once.
    pair.cold
        .failing
        .fail_next(Call::Claim, Fault::before(ErrorKind::Forbidden));
    let refused = store.claim(&pair.map).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Forbidden);
}

#[tokio::test]
async fn t_away_hot_is_named_where_hot_fails() {
    let pair = Pair::new().await;
    pair.hot
        .failing
        .fail_always(Call::Apply, Fault::after(ErrorKind::Timeout));
    pair.hot
        .failing
        .fail_always(Call::Load, Fault::before(ErrorKind::Throttled));
    let error = rejected(pair.store.apply_one(pair.removal(1, 1)).await);
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Timeout, layerstore_data_store::Outcome::Unknown)
    );
    assert!(error.to_string().contains("the hot store"), "{error}");
    assert_eq!(pair.load(1).await.unwrap_err().kind(), ErrorKind::Throttled);
}
