//! W1: what was acknowledged is pending, in the final store or superseded; and with a log, on disk before anybody is told.

use std::time::Duration;

use layerstore_data_store::{ErrorKind, MapDataStore, MapDataStoreExt};
use layerstore_record::{Record, RecordValue};
use layerstore_testkit::disk::{Restart, SimulatedDisk};
use layerstore_testkit::doubles::Fault;

use crate::support::{
    Behind, DEADLINE, applied, held, key, kind, lingering, log_options, map, put, put_at, quick, removal,
    version,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w1_an_acknowledged_write_is_on_disk_when_its_caller_hears_of_it() {
    let (behind, disk) = (Behind::new(), SimulatedDisk::new());
    let store = behind.open_logged(lingering(), &disk).await;
    store.claim(&map()).await.unwrap();
    for number in 1..=20 {
        applied(&store, put(number)).await;
        // The power goes at this very moment.
        let after = behind.restarted();
        after.is_down();
        let reopened = after
            .open_logged(lingering(), &disk.after(Restart::Drop, number))
            .await;
        assert_eq!(held(&reopened, &key(number)).await, Some(number));
        assert_eq!(
            reopened.pending_operation_count(),
            usize::try_from(number).unwrap()
        );
    }
    assert!(behind.stored(1).await.is_none(), "nothing was flushed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w1_what_the_log_does_not_take_is_not_acknowledged_and_leaves_no_trace() {
    let (behind, disk) = (Behind::new(), SimulatedDisk::new());
    let store = behind.open_logged(lingering(), &disk).await;
    store.claim(&map()).await.unwrap();
    applied(&store, put(1)).await;
    disk.fail_sync_at(disk.syncs() + 1);
    let refused = store.apply_one(put_at(1, 2)).await;
    assert_eq!(kind(&refused), Some(ErrorKind::Closed), "{refused:?}");
    assert_eq!(
        held(&store, &key(1)).await,
        Some(1),
        "what was refused is not read"
    );
    let after = store.apply_one(put_at(2, 3)).await;
    assert_eq!(
        kind(&after),
        Some(ErrorKind::Closed),
        "the log takes nothing more"
    );
    store.hard_flush().await.unwrap();
    assert_eq!(
        behind.stored(1).await.unwrap().version(),
        version(1),
        "what was acknowledged is flushed all the same"
    );
}

#[tokio::test]
async fn w1_what_the_store_or_the_log_cannot_hold_is_refused_before_it_is_acknowledged() {
    let (behind, disk) = (Behind::new(), SimulatedDisk::new());
    let store = behind.open_logged(lingering(), &disk).await;
    store.claim(&map()).await.unwrap();
    let limit = store.limits().record_bytes;
    assert_eq!(limit as u64, log_options().segment_bytes / 2);
    let large = RecordValue::lww("x".repeat(limit + 1), version(1).timestamp());
    let mut write = put(1);
    write.record = std::sync::Arc::new(Record::builder(large, version(1)).build());
    let answer = store.apply_one(write).await;
    assert_eq!(kind(&answer), Some(ErrorKind::TooLarge));
    assert_eq!(
        (store.pending_operation_count(), held(&store, &key(1)).await),
        (0, None)
    );
}

#[tokio::test]
async fn w1_a_map_that_was_not_claimed_takes_no_writes() {
    let behind = Behind::new();
    let store = behind.open(lingering()).await;
    assert_eq!(kind(&store.apply_one(put(1)).await), Some(ErrorKind::NotClaimed));
    assert_eq!(
        store.clear(&map(), version(1)).await.unwrap_err().kind(),
        ErrorKind::NotClaimed
    );
    let report = store.close(DEADLINE).await;
    assert!(report.is_complete());
    assert_eq!(kind(&store.apply_one(put(1)).await), Some(ErrorKind::Closed));
}

#[tokio::test(start_paused = true)]
async fn w1_a_purge_never_passes_what_is_pending() {
    let behind = Behind::new();
    let store = behind.open(quick().flush_timeout(Duration::from_secs(9))).await;
    store.claim(&map()).await.unwrap();
    behind
        .failing
        .fail_key(&key(5), Fault::before(ErrorKind::Throttled));
    for number in 1..=9 {
        applied(&store, removal(number, number)).await;
    }
    // The tombstone of key 5 cannot be brought to the store: the floor stays below it.
    assert_eq!(store.purge(&map(), version(7)).await.unwrap(), 4);
    behind.failing.heal();
    store.hard_flush().await.unwrap();
    assert!(behind.stored(5).await.unwrap().is_tombstone());
    assert_eq!(store.purge(&map(), version(7)).await.unwrap(), 3);
}
