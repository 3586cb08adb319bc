use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use layerstore_data_store::{ErrorKind, MapDataStore, StoreError};
use layerstore_record::MapName;

use super::model::ModelScale;
use crate::clock::ManualClock;
use crate::proof;

/// How long one test of the suite may take: a store that hangs fails its test instead of the whole run.
const TEST_DEADLINE: Duration = Duration::from_secs(300);

/// How long a store may take to close.
pub(super) const CLOSE_DEADLINE: Duration = Duration::from_secs(30);

/// What opening a store comes to.
pub type Opening = Result<Arc<dyn MapDataStore>, StoreError>;

/// Storage of its own for one test, and how a store is opened over it.
#[async_trait]
pub trait TestStore: Send + Sync + 'static {
    /// Opens the store; what an earlier one over the same storage had acknowledged is there.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyOpen`] while another is open, if the store does not share its storage; anything else ends the
    /// test.
    async fn open(&self) -> Opening;

    /// Returns the clock by which the opened stores judge expiry.
    fn clock(&self) -> ManualClock;

    /// Says what this machine lacks for such storage, if it lacks something: then the test is skipped, and says so.
    async fn lacks(&self) -> Option<String> {
        None
    }

    /// Returns how much the model test does: by default as for a store in memory.
    fn model(&self) -> ModelScale {
        ModelScale::IN_MEMORY
    }
}

/// Makes a fixture of a closure that opens the store, judging expiry by the clock it is given.
pub fn opened_by<F, O>(open: F) -> impl TestStore
where
    F: Fn(&ManualClock) -> O + Send + Sync + 'static,
    O: Future<Output = Opening> + Send,
{
    OpenedBy {
        clock: ManualClock::new(),
        open,
    }
}

struct OpenedBy<F> {
    clock: ManualClock,
    open: F,
}

#[async_trait]
impl<F, O> TestStore for OpenedBy<F>
where
    F: Fn(&ManualClock) -> O + Send + Sync + 'static,
    O: Future<Output = Opening> + Send,
{
    async fn open(&self) -> Opening {
        (self.open)(&self.clock).await
    }

    fn clock(&self) -> ManualClock {
        self.clock.clone()
    }
}

/// The storage that a test of the suite works on.
pub struct Subject {
    fixture: Box<dyn TestStore>,
}

/// Runs one test of the suite on a runtime of its own.
///
/// # Panics
/// When the store breaks its contract, or the test takes longer than 5 minutes.
pub fn run(fixture: impl TestStore, clause: impl AsyncFnOnce(&Subject)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a tokio runtime for the test");
    runtime.block_on(async {
        let subject = Subject::new(fixture);
        if let Some(why) = subject.lacks().await {
            return proof::skip("conformance of a data store", &why);
        }
        let ended = tokio::time::timeout(TEST_DEADLINE, clause(&subject)).await;
        assert!(
            ended.is_ok(),
            "the test did not end within {TEST_DEADLINE:?}: some call of the store hangs"
        );
    });
}

impl Subject {
    pub(super) fn new(fixture: impl TestStore) -> Self {
        Self {
            fixture: Box::new(fixture),
        }
    }

    /// Returns the clock by which the store judges expiry.
    #[must_use]
    pub fn clock(&self) -> ManualClock {
        self.fixture.clock()
    }

    pub(super) async fn lacks(&self) -> Option<String> {
        self.fixture.lacks().await
    }

    pub(super) fn model(&self) -> ModelScale {
        self.fixture.model()
    }

    /// Opens the store.
    pub async fn open(&self) -> Arc<dyn MapDataStore> {
        self.fixture
            .open()
            .await
            .expect("the store opens over its storage, new or closed before")
    }

    /// Opens the store and claims these maps.
    pub async fn open_for(&self, maps: &[&MapName]) -> Arc<dyn MapDataStore> {
        let store = self.open().await;
        for map in maps {
            store.claim(map).await.expect("a map can be claimed");
        }
        store
    }

    /// Opens the store a second time, as another process would, while one is open; `None` where the storage is exclusive.
    pub async fn open_rival(&self) -> Option<Arc<dyn MapDataStore>> {
        match self.fixture.open().await {
            Ok(rival) => Some(rival),
            Err(error) => {
                let kind = error.kind();
                assert_eq!(
                    kind,
                    ErrorKind::AlreadyOpen,
                    "a second store over storage that is open either opens or answers AlreadyOpen: {error}"
                );
                None
            }
        }
    }

    /// Closes the store, drops it and opens it again over the same storage.
    pub async fn reopen(&self, store: Arc<dyn MapDataStore>) -> Arc<dyn MapDataStore> {
        let report = store.close(CLOSE_DEADLINE).await;
        assert!(
            report.is_complete(),
            "D3, D9: closing leaves nothing pending: {report:?}"
        );
        drop(store);
        self.open().await
    }

    /// Does as [`reopen`](Self::reopen), and claims these maps.
    pub async fn reopen_for(&self, store: Arc<dyn MapDataStore>, maps: &[&MapName]) -> Arc<dyn MapDataStore> {
        let store = self.reopen(store).await;
        for map in maps {
            store
                .claim(map)
                .await
                .expect("a map can be claimed after a restart");
        }
        store
    }
}
