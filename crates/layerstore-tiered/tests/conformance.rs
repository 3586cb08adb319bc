//! The tiered store against the contract of data stores: at rest, with a step of archiving or sweeping before and after every
//! call, and with an archiver at work beside the calls.
#![expect(clippy::unwrap_used, reason = "an unexpected answer ends the test")]

mod restless;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use layerstore_data_store::{InMemoryDataStore, MapDataStore};
use layerstore_record::NodeId;
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::data_store::{TestStore, opened_by};
use layerstore_testkit::proof;
use layerstore_tiered::{ArchivePolicy, Archiver, Promotion, Schedule, TieredDataStore, TieredOptions};

use crate::restless::{Attended, Restless};

/// Two storages in memory that tiered stores share, as processes share two databases.
fn tiered(
    wrap: impl Fn(Arc<TieredDataStore>) -> Arc<dyn MapDataStore> + Send + Sync + 'static,
) -> impl TestStore {
    let storages = OnceLock::new();
    opened_by(move |clock: &ManualClock| {
        let memory = || InMemoryDataStore::new(clock.shared());
        let (hot, cold) = storages.get_or_init(|| (memory(), memory()));
        let options = TieredOptions::default()
            .clock(clock.shared())
            .node(NodeId(7))
            .promotion(Promotion::OnRead);
        let store = TieredDataStore::new(Arc::new(hot.share()), Arc::new(cold.share()), options);
        let store = store.map(|store| wrap(Arc::new(store)));
        async { store }
    })
}

/// Takes everything, a few records at a time.
fn everything() -> ArchivePolicy {
    let policy = ArchivePolicy::builder().age(Duration::ZERO);
    policy.batch_records(3).batch_bytes(200).build().unwrap()
}

/// A stream of its own for each store that a test opens.
fn stream() -> fastrand::Rng {
    use std::sync::atomic::{AtomicU64, Ordering};
    static OPENED: AtomicU64 = AtomicU64::new(0);
    let number = OPENED.fetch_add(1, Ordering::Relaxed);
    fastrand::Rng::with_seed(proof::seed() ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

layerstore_testkit::data_store_conformance!(memory_over_memory, tiered(|store| store));
layerstore_testkit::data_store_conformance!(
    archiving_between_calls,
    tiered(|store| Arc::new(Restless::new(store, everything(), stream())))
);
layerstore_testkit::data_store_conformance!(
    archiving_beside_calls,
    tiered(|store| {
        let schedule = Schedule::new(everything()).pause(Duration::from_millis(1));
        let archiver = Archiver::start(Arc::clone(&store), schedule);
        Arc::new(Attended::new(store, archiver))
    })
);
