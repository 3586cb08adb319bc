//! Observers of an open store: what they learn besides mutations, and what they cannot do to writes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use layerstore::observer::{
    ChangeFeed, EventPublisher, FeedItem, FeedStart, FnObserver, MerkleObserver, Mutation, ObserverError,
    PublishedItem, SubscriberFault, Topic,
};
use layerstore::{DataStoreKind, Layerstore, LiveItem, MapName, Query, field};
use layerstore_testkit::clock::ManualClock;
use tokio::time::Instant;

use crate::close;

/// The horizon of removals.
const HORIZON: Duration = Duration::from_secs(60);
/// What a write may take here, whatever subscribers do: far below the 5 s for which a write may wait for room in memory.
const BUDGET: Duration = Duration::from_secs(2);

fn tree(name: &str) -> Arc<MerkleObserver> {
    Arc::new(MerkleObserver::new(name, MapName::new("m").unwrap(), 0))
}

#[tokio::test]
async fn a_purge_is_told_to_merkle_observers_whenever_they_came() {
    let clock = ManualClock::new();
    let of_store = tree("of the store");
    let store = Layerstore::builder()
        .data_store_kind(DataStoreKind::Memory)
        .clock(clock.shared())
        .tombstone_horizon(HORIZON)
        .observer(of_store.clone())
        .build()
        .await
        .unwrap();
    let map = store.map::<u64>("m").unwrap();
    let of_map = tree("of the map");
    map.records().add_observer(of_map.clone()).unwrap();
    for tree in [&of_store, &of_map] {
        tree.rebuild().finish().unwrap();
    }
    map.set("k", &1).await.unwrap();
    map.remove("k").await.unwrap();
    store.purge().await;
    assert_eq!((of_store.removals(), of_store.forgotten().millis().0), (1, 0));
    clock.advance(HORIZON);
    store.purge().await;
    assert_eq!(
        of_store.forgotten().millis().0,
        0,
        "nothing was dropped: a new replica may take what is as old"
    );
    clock.advance(Duration::from_secs(1));
    store.purge().await;
    let late = tree("late");
    map.records().add_observer(late.clone()).unwrap();
    let forgotten = of_store.forgotten();
    assert_eq!(forgotten.millis().0 + 60_000, layerstore::Clock::now(&clock).0);
    for tree in [&of_store, &of_map, &late] {
        assert_eq!((tree.removals(), tree.forgotten()), (0, forgotten), "{tree:?}");
    }
    close(store).await;
}

/// Adds an observer that panics, one that fails, and counts how often each was told.
fn add_broken(store: &Layerstore) -> Arc<AtomicU64> {
    let told = Arc::new(AtomicU64::new(0));
    let records = store.records("m").unwrap();
    let (panics, fails) = (told.clone(), told.clone());
    let panicking = FnObserver::new("panicking", move |_: &Mutation<'_>| {
        panics.fetch_add(1, Ordering::Relaxed);
        panic!("as it is told")
    });
    let failing = FnObserver::new("failing", move |_: &Mutation<'_>| {
        fails.fetch_add(1, Ordering::Relaxed);
        Err(ObserverError::new("failing", "has no connection"))
    });
    records.add_observer(Arc::new(panicking)).unwrap();
    records.add_observer(Arc::new(failing)).unwrap();
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_is_lost_or_late_because_a_subscriber_panics_fails_or_stalls() {
    const WRITES: u64 = 500;
    let events = Arc::new(
        EventPublisher::builder("events")
            .queue_events(10)
            .stall_after(Duration::from_millis(20))
            .build(),
    );
    let feed = Arc::new(ChangeFeed::builder("feed").max_records(10).build().unwrap());
    let store = Layerstore::builder()
        .in_memory()
        .observer(events.clone())
        .observer(feed.clone())
        .build()
        .await;
    let store = store.unwrap();
    let map = store.map::<u64>("m").unwrap();
    let told = add_broken(&store);
    let live = map.live("live", Query::of(field("").exists())).await.unwrap();
    // None of these reads before all is written.
    let mut following = live.subscribe().unwrap();
    let mut reading = feed.subscribe(FeedStart::Now, Topic::everything()).unwrap();
    let mut idle = events.subscribe("idle", Topic::everything()).unwrap();
    let handler = |name| events.subscribe(name, Topic::everything()).unwrap();
    let (release, held) = mpsc::channel::<()>();
    let (stalled, panicking, failing) = (handler("stalled"), handler("panicking"), handler("failing"));
    // On a thread of its own, which it keeps: no task of the runtime waits for it.
    let runtime = tokio::runtime::Handle::current();
    let stuck = std::thread::spawn(move || {
        runtime.block_on(stalled.deliver(|_| held.recv().map_err(|_| "released")));
    });
    let panics = tokio::spawn(panicking.deliver(|_| -> Result<(), &str> { panic!("as it is told") }));
    let fails = tokio::spawn(failing.deliver(|_| Err("no connection")));

    let mut slowest = Duration::ZERO;
    for number in 0..WRITES {
        let begun = Instant::now();
        let outcome = map
            .records()
            .set(
                &layerstore::Key::new(format!("k{number:03}")).unwrap(),
                number.into(),
                &layerstore::WriteOptions::DEFAULT,
            )
            .await
            .unwrap();
        slowest = slowest.max(begun.elapsed());
        let error = outcome.observer_error.unwrap();
        assert_eq!((error.observer.as_str(), error.further), ("panicking", 1));
    }
    assert!(slowest < BUDGET, "a write took {slowest:?}");
    assert_eq!(map.records().count().await.unwrap(), WRITES);
    assert_eq!(told.load(Ordering::Relaxed), 2 * WRITES);
    assert_eq!(following.position(), 1);
    assert!(matches!(following.next().await, Some(LiveItem::Event(event)) if event.number == 1));
    assert!(matches!(reading.next().await, Some(FeedItem::Lagged { from: 1, to }) if to == WRITES - 10));
    assert!(matches!(idle.next().await, Some(PublishedItem::Lagged { from: 1, to }) if to == WRITES - 10));

    tokio::time::sleep(Duration::from_millis(30)).await;
    map.set("last", &0).await.unwrap();
    let status = |name: &str| {
        let all = events.subscribers();
        all.into_iter()
            .find(|subscriber| subscriber.name == name)
            .unwrap()
    };
    let stalled = status("stalled");
    assert!(stalled.stalled.is_some() && stalled.missed > 0, "{stalled:?}");
    assert!(
        matches!(stalled.last_fault, Some(SubscriberFault::Stalled(_))),
        "{stalled:?}"
    );
    assert!(status("panicking").panics > 0 && status("failing").failures > 0);
    drop(release);
    events.close();
    stuck.join().unwrap();
    panics.await.unwrap();
    fails.await.unwrap();
    close(store).await;
}
