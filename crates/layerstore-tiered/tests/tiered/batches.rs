//! Archiving goes in bounded batches, and takes what the policy says.

use std::time::Duration;

use layerstore_data_store::{ErrorKind, MapDataStore};
use layerstore_record::{Clock, MapName};
use layerstore_testkit::doubles::Call;
use layerstore_testkit::records::key;
use layerstore_tiered::{ArchivePolicy, Promotion};

use crate::support::{Pair, everything};

#[tokio::test]
async fn t_work_no_call_is_larger_than_a_batch() {
    let pair = Pair::new().await;
    for number in 1..=20 {
        pair.put(number, number).await;
    }
    let _ = pair.cold.recording.take();
    let policy = ArchivePolicy::builder()
        .age(Duration::ZERO)
        .batch_records(7)
        .batch_bytes(150);
    let policy = policy.build().unwrap();
    let mut archived = Vec::new();
    loop {
        let report = pair.store.archive(&pair.map, &policy).await.unwrap();
        assert!(report.looked_at <= 7, "{report:?}");
        archived.push(report.archived);
        if report.is_round_complete {
            break;
        }
    }
    assert_eq!(archived, [7, 7, 6], "each batch goes on where the last ended");
    let noted = pair.cold.recording.take();
    let sizes = noted
        .iter()
        .filter(|noted| noted.call == Call::Apply)
        .map(|noted| noted.targets.len());
    let sizes: Vec<usize> = sizes.collect();
    assert!(
        sizes.len() > 3 && sizes.iter().all(|size| *size <= 4),
        "by bytes, too: {sizes:?}"
    );
    // A round that has nothing to do writes nothing, and begins anew.
    let report = pair.store.archive(&pair.map, &policy).await.unwrap();
    assert_eq!((report.looked_at, report.archived), (7, 0), "{report:?}");
}

#[tokio::test]
async fn a_record_that_came_back_is_not_archived_again_at_once() {
    let pair = Pair::with(Promotion::OnRead).await;
    pair.archived([1, 2]).await;
    pair.clock.advance(Duration::from_secs(100));
    pair.assert_held(1, Some(1)).await;
    assert_eq!(
        pair.hot.row(&pair.map, &key(1)).await.as_ref(),
        pair.load(1).await.unwrap().as_ref()
    );
    let policy = ArchivePolicy::builder()
        .age(Duration::from_secs(60))
        .build()
        .unwrap();
    let report = pair.store.archive(&pair.map, &policy).await.unwrap();
    assert_eq!(report.archived, 0, "{report:?}");
    pair.clock.advance(Duration::from_secs(60));
    let report = pair.store.archive(&pair.map, &policy).await.unwrap();
    assert_eq!((report.archived, report.copied_before), (1, 1), "{report:?}");
    pair.assert_held(1, Some(1)).await;
}

#[tokio::test]
async fn what_was_used_stays_and_what_is_idle_goes() {
    let pair = Pair::new().await;
    let now = pair.clock.now();
    for number in 1..=4 {
        pair.put(number, number).await;
    }
    let policy = ArchivePolicy::builder()
        .idle(Duration::from_secs(60))
        .last_use(move |_, used| (*used == key(2)).then_some(now));
    let report = pair
        .store
        .archive(&pair.map, &policy.build().unwrap())
        .await
        .unwrap();
    assert_eq!(report.archived, 3, "{report:?}");
    assert_eq!(pair.cold.keys(&pair.map).await, [key(1), key(3), key(4)]);
}

#[tokio::test]
async fn a_map_that_was_not_claimed_is_neither_archived_nor_swept() {
    let pair = Pair::new().await;
    let other = MapName::new("other").unwrap();
    let refused = [
        pair.store
            .archive(&other, &everything())
            .await
            .map(|_| ())
            .unwrap_err(),
        pair.store.sweep(&other, 1).await.map(|_| ()).unwrap_err(),
    ];
    for error in refused {
        assert_eq!((error.kind(), error.map()), (ErrorKind::NotClaimed, Some(&other)));
    }
    assert_eq!(pair.store.claimed_maps(), std::slice::from_ref(&pair.map));
    pair.store.claim(&other).await.unwrap();
    assert_eq!(pair.store.claimed_maps(), [pair.map.clone(), other]);
}
