//! Tiered stores in which records move while they are asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use layerstore_data_store::{
    CloseReport, ErrorKind, FlushError, Limits, MapClaim, MapDataStore, RestateRecords, ScanPage,
    ScanRequest, StoreError, TryApply, Write, WriteResult,
};
use layerstore_record::{Key, MapName, Record, Version};
use layerstore_tiered::{ArchivePolicy, Archiver, TieredDataStore};

/// Archives or sweeps a little before and after every call, as the seed has it.
pub(crate) struct Restless {
    store: Arc<TieredDataStore>,
    policy: ArchivePolicy,
    rng: Mutex<fastrand::Rng>,
}

impl Restless {
    pub(crate) fn new(store: Arc<TieredDataStore>, policy: ArchivePolicy, rng: fastrand::Rng) -> Self {
        Self {
            store,
            policy,
            rng: Mutex::new(rng),
        }
    }

    async fn amid<T>(&self, call: impl Future<Output = T>) -> T {
        self.stir().await;
        let answer = call.await;
        self.stir().await;
        answer
    }

    async fn stir(&self) {
        let steps = self.rng.lock().unwrap().u8(..3);
        let maps = self.store.claimed_maps();
        for _ in 0..steps {
            let Some((map, dice)) = self.draw(&maps) else {
                return;
            };
            let failed = match dice {
                0..3 => match self.store.archive(map, &self.policy).await {
                    Ok(report) => report.error,
                    Err(error) => Some(error),
                },
                _ => self.store.sweep(map, 2).await.err(),
            };
            if let Some(error) = failed {
                let expected = [ErrorKind::Fenced, ErrorKind::NotClaimed, ErrorKind::Closed];
                assert!(
                    expected.contains(&error.kind()),
                    "a step fails only where a call would: {error}"
                );
            }
        }
    }

    fn draw<'a>(&self, maps: &'a [MapName]) -> Option<(&'a MapName, u8)> {
        let mut rng = self.rng.lock().unwrap();
        // Of many maps the later ones as well as the earlier.
        let map = rng.choice(maps)?;
        Some((map, rng.u8(..5)))
    }
}

/// Has an archiver at work until it is closed.
pub(crate) struct Attended {
    store: Arc<TieredDataStore>,
    archiver: Mutex<Option<Archiver>>,
}

impl Attended {
    pub(crate) fn new(store: Arc<TieredDataStore>, archiver: Archiver) -> Self {
        Self {
            store,
            archiver: Mutex::new(Some(archiver)),
        }
    }
}

macro_rules! forward {
    ($wrapper:ty, $amid:ident, $close:item) => {
        #[async_trait]
        #[deny(
            clippy::missing_trait_methods,
            reason = "an inherited default would bypass the store below"
        )]
        impl MapDataStore for $wrapper {
            fn name(&self) -> &'static str {
                self.store.name()
            }

            fn limits(&self) -> Limits {
                self.store.limits()
            }

            fn is_null(&self) -> bool {
                self.store.is_null()
            }

            async fn claim(&self, map: &MapName) -> Result<MapClaim, StoreError> {
                self.$amid(self.store.claim(map)).await
            }

            async fn apply(&self, writes: Vec<Write>) -> Vec<WriteResult> {
                self.$amid(self.store.apply(writes)).await
            }

            fn try_apply(&self, writes: Vec<Write>) -> TryApply {
                self.store.try_apply(writes)
            }

            fn restating(&self) -> Option<&dyn RestateRecords> {
                self.store.restating()
            }

            async fn load(&self, map: &MapName, key: &Key) -> Result<Option<Record>, StoreError> {
                self.$amid(self.store.load(map, key)).await
            }

            async fn load_all(&self, map: &MapName, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
                self.$amid(self.store.load_all(map, keys)).await
            }

            async fn scan_page(&self, map: &MapName, request: ScanRequest) -> Result<ScanPage, StoreError> {
                self.$amid(self.store.scan_page(map, request)).await
            }

            async fn list_maps(&self) -> Result<Vec<MapName>, StoreError> {
                self.$amid(self.store.list_maps()).await
            }

            async fn clear(&self, map: &MapName, up_to: Version) -> Result<(), StoreError> {
                self.$amid(self.store.clear(map, up_to)).await
            }

            async fn purge(&self, map: &MapName, horizon: Version) -> Result<u64, StoreError> {
                self.$amid(self.store.purge(map, horizon)).await
            }

            fn is_loadable(&self, map: &MapName, key: &Key) -> bool {
                self.store.is_loadable(map, key)
            }

            fn pending_operation_count(&self) -> usize {
                self.store.pending_operation_count()
            }

            fn soft_flush(&self) -> usize {
                self.store.soft_flush()
            }

            async fn hard_flush(&self) -> Result<(), FlushError> {
                self.$amid(self.store.hard_flush()).await
            }

            async fn flush_key(&self, map: &MapName, key: &Key) -> Result<(), FlushError> {
                self.$amid(self.store.flush_key(map, key)).await
            }

            fn reset(&self) -> usize {
                self.store.reset()
            }

            $close
        }
    };
}

forward! { Restless, amid,
    async fn close(&self, deadline: Duration) -> CloseReport {
        self.amid(self.store.close(deadline)).await
    }
}

forward! { Attended, beside,
    async fn close(&self, deadline: Duration) -> CloseReport {
        let archiver = self.archiver.lock().unwrap().take();
        if let Some(archiver) = archiver {
            let report = archiver.shutdown(deadline).await;
            assert!(report.ended_in_time, "an archiver ends when it is told to: {report:?}");
        }
        self.store.close(deadline).await
    }
}

impl Attended {
    async fn beside<T>(&self, call: impl Future<Output = T>) -> T {
        // The archiver gets a turn between calls that need no waiting.
        tokio::task::yield_now().await;
        call.await
    }
}
