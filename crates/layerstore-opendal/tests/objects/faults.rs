//! R19 and R20: requests that fail, and a service that never answers.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{ErrorKind, Expect, MapDataStore, Outcome, ScanRequest, WriteResult};
use layerstore_opendal::opendal::Operator;
use layerstore_opendal::{OpendalDataStore, OpendalOptions};
use layerstore_testkit::objects::{FaultRates, ObjectFaults, ObjectMemory, Survival};
use layerstore_testkit::proof;
use layerstore_testkit::records::{key, version};
use tokio::time::Instant;

use crate::support::{apply, map, open, open_over, options, put};

/// What R19 asks for; the writes of tests that look for late arrivals are late besides.
const RATES: FaultRates = FaultRates {
    unavailable: 100,
    throttled: 50,
    reset: 150,
    after_apply: 100,
    short_read: 20,
    late: 0,
    slow: 10,
    latency: Duration::from_secs(3),
};

const WRITERS: u64 = 8;

const KEYS: u64 = 64;

/// How often a writer makes a write again before it gives up.
const AGAIN: u32 = 12;

const ATTEMPTS: usize = 5;

/// Requests of one call of one write at most: head, its reading back, key, write, its reading back, and settling others.
const REQUESTS: u64 = 8;

#[tokio::test(start_paused = true)]
async fn r19_no_acknowledged_write_is_lost_to_failing_requests() {
    survive(ObjectMemory::new().operator().unwrap(), proof::scaled(100_000)).await;
}

/// Writes, removes and reads while requests fail, and compares afterwards.
pub(crate) async fn survive(operator: Operator, operations: u64) {
    let seed = proof::seed();
    let (faults, map) = (ObjectFaults::seeded(seed), map("map"));
    let store = open_over(operator, &faults, options().attempts(ATTEMPTS)).await;
    store.claim(&map).await.unwrap();
    let survival = Survival {
        rates: RATES,
        writers: WRITERS,
        keys: KEYS,
        again: AGAIN,
        operations,
        seed,
    };
    let store: Arc<dyn MapDataStore> = store;
    let survived = survival.of(&store, &map, &faults).await;
    let bound = survived.calls * REQUESTS * ATTEMPTS as u64;
    let requests = survived.requests;
    assert!(
        requests <= bound,
        "{requests} requests are above the bound of {bound}"
    );
    proof::report(
        "R19",
        &[
            ("operations", operations),
            ("requests", requests),
            ("injected", survived.injected),
            ("calls", survived.calls),
            ("made_again", survived.made_again),
            ("given_up", 0),
            ("lost", 0),
            ("seed", seed),
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answers_are_lost_is_no_conflict() {
    let (bucket, faults, map) = (ObjectMemory::new(), ObjectFaults::seeded(5), map("map"));
    let store = open(&bucket, &faults, options().attempts(8)).await;
    store.claim(&map).await.unwrap();
    faults.set(FaultRates {
        after_apply: 400,
        ..FaultRates::NONE
    });
    for number in 0..300 {
        let write = put(&map, number, number + 1).expecting(Expect::Absent);
        let answer = apply(&store, write).await;
        assert!(answer.is_applied(), "nobody else writes key {number}: {answer:?}");
    }
    assert!(faults.injected() > 300);
}

#[tokio::test(start_paused = true)]
async fn r20_every_call_ends_though_the_service_never_answers() {
    let (bucket, faults, map) = (ObjectMemory::new(), ObjectFaults::seeded(7), map("map"));
    let (timeout, attempts) = (Duration::from_secs(10), 4);
    let store = open(
        &bucket,
        &faults,
        OpendalOptions::default()
            .attempt_timeout(timeout)
            .attempts(attempts),
    )
    .await;
    store.claim(&map).await.unwrap();
    assert!(apply(&store, put(&map, 1, 1)).await.is_applied());
    faults.set_stalled(true);
    let most = timeout * u32::try_from(attempts).unwrap() * 11 / 10;
    let mut calls = 0;
    for round in 0..3 {
        let begun = Instant::now();
        let WriteResult::Rejected(error) = apply(&store, put(&map, 1, 5 + round)).await else {
            panic!("nothing is acknowledged by a service that does not answer");
        };
        within(begun, most, &error);
        let many = (0..2_000).map(|number| put(&map, number, 50)).collect();
        let begun = Instant::now();
        let answers = store.apply(many).await;
        assert!(
            answers
                .iter()
                .all(|answer| matches!(answer, WriteResult::Rejected(_)))
        );
        assert!(begun.elapsed() <= most, "{:?}", begun.elapsed());
        let Some(WriteResult::Rejected(error)) = answers.last() else {
            panic!("the last write has an answer");
        };
        assert!(error.is_retryable(), "{error}");
        assert_eq!(error.outcome(), Outcome::NotApplied, "not even tried: {error}");
        for read in [
            store.load(&map, &key(1)).await.map(drop),
            store.scan_page(&map, ScanRequest::first(9)).await.map(drop),
            store.list_maps().await.map(drop),
            store.purge(&map, version(1)).await.map(drop),
        ] {
            let error = read.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        }
        let begun = Instant::now();
        assert!(store.load(&map, &key(1)).await.is_err());
        assert!(begun.elapsed() <= most);
        calls += 7;
    }
    let begun = Instant::now();
    assert!(store.claim(&map).await.is_err());
    assert!(begun.elapsed() <= most);
    faults.set_stalled(false);
    // What was asked for last is still worked off; then everything goes on.
    loop {
        match store.claim(&map).await {
            Ok(_) => break,
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    }
    assert!(apply(&store, put(&map, 1, 99)).await.is_applied());
    proof::report("R20", &[("calls", calls), ("late", 0)]);
}

fn within(begun: Instant, most: Duration, error: &layerstore_data_store::StoreError) {
    assert!(begun.elapsed() <= most, "{:?} is above {most:?}", begun.elapsed());
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    let known = matches!(error.outcome(), Outcome::Unknown | Outcome::NotApplied);
    assert!(known);
}

#[tokio::test]
async fn a_service_that_accepts_and_never_answers_is_named_when_it_is_opened() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let settings = [
        ("bucket", "b"),
        ("region", "us-east-1"),
        ("endpoint", &endpoint),
        ("access_key_id", "id"),
        ("secret_access_key", "hunter2"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let options = options().attempts(2).attempt_timeout(Duration::from_millis(100));
    let begun = Instant::now();
    let error = OpendalDataStore::open("s3", settings, options)
        .await
        .err()
        .unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}
