//! W7: opening takes over what the log holds.

use std::time::Duration;

use layerstore_data_store::{ErrorKind, Expect, MapDataStore, MapDataStoreExt, Write};
use layerstore_record::MapName;
use layerstore_testkit::disk::{Restart, SimulatedDisk};
use layerstore_testkit::records;
use layerstore_write_behind::WriteBehindDataStore;

use crate::support::{
    Behind, applied, held, key, lingering, log_options, map, put_at, quick, removal, version,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w7_what_was_pending_is_read_and_written_by_the_next_run() {
    let (behind, disk) = (Behind::new(), SimulatedDisk::new());
    let store = behind.open_logged(lingering(), &disk).await;
    store.claim(&map()).await.unwrap();
    for at in 1..=50 {
        applied(&store, put_at(at % 10, at)).await;
    }
    applied(&store, removal(3, 60)).await;
    let (behind, disk) = (behind.restarted(), disk.after(Restart::Keep, 1));
    let store = behind.open_logged(lingering(), &disk).await;
    // Nobody has claimed the map in this run: what is pending is written all the same.
    store.hard_flush().await.unwrap();
    assert_eq!(
        (
            behind.stored(5).await.unwrap().version(),
            behind.stored(3).await.unwrap().is_tombstone()
        ),
        (version(45), true)
    );
    assert!(
        !store.apply_one(put_at(1, 70)).await.is_applied(),
        "a caller has to claim it"
    );
    assert!(store.claim(&map()).await.unwrap().high_water >= version(60));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w7_nothing_newer_in_the_store_is_overwritten() {
    let (behind, disk) = (Behind::new(), SimulatedDisk::new());
    let store = behind.open_logged(lingering(), &disk).await;
    store.claim(&map()).await.unwrap();
    applied(&store, put_at(1, 5)).await;
    applied(&store, put_at(2, 6)).await;
    let other = behind.memory.share();
    other.claim(&map()).await.unwrap();
    let newer = Write::new(map(), key(1), records::record(9));
    assert!(other.apply_one(newer).await.is_applied());
    let behind = behind.restarted();
    let store = behind.open_logged(quick(), &disk.after(Restart::Keep, 1)).await;
    store.hard_flush().await.unwrap();
    assert_eq!(
        (
            behind.stored(1).await.unwrap().version(),
            behind.stored(2).await.unwrap().version()
        ),
        (version(9), version(6))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w7_an_entry_that_the_store_had_already_hides_nothing_newer() {
    let (behind, disk) = (Behind::new(), SimulatedDisk::new());
    let store = behind.open_logged(quick(), &disk).await;
    store.claim(&map()).await.unwrap();
    applied(&store, put_at(1, 1)).await;
    // The log of this moment does not know that the store has the entry, nor that something newer went there past the log.
    let image = disk.after(Restart::Keep, 1);
    store.hard_flush().await.unwrap();
    let newer = put_at(1, 2).expecting(Expect::Version(version(1)));
    assert!(store.apply_one(newer).await.is_applied());
    let behind = behind.restarted();
    behind.is_down();
    let options = quick().call_timeout(Duration::from_millis(50));
    let store = behind.open_logged(options, &image).await;
    store.claim(&map()).await.unwrap();
    let unsure = store.load(&map(), &key(1)).await;
    assert_eq!(
        unsure.unwrap_err().kind(),
        ErrorKind::Unavailable,
        "nobody can tell which is newer"
    );
    behind.failing.heal();
    assert_eq!(held(&store, &key(1)).await, Some(2));
    let next = put_at(1, 3).expecting(Expect::Version(version(2)));
    assert!(store.apply_one(next).await.is_applied());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w7_what_is_done_is_not_replayed_after_closing() {
    let (behind, disk) = (Behind::new(), SimulatedDisk::new());
    let store = behind.open_logged(quick(), &disk).await;
    store.claim(&map()).await.unwrap();
    for at in 1..=100 {
        applied(&store, put_at(at, at)).await;
    }
    assert!(store.close(crate::support::DEADLINE).await.is_complete());
    let behind = behind.restarted();
    let store = behind.open_logged(lingering(), &disk).await;
    assert_eq!(
        (store.pending_operation_count(), held(&store, &key(7)).await),
        (0, Some(7))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w7_what_was_removed_and_purged_does_not_come_back_with_the_log() {
    let (behind, disk) = (Behind::new(), SimulatedDisk::new());
    let store = behind.open_logged(quick(), &disk).await;
    store.claim(&map()).await.unwrap();
    applied(&store, put_at(1, 1)).await;
    applied(&store, put_at(2, 2)).await;
    store.hard_flush().await.unwrap();
    // One removal goes past the log, the other through it.
    applied(&store, removal(1, 3).expecting(Expect::Version(version(1)))).await;
    applied(&store, removal(2, 4)).await;
    assert_eq!(store.purge(&map(), version(9)).await.unwrap(), 2);
    let behind = behind.restarted();
    let store = behind.open_logged(quick(), &disk.after(Restart::Drop, 1)).await;
    store.claim(&map()).await.unwrap();
    assert_eq!(
        (held(&store, &key(1)).await, held(&store, &key(2)).await),
        (None, None)
    );
    store.hard_flush().await.unwrap();
    assert!(store.dead_letters().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w7_more_than_memory_may_hold_is_taken_over_all_the_same() {
    let (behind, disk) = (Behind::new(), SimulatedDisk::new());
    let store = behind.open_logged(lingering(), &disk).await;
    let others = MapName::new("others").unwrap();
    store.claim(&map()).await.unwrap();
    store.claim(&others).await.unwrap();
    for at in 1..=300 {
        applied(&store, put_at(at, at)).await;
        applied(&store, Write::new(others.clone(), key(at), records::record(at))).await;
    }
    let behind = behind.restarted();
    behind.is_down();
    let small = lingering().max_records(20);
    let store = behind.open_logged(small, &disk.after(Restart::Keep, 1)).await;
    let status = store.status();
    assert_eq!((status.pending, status.spilled), (600, 580));
    assert_eq!(store.list_maps().await.unwrap(), [map(), others]);
    assert_eq!(held(&store, &key(300)).await, Some(300));
    behind.failing.heal();
    store.hard_flush().await.unwrap();
    assert_eq!(behind.stored(300).await.unwrap().version(), version(300));
}

#[tokio::test]
async fn w7_a_damaged_log_a_later_format_and_impossible_settings_are_refused_by_name() {
    let (behind, disk) = (Behind::new(), SimulatedDisk::new());
    let store = behind.open_logged(quick(), &disk).await;
    assert!(store.close(crate::support::DEADLINE).await.is_complete());
    let open = async |disk: &SimulatedDisk| {
        let builder = WriteBehindDataStore::builder(behind.memory.clone(), behind.clock.shared());
        builder
            .log(std::sync::Arc::new(disk.clone()), log_options())
            .open()
            .await
            .unwrap_err()
    };
    let damaged = disk.fork();
    for name in damaged.names() {
        let mut bytes = damaged.contents(&name).unwrap();
        bytes.iter_mut().skip(16).for_each(|byte| *byte ^= 0x55);
        damaged.damage(&name, bytes);
    }
    let error = open(&damaged).await;
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    let wrong = quick().max_records(0);
    let builder = WriteBehindDataStore::builder(behind.memory.clone(), behind.clock.shared());
    let error = builder.options(wrong).open().await.unwrap_err();
    assert!(error.to_string().contains("max_records"), "{error}");
}
