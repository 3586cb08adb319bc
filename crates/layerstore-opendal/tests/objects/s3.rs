//! The same over S3: real HTTP, real signatures, a server that keeps conditions.

use std::sync::Arc;

use async_trait::async_trait;
use layerstore_opendal::opendal::Operator;
use layerstore_opendal::{OpendalDataStore, OpendalOptions};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::data_store::{ModelScale, Opening, TestStore};
use layerstore_testkit::proof;
use layerstore_testkit::services::{S3Bucket, s3};
use layerstore_testkit::takeover;
use tokio::sync::OnceCell;

use crate::{faults, fencing};

/// A bucket, made when it is first opened.
struct InS3 {
    bucket: OnceCell<S3Bucket>,
    clock: ManualClock,
}

impl InS3 {
    fn new() -> Self {
        Self {
            bucket: OnceCell::new(),
            clock: ManualClock::new(),
        }
    }
}

fn settings(bucket: &S3Bucket) -> Vec<(String, String)> {
    bucket.settings("some/place")
}

fn operator(bucket: &S3Bucket) -> Operator {
    OpendalDataStore::operator("s3", settings(bucket)).unwrap()
}

#[async_trait]
impl TestStore for InS3 {
    async fn open(&self) -> Opening {
        let bucket = self.bucket.get_or_init(async || s3().await.unwrap()).await;
        let options = OpendalOptions::default().clock(self.clock.shared());
        let store = OpendalDataStore::open("s3", settings(bucket), options).await?;
        Ok(Arc::new(store))
    }

    fn clock(&self) -> ManualClock {
        self.clock.clone()
    }

    fn model(&self) -> ModelScale {
        ModelScale::NETWORK
    }
}

layerstore_testkit::data_store_conformance!(in_s3, InS3::new());

#[tokio::test]
async fn the_probe_finds_conditions_and_leaves_nothing() {
    let bucket = s3().await.unwrap();
    let store = OpendalDataStore::open("s3", settings(&bucket), OpendalOptions::default())
        .await
        .unwrap();
    let report = store.report();
    assert!(report.conditional_writes && report.lists_from, "{report:?}");
    let left = operator(&bucket).lister_with("probe/").recursive(true).await;
    let left: Vec<_> = futures::TryStreamExt::try_collect(left.unwrap()).await.unwrap();
    assert!(left.iter().all(|entry| entry.path().ends_with('/')), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m4_the_later_claim_fences_the_earlier_in_s3() {
    let bucket = s3().await.unwrap();
    fencing::rounds(|| operator(&bucket), fencing::FEW_KEYS, proof::scaled(100)).await;
}

/// The processes find the bucket by its settings, a line each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m4_two_processes_on_one_map_of_s3_lose_nothing_and_mix_nothing() {
    if let Some(place) = takeover::place() {
        let settings = place.lines().filter_map(|line| line.split_once('='));
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let store = OpendalDataStore::open("s3", settings, OpendalOptions::default()).await;
        return takeover::own(Arc::new(store.unwrap())).await;
    }
    let bucket = s3().await.unwrap();
    let lines = settings(&bucket).into_iter();
    let place: String = lines.map(|(name, value)| format!("{name}={value}\n")).collect();
    let test = "s3::m4_two_processes_on_one_map_of_s3_lose_nothing_and_mix_nothing";
    takeover::rounds(test, &place, 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r19_no_acknowledged_write_is_lost_to_failing_requests_of_s3() {
    let bucket = s3().await.unwrap();
    faults::survive(operator(&bucket), proof::scaled(2_000)).await;
}
