//! S6: whether a record has ended is asked of the exact clock, whatever is cheaper.

use std::sync::Arc;

use layerstore_data_store::InMemoryDataStore;
use layerstore_engine::HashMapEngine;
use layerstore_record::{Clock, Hlc, Millis, NodeId};
use layerstore_record_store::{DefaultRecordStore, RecordStore, TryGet, WriteOptions};
use layerstore_testkit::clock::ManualClock;

use crate::stage::{config, idle, key, map, ttl};

/// A clock whose timer ticks every ten milliseconds, as the kernel's may.
struct Ticking(ManualClock);

impl Clock for Ticking {
    fn now(&self) -> Millis {
        self.0.now()
    }

    fn coarse_now(&self) -> Millis {
        Millis(self.0.now().0 / 10 * 10)
    }
}

#[tokio::test]
async fn s6_a_coarse_clock_shows_nothing_that_has_ended() {
    let clock = ManualClock::new();
    let hlc = Arc::new(Hlc::new(NodeId(1), Arc::new(Ticking(clock.clone()))));
    let below = Arc::new(InMemoryDataStore::new(clock.shared()));
    let store = DefaultRecordStore::builder(map(), Arc::new(HashMapEngine::new()), below);
    let store = store.hlc(hlc).config(config()).build().unwrap();
    store.init().await.unwrap();
    let (ends, idles, stays) = (key("ends"), key("idles"), key("stays"));
    let begun = Millis(ManualClock::START.0 / 10 * 10);
    clock.set(begun);
    store.set(&ends, 1.into(), &ttl(15)).await.unwrap();
    store.set(&idles, 1.into(), &idle(15)).await.unwrap();
    store.set(&stays, 1.into(), &WriteOptions::DEFAULT).await.unwrap();
    clock.set(begun.plus(14));
    assert!(matches!(store.try_get(&ends), TryGet::Hit(_)));
    // Read at the 14th millisecond, not at the 10th: it idles from there on.
    assert_eq!(store.read(&idles, &mut |_| ()), TryGet::Hit(()));
    let TryGet::Hit(stays) = store.try_get(&stays) else {
        panic!("it has no end");
    };
    assert_eq!(
        stays.access().last_access(),
        begun.plus(10),
        "about when it was read"
    );
    clock.set(begun.plus(15));
    assert_eq!(store.try_get(&ends), TryGet::Absent);
    clock.set(begun.plus(28));
    assert!(matches!(store.peek(&idles), TryGet::Hit(_)));
    clock.set(begun.plus(29));
    assert_eq!(store.peek(&idles), TryGet::Absent);
}
