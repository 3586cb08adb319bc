//! R19 and R20: requests that fail, and a service that never answers.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{ErrorKind, MapDataStore, ScanRequest, WriteResult};
use layerstore_slatedb::opendal::Operator;
use layerstore_slatedb::{OpendalOptions, SlateOptions};
use layerstore_testkit::objects::{FaultRates, ObjectFaults, ObjectMemory, Survival};
use layerstore_testkit::proof;
use layerstore_testkit::records::{key, version};
use tokio::time::Instant;

use crate::support::{apply, held, map, open, open_over, put};

/// What R19 asks for; requests that take three seconds are rarer, because this clock is a real one.
const RATES: FaultRates = FaultRates {
    unavailable: 100,
    throttled: 50,
    reset: 150,
    after_apply: 100,
    short_read: 20,
    late: 0,
    slow: 1,
    latency: Duration::from_secs(3),
};

/// Requests of one call at most, tries included: a group of the log serves many calls, and a table is written now and then.
const REQUESTS: u64 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r19_no_acknowledged_write_is_lost_to_failing_requests() {
    survive(ObjectMemory::new().operator().unwrap(), proof::scaled(100_000)).await;
}

/// Writes, removes and reads while requests fail, and compares afterwards.
pub(crate) async fn survive(operator: Operator, operations: u64) {
    let seed = proof::seed();
    let (faults, map) = (ObjectFaults::seeded(seed), map("map"));
    let store = open_over(operator, &faults, SlateOptions::default()).await;
    store.claim(&map).await.unwrap();
    // Many at once, since a group of the log has room for all of them.
    let writers = (operations / 5).clamp(1, 1_000);
    let survival = Survival {
        rates: RATES,
        writers,
        keys: writers * 8,
        again: 12,
        operations,
        seed,
    };
    let survived = survival.of(&store, &map, &faults).await;
    let (requests, bound) = (survived.requests, survived.calls * REQUESTS);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_whose_answers_are_lost_keeps_its_map() {
    let (bucket, faults, map) = (ObjectMemory::new(), ObjectFaults::seeded(5), map("map"));
    let store = open_over(bucket.operator().unwrap(), &faults, SlateOptions::default()).await;
    store.claim(&map).await.unwrap();
    faults.set(FaultRates {
        after_apply: 400,
        ..FaultRates::NONE
    });
    for number in 0..20 {
        let answer = apply(&*store, put(&map, number, number + 1)).await;
        assert!(answer.is_applied(), "nobody else writes key {number}: {answer:?}");
    }
    assert!(faults.injected() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r20_every_call_ends_though_the_service_never_answers() {
    let (bucket, faults, map) = (ObjectMemory::new(), ObjectFaults::seeded(7), map("map"));
    let deadline = Duration::from_millis(500);
    let requests = OpendalOptions::default().attempt_timeout(Duration::from_millis(100));
    let options = SlateOptions::default()
        .requests(requests)
        .deadline(deadline)
        .close_deadline(deadline);
    let store = open_over(bucket.operator().unwrap(), &faults, options).await;
    store.claim(&map).await.unwrap();
    assert!(apply(&*store, put(&map, 1, 1)).await.is_applied());
    faults.set_stalled(true);
    // A call has its deadline, a claim two of them; the rest is for a machine that others use.
    let most = deadline * 2 + Duration::from_secs(20);
    let mut calls = 0;
    for round in 0..3 {
        let begun = Instant::now();
        let WriteResult::Rejected(error) = apply(&*store, put(&map, 1, 5 + round)).await else {
            panic!("nothing is acknowledged by a service that does not answer");
        };
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        let reads = [
            store.load(&map, &key(1)).await.map(drop),
            store.scan_page(&map, ScanRequest::first(9)).await.map(drop),
            store.list_maps().await.map(drop),
            store.purge(&map, version(1)).await.map(drop),
        ];
        for read in reads {
            let error = read.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        }
        calls += 5;
        assert!(begun.elapsed() <= most * 5, "{:?}", begun.elapsed());
    }
    faults.set_stalled(false);
    let begun = Instant::now();
    while let Err(error) = store.claim(&map).await {
        assert!(error.is_retryable(), "{error}");
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "it does not go on: {error}"
        );
    }
    assert!(apply(&*store, put(&map, 1, 99)).await.is_applied());
    proof::report("R20", &[("calls", calls), ("late", 0)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_of_a_map_that_was_taken_over_shows_what_the_later_owner_wrote() {
    let (bucket, map) = (ObjectMemory::new(), map("map"));
    let (first, second) = (open(&bucket).await, open(&bucket).await);
    first.claim(&map).await.unwrap();
    assert!(apply(&first, put(&map, 1, 1)).await.is_applied());
    second.claim(&map).await.unwrap();
    assert!(apply(&second, put(&map, 1, 2)).await.is_applied());
    assert_eq!(held(&first, &map, 1).await, Some(version(2)));
    let WriteResult::Rejected(error) = apply(&first, put(&map, 1, 3)).await else {
        panic!("the map is another's");
    };
    assert_eq!(error.kind(), ErrorKind::Fenced);
    assert_eq!(held(&second, &map, 1).await, Some(version(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_dropped_amid_writes_leaves_all_that_it_acknowledged() {
    let (bucket, map) = (ObjectMemory::new(), map("map"));
    for round in 1..=5 {
        let store = Arc::new(open(&bucket).await);
        store.claim(&map).await.unwrap();
        for number in 1..round {
            assert_eq!(held(&*store, &map, number).await, Some(version(number + 1)));
        }
        assert!(apply(&*store, put(&map, round, round + 1)).await.is_applied());
        drop(store);
    }
}
