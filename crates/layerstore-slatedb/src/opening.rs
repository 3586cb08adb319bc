//! Where a database is, and with which settings it is opened.

use std::sync::Arc;

use layerstore_kv::{KvError, KvErrorKind, KvOperation, KvResult};
use layerstore_opendal::Place;
use slatedb::config::{CompactorOptions, DbReaderOptions, GarbageCollectorOptions, Settings};
use slatedb::db_cache::DbCache;
use slatedb::db_cache::moka::{MokaCache, MokaCacheOptions};
use slatedb::object_store::ObjectStore;
use slatedb::object_store::path::Path;
use slatedb::{DbReader, DbReaderMode};

use crate::convert::{convert, late};
use crate::driver::Driver;
use crate::options::SlateOptions;
use crate::view::View;

/// A database that may be opened.
pub(crate) struct Site {
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) path: Path,
    pub(crate) driver: Arc<Driver>,
    /// Shared by all databases of a store.
    pub(crate) cache: Option<Arc<dyn DbCache>>,
    /// Tells the blocks of this opening from all others in the cache.
    pub(crate) number: u64,
    /// Held as long as the database is open.
    pub(crate) place: Option<Arc<Place>>,
}

impl Site {
    /// Looks at what is durable, whoever writes there; `None` where there is no database.
    pub(crate) fn look(&self, options: &SlateOptions) -> KvResult<Option<View>> {
        let operation = KvOperation::Open;
        if !self.exists()? {
            return Ok(None);
        }
        // It is closed after one call, so it never needs to look again.
        let reading = DbReaderOptions {
            manifest_poll_interval: options.deadline.saturating_mul(10),
            ..DbReaderOptions::default()
        };
        let reader = DbReader::builder(self.path.clone(), Arc::clone(&self.objects));
        let reader = reader
            .with_options(reading)
            .with_reader_mode(DbReaderMode::FollowLatest);
        let reader = match &self.cache {
            Some(cache) => reader.with_db_cache(Arc::clone(cache), self.number),
            None => reader.with_db_cache_disabled(),
        };
        let reader = self.driver.run(async move { reader.build().await });
        let reader = reader.map_err(|error| late(operation, error))?;
        let reader = reader.map_err(|error| convert(operation, error))?;
        View::durable(reader, Arc::clone(&self.driver)).map(Some)
    }

    fn exists(&self) -> KvResult<bool> {
        use futures::StreamExt;
        let operation = KvOperation::Open;
        let manifests = self.path.clone().join("manifest");
        let objects = Arc::clone(&self.objects);
        let first = self
            .driver
            .run(async move { objects.list(Some(&manifests)).next().await });
        let first = first.map_err(|error| late(operation, error))?.transpose();
        let first =
            first.map_err(|error| KvError::new(KvErrorKind::Unreachable, operation).caused_by(error))?;
        Ok(first.is_some())
    }
}

/// Makes a cache of blocks and indexes.
pub(crate) fn cache(bytes: u64) -> Arc<dyn DbCache> {
    let options = MokaCacheOptions {
        max_capacity: bytes,
        ..MokaCacheOptions::default()
    };
    Arc::new(MokaCache::new_with_opts(options))
}

/// Syncs are asked for, never made by a timer; what cannot be reached is tried again until the caller's deadline.
pub(crate) fn settings(options: &SlateOptions) -> Settings {
    let compactor = CompactorOptions {
        poll_interval: options.poll_interval.saturating_mul(5),
        ..CompactorOptions::default()
    };
    let collector = GarbageCollectorOptions {
        // Fences are empty and few; SlateDB itself leaves them by default, and says so again and again.
        wal_fence_options: None,
        ..GarbageCollectorOptions::default()
    };
    Settings {
        flush_interval: None,
        manifest_poll_interval: options.poll_interval,
        manifest_update_timeout: options.deadline,
        l0_sst_size_bytes: options.table_bytes,
        max_unflushed_bytes: options.table_bytes.saturating_mul(4),
        compactor_options: Some(compactor),
        garbage_collector_options: Some(collector),
        ..Settings::default()
    }
}
