//! What every database of a store stands on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use layerstore_data_store::{ErrorKind, StoreError};
use layerstore_opendal::opendal::Operator;
use layerstore_opendal::{Layout, Place};
use layerstore_record::MapName;
use slatedb::db_cache::DbCache;
use slatedb::object_store::ObjectStore;
use slatedb::object_store::path::Path;

use crate::driver::Driver;
use crate::errors::STORE;
use crate::names::directory_of;
use crate::objects::Objects;
use crate::opening::{Site, cache};
use crate::options::SlateOptions;

/// What every database of the store stands on.
pub(crate) struct Ground {
    objects: Arc<dyn ObjectStore>,
    driver: Arc<Driver>,
    cache: Option<Arc<dyn DbCache>>,
    openings: AtomicU64,
    pub(crate) place: Arc<Place>,
}

impl Ground {
    /// Enters the place of an operator.
    pub(crate) async fn enter(operator: Operator, options: &SlateOptions) -> Result<Self, StoreError> {
        // A request that is tried again below SlateDB would be refused for its own earlier success.
        let once = options.requests.clone().attempts(1);
        let mut rng = fastrand::Rng::with_seed(once.seed);
        let place = Place::enter(operator, &once, Layout::Packed, &mut rng).await?;
        let driver = Driver::start(options.worker_threads, options.deadline).map_err(|error| {
            let what = "no thread could be started";
            StoreError::new(ErrorKind::Unavailable, STORE, "open", what).because(error)
        })?;
        let cache = (options.cache_bytes > 0).then(|| cache(options.cache_bytes));
        Ok(Self {
            objects: Arc::new(Objects::new(place.operator().clone())),
            driver: Arc::new(driver),
            cache,
            openings: AtomicU64::new(0),
            place: Arc::new(place),
        })
    }

    /// Returns where the database of a map is.
    pub(crate) fn site(&self, map: &MapName) -> Site {
        Site {
            objects: Arc::clone(&self.objects),
            path: Path::from(directory_of(map)),
            driver: Arc::clone(&self.driver),
            cache: self.cache.clone(),
            number: self.openings.fetch_add(1, Ordering::Relaxed),
            place: Some(Arc::clone(&self.place)),
        }
    }
}
