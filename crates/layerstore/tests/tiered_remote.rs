//! Tiered stores over the network: PostgreSQL hot, and S3 cold, an object a record and packed.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: an unexpected answer ends the test"
)]

#[path = "../../layerstore-tiered/tests/restless/mod.rs"]
mod restless;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use layerstore_data_store::{MapDataStore, StoreError};
use layerstore_opendal::{OpendalDataStore, OpendalOptions};
use layerstore_postgres::PostgresDataStore;
use layerstore_record::NodeId;
use layerstore_slatedb::{SlateDataStore, SlateOptions};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::data_store::{ModelScale, Opening, TestStore};
use layerstore_testkit::proof;
use layerstore_testkit::services::{PostgresDatabase, S3Bucket, postgres, s3};
use layerstore_tiered::{ArchivePolicy, Archiver, Schedule, TieredDataStore, TieredOptions};
use tokio::sync::OnceCell;

use crate::restless::{Attended, Restless};

/// How records lie in the cold tier.
#[derive(Clone, Copy)]
enum Layout {
    Objects,
    Packed,
}

/// Who moves records.
#[derive(Clone, Copy)]
enum Moved {
    /// A step of archiving or sweeping between calls, now and then.
    BetweenCalls,
    /// An archiver at work beside the calls.
    BesideCalls,
}

/// A database and a bucket, made when they are first opened.
struct Remote {
    database: OnceCell<PostgresDatabase>,
    bucket: OnceCell<S3Bucket>,
    layout: Layout,
    moved: Moved,
    clock: ManualClock,
}

impl Remote {
    fn new(layout: Layout, moved: Moved) -> Self {
        Self {
            database: OnceCell::new(),
            bucket: OnceCell::new(),
            layout,
            moved,
            clock: ManualClock::new(),
        }
    }

    async fn hot(&self) -> Result<Arc<dyn MapDataStore>, StoreError> {
        let database = self
            .database
            .get_or_init(async || postgres().await.unwrap())
            .await;
        let builder = PostgresDataStore::builder(database.url()).clock(self.clock.shared());
        Ok(Arc::new(builder.pool_size(4).connect().await?))
    }

    async fn cold(&self) -> Result<Arc<dyn MapDataStore>, StoreError> {
        let bucket = self.bucket.get_or_init(async || s3().await.unwrap()).await;
        let settings = bucket.settings("cold");
        Ok(match self.layout {
            Layout::Objects => {
                let options = OpendalOptions::default().clock(self.clock.shared());
                Arc::new(OpendalDataStore::open("s3", settings, options).await?)
            }
            Layout::Packed => {
                let options = SlateOptions::default().clock(self.clock.shared());
                Arc::new(SlateDataStore::open("s3", settings, options).await?)
            }
        })
    }
}

fn everything() -> ArchivePolicy {
    let policy = ArchivePolicy::builder().age(Duration::ZERO);
    policy.batch_records(3).build().unwrap()
}

#[async_trait]
impl TestStore for Remote {
    async fn open(&self) -> Opening {
        let options = TieredOptions::default()
            .clock(self.clock.shared())
            .node(NodeId(7));
        let store = Arc::new(TieredDataStore::new(
            self.hot().await?,
            self.cold().await?,
            options,
        )?);
        Ok(match self.moved {
            Moved::BetweenCalls => {
                let rng = fastrand::Rng::with_seed(proof::seed());
                Arc::new(Restless::new(store, everything(), rng))
            }
            Moved::BesideCalls => {
                let schedule = Schedule::new(everything()).pause(Duration::from_millis(1));
                let archiver = Archiver::start(Arc::clone(&store), schedule);
                Arc::new(Attended::new(store, archiver))
            }
        })
    }

    fn clock(&self) -> ManualClock {
        self.clock.clone()
    }

    /// A fifth: each call is several of either tier, which have the whole to themselves.
    fn model(&self) -> ModelScale {
        ModelScale {
            cases: ModelScale::NETWORK.cases / 5,
            ..ModelScale::NETWORK
        }
    }
}

layerstore_testkit::data_store_conformance!(
    postgres_over_objects,
    Remote::new(Layout::Objects, Moved::BetweenCalls)
);
layerstore_testkit::data_store_conformance!(
    postgres_over_packed,
    Remote::new(Layout::Packed, Moved::BesideCalls)
);
