//! R19 and R20: requests that fail, and a service that never answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{ErrorKind, Expect, MapDataStore, Outcome, ScanRequest, WriteResult};
use layerstore_opendal::opendal::Operator;
use layerstore_opendal::{OpendalDataStore, OpendalOptions};
use layerstore_record::{MapName, Version};
use layerstore_testkit::objects::{FaultRates, ObjectFaults, ObjectMemory};
use layerstore_testkit::proof;
use layerstore_testkit::records::{key, version};
use tokio::time::Instant;

use crate::support::{apply, held, map, open, open_over, options, put, removal, scan};

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

#[derive(Default)]
struct Tally {
    calls: u64,
    retried: u64,
    given_up: u64,
}

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
    let opened = faults.requests();
    faults.set(RATES);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let rng = fastrand::Rng::with_seed(seed ^ (writer + 1));
            tokio::spawn(work(
                Arc::clone(&store),
                map.clone(),
                writer,
                rng,
                operations / WRITERS,
            ))
        })
        .collect();
    let (mut expected, mut tally) = (BTreeMap::new(), Tally::default());
    for writer in writers {
        let (acknowledged, did) = writer.await.unwrap();
        expected.extend(acknowledged);
        tally.calls += did.calls;
        tally.retried += did.retried;
        tally.given_up += did.given_up;
    }
    let (requests, injected) = (faults.requests() - opened, faults.injected());
    faults.set(FaultRates::NONE);
    faults.land().await;
    let mut lost = 0;
    for (number, at) in &expected {
        lost += u64::from(held(&store, &map, *number).await != *at);
    }
    assert_eq!(
        lost, 0,
        "acknowledged writes that are not what is read afterwards"
    );
    let found = scan(&store, &map).await.len();
    assert_eq!(found, expected.values().flatten().count());
    let bound = tally.calls * REQUESTS * ATTEMPTS as u64;
    assert!(
        requests <= bound,
        "{requests} requests are above the bound of {bound}"
    );
    proof::report(
        "R19",
        &[
            ("operations", operations),
            ("requests", requests),
            ("injected", injected),
            ("calls", tally.calls),
            ("made_again", tally.retried),
            ("given_up", tally.given_up),
            ("lost", 0),
            ("seed", seed),
        ],
    );
}

/// Writes, removes and reads keys of its own; returns what each key holds.
async fn work(
    store: Arc<OpendalDataStore>,
    map: MapName,
    writer: u64,
    mut rng: fastrand::Rng,
    operations: u64,
) -> (BTreeMap<u64, Option<Version>>, Tally) {
    let (mut holds, mut tally) = (BTreeMap::new(), Tally::default());
    for turn in 0..operations {
        let number = rng.u64(0..KEYS / WRITERS) * WRITERS + writer;
        let at = 1 + turn * WRITERS + writer;
        let write = match rng.u8(0..10) {
            0 => {
                tally.calls += 1;
                check(&store, &map, number, holds.get(&number).copied().flatten()).await;
                continue;
            }
            1 => removal(&map, number, at),
            _ => put(&map, number, at),
        };
        let mut made = false;
        for again in 0..AGAIN {
            tally.calls += 1;
            tally.retried += u64::from(again > 0);
            match apply(&store, write.clone()).await {
                WriteResult::Applied => {
                    made = true;
                    break;
                }
                WriteResult::Rejected(error) => assert!(error.is_retryable(), "{error}"),
                refused => panic!("nobody else writes key {number}: {refused:?}"),
            }
        }
        assert!(
            made,
            "{AGAIN} calls of {ATTEMPTS} tries each failed: the rates do not allow for that"
        );
        tally.given_up += u64::from(!made);
        holds.insert(number, Some(version(at)));
    }
    (holds, tally)
}

/// A read may fail, and never tells what is not so.
async fn check(store: &OpendalDataStore, map: &MapName, number: u64, expected: Option<Version>) {
    match store.load(map, &key(number)).await {
        Ok(found) => assert_eq!(found.map(|record| record.version()), expected, "key {number}"),
        Err(error) => assert!(error.is_retryable(), "{error}"),
    }
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
