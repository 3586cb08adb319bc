//! S2: a write of unknown outcome that lands after a removal was acknowledged brings nothing back.

use std::sync::Arc;

use layerstore_data_store::{ErrorKind, InMemoryDataStore, MapDataStore, ScanRequest, WriteResult};
use layerstore_engine::{HashMapEngine, StorageEngine};
use layerstore_record::{Hlc, Millis, NodeId, OrEntries, RecordValue, Tags, Timestamp};
use layerstore_record_store::{
    Compute, MergeSource, NewValue, Partition, RecordErrorKind, RecordStore, RecordStoreFactory, WriteOptions,
};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::doubles::{Call, FailingDataStore, Fault};

use crate::stage::{Plan, Rig, config, key, kind, map};

/// What a client removes with.
#[derive(Debug, Clone, Copy)]
enum Removal {
    Remove,
    RemoveAll,
    Compute,
    DeleteAll,
}

const REMOVALS: [Removal; 4] = [
    Removal::Remove,
    Removal::RemoveAll,
    Removal::Compute,
    Removal::DeleteAll,
];

impl Removal {
    /// Removes the key, which must be acknowledged; tells whether that was a write.
    async fn make(self, store: &dyn RecordStore) -> bool {
        let alice = key("alice");
        let version = match self {
            Self::Remove => store.remove(&alice).await.unwrap().version,
            Self::RemoveAll => store.remove_all(&[alice]).await.remove(0).unwrap().version,
            Self::Compute => {
                let removed = store.compute(&alice, Box::new(|_| Compute::Remove)).await;
                removed.unwrap().version
            }
            Self::DeleteAll => store.delete_all().await.unwrap().version,
        };
        version.is_some()
    }
}

/// An OR-Map whose only entry was added at this time.
fn or_map(at: u64) -> RecordValue {
    let tag = Timestamp::new(Millis(at), 0, NodeId(9));
    RecordValue::or_map(OrEntries::new(vec![(tag, 1_u64.into())]), Tags::default())
}

async fn set_late(store: &dyn RecordStore, failing: &FailingDataStore, value: NewValue) {
    failing.fail_next(Call::Apply, Fault::late(ErrorKind::Timeout));
    let late = store.set(&key("alice"), value, &WriteOptions::DEFAULT).await;
    assert_eq!(kind(late), RecordErrorKind::OutcomeUnknown);
}

#[tokio::test]
async fn s2_a_removal_that_finds_nothing_keeps_out_a_write_of_unknown_outcome_that_lands_late() {
    for removal in REMOVALS {
        for value in [NewValue::from(2), or_map(1).into()] {
            for reads_first in [false, true] {
                let rig = Rig::new().await;
                set_late(&*rig.store, &rig.failing, value.clone()).await;
                if reads_first {
                    // From now on memory remembers that the key is absent.
                    assert!(rig.store.get(&key("alice")).await.unwrap().is_none());
                }
                assert!(removal.make(&*rig.store).await, "{removal:?}");
                let landed = rig.failing.land().await;
                assert!(
                    matches!(landed[..], [WriteResult::Stale { .. }]),
                    "{removal:?} {landed:?}"
                );
                rig.store.clear_memory().await.unwrap();
                assert!(rig.store.get(&key("alice")).await.unwrap().is_none());
                assert_eq!(rig.store.count().await.unwrap(), 0, "{removal:?}");
                let again = rig.restarted(Plan::default()).await;
                assert_eq!(again.store.count().await.unwrap(), 0, "{removal:?}");
            }
        }
    }
}

#[tokio::test]
async fn s2_a_removal_that_finds_nothing_writes_nothing_once_every_outcome_is_known() {
    let rig = Rig::new().await;
    // Fenced out by a tombstone, landed before the removal, and overwritten.
    for landed in [false, true] {
        set_late(&*rig.store, &rig.failing, 1.into()).await;
        if landed {
            rig.failing.land().await;
        }
        assert!(Removal::Remove.make(&*rig.store).await);
        assert!(!Removal::Remove.make(&*rig.store).await);
        rig.failing.land().await;
    }
    set_late(&*rig.store, &rig.failing, 1.into()).await;
    rig.set("alice", 2).await;
    assert!(Removal::Remove.make(&*rig.store).await);
    let _ = (rig.recording.take(), rig.observer.take());
    assert!(!Removal::RemoveAll.make(&*rig.store).await);
    assert_eq!(rig.recording.count(Call::Apply), 0);
    assert!(rig.observer.told().is_empty());
}

#[tokio::test]
async fn s2_what_fences_an_or_map_remembers_every_tag_that_was_removed() {
    let rig = Rig::new().await;
    let alice = key("alice");
    let merge = async |at| {
        let merged = rig
            .store
            .merge(&alice, or_map(at), MergeSource::Crdt, &WriteOptions::DEFAULT)
            .await;
        merged.unwrap().value.is_some()
    };
    assert!(merge(1).await);
    assert!(Removal::Remove.make(&*rig.store).await);
    set_late(&*rig.store, &rig.failing, or_map(2).into()).await;
    assert!(Removal::Remove.make(&*rig.store).await);
    rig.failing.land().await;
    for at in [1, 2] {
        assert!(!merge(at).await, "the tag of {at} was removed");
    }
    assert!(merge(3).await);
}

#[tokio::test]
async fn s2_clearing_one_partition_of_several_keeps_out_what_lands_late() {
    let clock = ManualClock::new();
    let below = Arc::new(InMemoryDataStore::new(clock.shared()));
    let failing = Arc::new(FailingDataStore::new(Arc::clone(&below) as _));
    let engines = Arc::new(|_: &_, _| Arc::new(HashMapEngine::new()) as Arc<dyn StorageEngine>);
    let hlc = Arc::new(Hlc::new(NodeId(1), clock.shared()));
    let factory = RecordStoreFactory::with_hlc(engines, Arc::clone(&failing) as _, hlc);
    let partition = Partition::new(Partition::index_of(&key("alice"), 16), 16).unwrap();
    let store = factory.create(&map(), partition, config(), None).unwrap();
    store.init().await.unwrap();
    set_late(&store, &failing, 1.into()).await;
    assert!(Removal::DeleteAll.make(&store).await);
    let landed = failing.land().await;
    assert!(matches!(landed[..], [WriteResult::Stale { .. }]), "{landed:?}");
    let page = below.scan_page(&map(), ScanRequest::first(10)).await.unwrap();
    assert!(page.records.is_empty());
}
