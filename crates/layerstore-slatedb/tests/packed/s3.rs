//! The contract over S3: real HTTP, real signatures, a server that keeps conditions; and two processes on one map.

use std::sync::Arc;

use async_trait::async_trait;
use layerstore_opendal::OpendalDataStore;
use layerstore_slatedb::{SlateDataStore, SlateOptions};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::data_store::{ModelScale, Opening, TestStore};
use layerstore_testkit::objects::ObjectFaults;
use layerstore_testkit::proof;
use layerstore_testkit::services::{S3Bucket, s3};
use layerstore_testkit::takeover;
use tokio::sync::OnceCell;

use crate::faults;
use crate::support::{apply, map, open_over, put};

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

#[async_trait]
impl TestStore for InS3 {
    async fn open(&self) -> Opening {
        let bucket = self.bucket.get_or_init(async || s3().await.unwrap()).await;
        let options = SlateOptions::default().clock(self.clock.shared());
        let store = SlateDataStore::open("s3", bucket.settings("some/place"), options).await?;
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

fn operator(bucket: &S3Bucket) -> layerstore_slatedb::opendal::Operator {
    OpendalDataStore::operator("s3", bucket.settings("some/place")).unwrap()
}

/// The processes find the bucket by its settings, a line each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m4_two_processes_on_one_packed_map_of_s3_lose_nothing_and_mix_nothing() {
    if let Some(place) = takeover::place() {
        let settings = place.lines().filter_map(|line| line.split_once('='));
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let store = SlateDataStore::open("s3", settings, SlateOptions::default()).await;
        return takeover::own(Arc::new(store.unwrap())).await;
    }
    let bucket = s3().await.unwrap();
    let lines = bucket.settings("some/place").into_iter();
    let place: String = lines.map(|(name, value)| format!("{name}={value}\n")).collect();
    let test = "s3::m4_two_processes_on_one_packed_map_of_s3_lose_nothing_and_mix_nothing";
    takeover::rounds(test, &place, 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r19_no_acknowledged_write_is_lost_to_failing_requests_of_s3() {
    let bucket = s3().await.unwrap();
    faults::survive(operator(&bucket), proof::scaled(2_000)).await;
}

/// What packing is for: the ratio that ADR 0008 asks for, in requests, which no load of the machine changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_records_take_a_fiftieth_of_the_requests_of_one_object_a_record() {
    const RECORDS: u64 = 10_000;
    let bucket = s3().await.unwrap();
    let (faults, map) = (ObjectFaults::seeded(1), map("map"));
    let store = open_over(operator(&bucket), &faults, SlateOptions::default()).await;
    store.claim(&map).await.unwrap();
    let before = faults.requests();
    for batch in 0..RECORDS / 1_000 {
        let numbers = batch * 1_000..(batch + 1) * 1_000;
        let writes = numbers.map(|number| put(&map, number, number + 1)).collect();
        let answers = store.apply(writes).await;
        assert!(answers.iter().all(layerstore_data_store::WriteResult::is_applied));
    }
    let requests = faults.requests() - before;
    assert!(
        requests * 50 <= RECORDS,
        "{requests} requests for {RECORDS} records"
    );
    assert!(apply(&*store, put(&map, 1, RECORDS + 1)).await.is_applied());
}
