//! What stands before every store that is reached over a network: a breaker, spans and metrics.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{BackoffPolicy, MapDataStore, ResilientDataStore};
use layerstore_record::Clock;

/// Far beyond what calls take whose own timeouts work: so that a call ends even where these do not.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(300);

/// Puts a breaker before a store, and lets its calls be seen. The store has timeouts and retries of its own, which its settings
/// name: nothing is tried twice here.
pub(super) fn guarded(store: Arc<dyn MapDataStore>, clock: Arc<dyn Clock>) -> Arc<dyn MapDataStore> {
    let once = BackoffPolicy::default()
        .with_attempts(1)
        .with_total(FORGOTTEN_AFTER);
    let guarded = ResilientDataStore::builder(store, clock)
        .attempt_timeout(FORGOTTEN_AFTER)
        .backoff(once);
    Arc::new(guarded.build())
}

#[cfg(test)]
mod tests {
    use layerstore_data_store::{
        CALLS_TOTAL, DEFAULT_THRESHOLD, ErrorKind, InMemoryDataStore, MapDataStoreExt, TRIES_TOTAL, Write,
    };
    use layerstore_record::MapName;
    use layerstore_testkit::clock::ManualClock;
    use layerstore_testkit::doubles::{Call, FailingDataStore, Fault};
    use layerstore_testkit::metrics::MemoryRecorder;
    use layerstore_testkit::records::{key, record};

    use super::*;

    #[test]
    fn a_store_that_is_down_is_asked_no_more_and_all_of_it_is_counted() {
        let recorder = MemoryRecorder::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        metrics::with_local_recorder(&recorder, || runtime.unwrap().block_on(a_store_that_is_down()));
        let all = recorder.counters();
        let count = |name: &str| -> u64 {
            let counted = all.iter().filter(|(counter, _)| counter.starts_with(name));
            counted.map(|(_, count)| count).sum()
        };
        let (calls, tries) = (count(CALLS_TOTAL), count(TRIES_TOTAL));
        // A claim, the failures, one that is not tried, and one that finds the store healed.
        assert_eq!(
            (calls, tries),
            (u64::from(DEFAULT_THRESHOLD) + 3, u64::from(DEFAULT_THRESHOLD) + 2)
        );
    }

    async fn a_store_that_is_down() {
        let (clock, map) = (ManualClock::new(), MapName::new("map").unwrap());
        let failing = Arc::new(FailingDataStore::new(Arc::new(InMemoryDataStore::new(
            clock.shared(),
        ))));
        let store = guarded(Arc::clone(&failing) as Arc<dyn MapDataStore>, clock.shared());
        store.claim(&map).await.unwrap();
        failing.fail_always(Call::Apply, Fault::before(ErrorKind::Unavailable));
        let write = || Write::new(map.clone(), key(1), record(1));
        for _ in 0..DEFAULT_THRESHOLD {
            assert!(!store.apply_one(write()).await.is_applied());
        }
        let injected = failing.injected();
        assert!(!store.apply_one(write()).await.is_applied());
        assert_eq!(failing.injected(), injected, "an open breaker asks nobody");
        failing.heal();
        clock.advance(layerstore_data_store::DEFAULT_PAUSE);
        assert!(
            store.apply_one(write()).await.is_applied(),
            "a probe finds it healed"
        );
    }
}
