//! W3: reads and scans see what is pending, and conditions are judged over it.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{
    Expect, Include, MapDataStore, MapDataStoreExt, ScanRequest, Write, WriteResult,
};
use layerstore_record::{Expiry, Key, Record, RecordValue};
use layerstore_testkit::doubles::{Call, Side};

use crate::support::{Behind, applied, held, key, lingering, map, put_at, removal, scanned, version};

#[tokio::test(start_paused = true)]
async fn w3_reads_and_scans_see_what_is_pending_over_what_is_stored() {
    let behind = Behind::new();
    let store = behind.open(lingering()).await;
    store.claim(&map()).await.unwrap();
    for number in 1..=9 {
        applied(&store, put_at(number, number)).await;
    }
    store.hard_flush().await.unwrap();
    applied(&store, put_at(3, 13)).await;
    applied(&store, removal(5, 15)).await;
    applied(&store, put_at(30, 30)).await;
    let expected: Vec<(Key, u64)> = [
        (1, 1),
        (2, 2),
        (3, 13),
        (30, 30),
        (4, 4),
        (6, 6),
        (7, 7),
        (8, 8),
        (9, 9),
    ]
    .map(|(number, at)| (key(number), at))
    .into();
    for page in 1..=10 {
        assert_eq!(scanned(&store, page).await, expected, "pages of {page}");
    }
    assert_eq!(
        (
            held(&store, &key(3)).await,
            held(&store, &key(5)).await,
            held(&store, &key(1)).await
        ),
        (Some(13), None, Some(1))
    );
    let all = store
        .load_all(&map(), &[key(5), key(99), key(30), key(1)])
        .await
        .unwrap();
    let versions: Vec<_> = all
        .iter()
        .map(|record| record.as_ref().map(Record::version))
        .collect();
    assert_eq!(
        versions,
        [Some(version(15)), None, Some(version(30)), Some(version(1))]
    );
    let page = store
        .scan_page(&map(), ScanRequest::first(100).with_tombstones())
        .await
        .unwrap();
    assert_eq!(
        page.records.len(),
        10,
        "a tombstone that is pending comes back as such"
    );
    assert_eq!(ScanRequest::first(1).include, Include::Live);
}

#[tokio::test(start_paused = true)]
async fn w3_a_scan_misses_nothing_that_moves_to_the_store_meanwhile() {
    let behind = Behind::new();
    let store = Arc::new(behind.open(lingering()).await);
    store.claim(&map()).await.unwrap();
    for number in 1..=9 {
        applied(&store, put_at(number, number)).await;
    }
    // The store has read its page, and not answered.
    behind.slow.shut(Call::ScanPage, Side::After);
    let scan = tokio::spawn({
        let store = Arc::clone(&store);
        async move { scanned(&store, 100).await }
    });
    behind.slow.until_waiting(Call::ScanPage, Side::After, 1).await;
    store.hard_flush().await.unwrap();
    behind.slow.open_all();
    assert_eq!(scan.await.unwrap().len(), 9);
}

#[tokio::test(start_paused = true)]
async fn w3_conditions_are_judged_over_what_is_pending() {
    let behind = Behind::new();
    let store = behind.open(lingering()).await;
    store.claim(&map()).await.unwrap();
    let expecting = |at: u64, expect| put_at(1, at).expecting(expect);
    assert!(store.apply_one(expecting(1, Expect::Absent)).await.is_applied());
    applied(&store, put_at(1, 2)).await;
    let conflict = store.apply_one(expecting(3, Expect::Absent)).await;
    assert!(matches!(conflict, WriteResult::Conflict { current: Some(current) } if current == version(2)));
    assert!(
        store
            .apply_one(expecting(3, Expect::Version(version(2))))
            .await
            .is_applied()
    );
    assert!(
        matches!(store.apply_one(put_at(1, 2)).await, WriteResult::Stale { current } if current == version(3))
    );
    applied(&store, removal(1, 4)).await;
    assert!(store.apply_one(expecting(5, Expect::Absent)).await.is_applied());
}

#[tokio::test(start_paused = true)]
async fn w3_what_has_ended_while_it_was_pending_is_not_read() {
    let behind = Behind::new();
    let store = behind.open(lingering()).await;
    store.claim(&map()).await.unwrap();
    applied(&store, put_at(1, 1)).await;
    store.hard_flush().await.unwrap();
    let end = layerstore_testkit::clock::ManualClock::START.plus(1_000);
    let expiry = Expiry {
        deadline: Some(end),
        ..Expiry::NEVER
    };
    let value = RecordValue::lww(2_u64, version(2).timestamp());
    let record = Record::builder(value, version(2)).expiry(expiry).build();
    applied(&store, Write::new(map(), key(1), Arc::new(record))).await;
    assert_eq!(held(&store, &key(1)).await, Some(2));
    behind.clock.advance(Duration::from_secs(1));
    assert_eq!(held(&store, &key(1)).await, None, "nor what it replaced");
    assert!(scanned(&store, 10).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn w3_a_clear_drops_what_is_pending_below_it() {
    let behind = Behind::new();
    let store = behind.open(lingering()).await;
    store.claim(&map()).await.unwrap();
    for number in 1..=6 {
        applied(&store, put_at(number, number)).await;
    }
    store.clear(&map(), version(4)).await.unwrap();
    assert_eq!(scanned(&store, 2).await, [(key(5), 5), (key(6), 6)]);
    assert_eq!(store.pending_operation_count(), 2);
    assert!(matches!(
        store.apply_one(put_at(7, 4)).await,
        WriteResult::Stale { .. }
    ));
    store.hard_flush().await.unwrap();
    assert_eq!(scanned(&store, 2).await, [(key(5), 5), (key(6), 6)]);
}
