//! Timeouts, retries and the breaker around a data store.

#![cfg(feature = "resilient")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests are test code"
)]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{
    BREAKER_STATE, BackoffPolicy, BreakerPolicy, BreakerState, CALL_SECONDS, CALLS_TOTAL, ErrorKind,
    InMemoryDataStore, MapDataStore, MapDataStoreExt, Outcome, ResilientDataStore, ScanRequest, StoreError,
    TRIES_TOTAL, WRITES_TOTAL, Write, WriteResult,
};
use layerstore_record::MapName;
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::data_store::{TestStore, opened_by};
use layerstore_testkit::doubles::{Call, FailingDataStore, Fault, RecordingDataStore, Side, SlowDataStore};
use layerstore_testkit::metrics::MemoryRecorder;
use layerstore_testkit::proof;
use layerstore_testkit::records::{key, record, version};
use tokio::time::Instant;

const ATTEMPT: Duration = Duration::from_millis(500);
const TRIES: u32 = 4;

fn map() -> MapName {
    MapName::new("map").unwrap()
}

fn write(number: u64) -> Write {
    Write::new(map(), key(number), record(number))
}

/// Storage in memory behind the wrapper.
fn wrapped() -> impl TestStore {
    let contents = std::sync::OnceLock::new();
    opened_by(move |clock| {
        let contents = contents.get_or_init(|| InMemoryDataStore::new(clock.shared()));
        let inner = Arc::new(contents.share());
        let store: Arc<dyn MapDataStore> =
            Arc::new(ResilientDataStore::builder(inner, clock.shared()).build());
        async { Ok(store) }
    })
}

layerstore_testkit::data_store_conformance!(resilient, wrapped());

/// A store in memory that fails, hangs and is listened to as a test wants, and the wrapper around it.
struct Bench {
    clock: ManualClock,
    failing: Arc<FailingDataStore>,
    slow: Arc<SlowDataStore>,
    asked: Arc<RecordingDataStore>,
    store: ResilientDataStore,
}

async fn bench() -> Bench {
    let clock = ManualClock::new();
    let memory = Arc::new(InMemoryDataStore::new(clock.shared()));
    memory.claim(&map()).await.unwrap();
    let failing = Arc::new(FailingDataStore::new(memory));
    let slow = Arc::new(SlowDataStore::new(Arc::clone(&failing) as Arc<dyn MapDataStore>));
    let asked = Arc::new(RecordingDataStore::new(Arc::clone(&slow) as Arc<dyn MapDataStore>));
    let store = ResilientDataStore::builder(Arc::clone(&asked) as Arc<dyn MapDataStore>, clock.shared())
        .attempt_timeout(ATTEMPT)
        .backoff(
            BackoffPolicy::default()
                .with_attempts(TRIES)
                .with_total(ATTEMPT * TRIES),
        )
        .breaker(BreakerPolicy::default().with_threshold(6))
        .seed(proof::seed())
        .build();
    Bench {
        clock,
        failing,
        slow,
        asked,
        store,
    }
}

fn rejected(answers: Vec<WriteResult>) -> StoreError {
    match answers.into_iter().next() {
        Some(WriteResult::Rejected(error)) => error,
        answer => panic!("{answer:?} where an error is due"),
    }
}

#[tokio::test(start_paused = true)]
async fn r20_calls_of_a_store_that_never_answers_end_within_tries_times_timeout() {
    let calls = [
        Call::Load,
        Call::LoadAll,
        Call::ScanPage,
        Call::ListMaps,
        Call::Clear,
        Call::Purge,
    ];
    for call in calls.into_iter().chain([Call::Apply, Call::Claim]) {
        let bench = bench().await;
        bench.slow.shut(call, Side::Before);
        let started = Instant::now();
        let store = &bench.store;
        let error = match call {
            Call::Load => store.load(&map(), &key(1)).await.map(drop),
            Call::LoadAll => store.load_all(&map(), &[key(1)]).await.map(drop),
            Call::ScanPage => store.scan_page(&map(), ScanRequest::first(10)).await.map(drop),
            Call::ListMaps => store.list_maps().await.map(drop),
            Call::Clear => store.clear(&map(), version(1)).await,
            Call::Purge => store.purge(&map(), version(1)).await.map(drop),
            Call::Claim => store.claim(&map()).await.map(drop),
            _ => Err(rejected(store.apply(vec![write(1)]).await)),
        };
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Timeout, "{call:?}");
        let took = started.elapsed();
        assert!(
            took <= (ATTEMPT * TRIES).mul_f64(1.1),
            "{call:?} ended after {took:?}"
        );
        assert!(took >= ATTEMPT, "{call:?} gave up after {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_timed_out_may_have_been_made_and_a_read_has_not() {
    let bench = bench().await;
    bench.slow.shut(Call::Apply, Side::After);
    bench.slow.shut(Call::Load, Side::After);
    let error = rejected(bench.store.apply(vec![write(1)]).await);
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Timeout, Outcome::Unknown)
    );
    assert_eq!(error.key(), Some(&key(1)));
    let error = bench.store.load(&map(), &key(1)).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotApplied);
}

#[tokio::test(start_paused = true)]
async fn a_write_of_unknown_outcome_is_resolved_by_making_it_again() {
    for fault in [
        Fault::after(ErrorKind::Unavailable),
        Fault::lost(ErrorKind::Timeout),
    ] {
        let bench = bench().await;
        bench.failing.fail_next(Call::Apply, fault);
        let answer = bench.store.apply_one(write(1)).await;
        assert!(answer.is_applied(), "{answer:?}");
        assert_eq!(bench.failing.injected(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_batch_only_what_failed_is_made_again() {
    let bench = bench().await;
    bench
        .failing
        .fail_key(&key(2), Fault::before(ErrorKind::Throttled));
    let answers = bench.store.apply((1..=3).map(write).collect()).await;
    let applied: Vec<bool> = answers.iter().map(WriteResult::is_applied).collect();
    assert_eq!(applied, [true, false, true]);
    let sizes: Vec<usize> = bench
        .asked
        .calls()
        .iter()
        .map(|call| call.targets.len())
        .collect();
    assert_eq!(sizes, [3, 1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_made_once() {
    let bench = bench().await;
    bench
        .failing
        .fail_next(Call::Claim, Fault::before(ErrorKind::Unavailable));
    let error = bench.store.claim(&map()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(bench.store.claim(&map()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_is_left_alone_until_a_probe_succeeds() {
    let bench = bench().await;
    let (store, failing) = (&bench.store, &bench.failing);
    failing.fail_always(Call::Load, Fault::before(ErrorKind::Unavailable));
    for _ in 0..3 {
        store.load(&map(), &key(1)).await.unwrap_err();
    }
    assert_eq!(store.breaker_state(), BreakerState::Open);
    let tries = failing.injected();
    assert_eq!(tries, 6, "the breaker opens after six failures");

    let started = Instant::now();
    let error = store.load(&map(), &key(1)).await.unwrap_err();
    assert_eq!((started.elapsed(), failing.injected()), (Duration::ZERO, tries));
    assert!(error.is_retryable() && error.source().is_some(), "{error}");
    let error = rejected(store.apply(vec![write(1)]).await);
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Unavailable, Outcome::NotApplied)
    );

    // The probe fails: one try, and the pause begins anew.
    bench.clock.advance(Duration::from_secs(1));
    store.load(&map(), &key(1)).await.unwrap_err();
    assert_eq!(
        (store.breaker_state(), failing.injected()),
        (BreakerState::Open, tries + 1)
    );
    failing.heal();
    bench.clock.advance(Duration::from_secs(2));
    assert!(store.load(&map(), &key(1)).await.is_ok());
    assert_eq!(store.breaker_state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_says_no_shows_that_the_store_is_there() {
    let bench = bench().await;
    for kind in [
        ErrorKind::Fenced,
        ErrorKind::Rejected,
        ErrorKind::Throttled,
        ErrorKind::Full,
    ] {
        bench.failing.heal();
        bench.failing.fail_always(Call::Apply, Fault::before(kind));
        for _ in 0..10 {
            assert_eq!(rejected(bench.store.apply(vec![write(1)]).await).kind(), kind);
        }
        assert_eq!(bench.store.breaker_state(), BreakerState::Closed, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_which_one_write_was_judged_shows_that_the_store_is_there() {
    let bench = bench().await;
    bench
        .failing
        .fail_key(&key(2), Fault::before(ErrorKind::Unavailable));
    for _ in 0..10 {
        let answers = bench.store.apply(vec![write(1), write(2)]).await;
        assert!(answers[0].is_applied() && !answers[1].is_applied());
        bench
            .failing
            .fail_key(&key(2), Fault::before(ErrorKind::Unavailable));
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_with_the_probe_does_not_keep_the_store_shut_out() {
    let bench = bench().await;
    bench
        .failing
        .fail_always(Call::Load, Fault::before(ErrorKind::Unavailable));
    while bench.store.breaker_state() == BreakerState::Closed {
        bench.store.load(&map(), &key(1)).await.unwrap_err();
    }
    bench.failing.heal();
    bench.clock.advance(Duration::from_secs(1));
    bench.slow.shut(Call::Load, Side::Before);
    let (target, wanted) = (map(), key(1));
    let probe = bench.store.load(&target, &wanted);
    let gone = tokio::time::timeout(ATTEMPT / 2, probe).await;
    assert!(gone.is_err());
    assert_eq!(bench.store.breaker_state(), BreakerState::HalfOpen);
    bench.slow.open_all();
    bench.clock.advance(Duration::from_secs(1));
    assert!(bench.store.load(&map(), &key(1)).await.is_ok());
}

#[test]
fn calls_tries_writes_and_the_breaker_are_counted() {
    let memory = MemoryRecorder::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    metrics::with_local_recorder(&memory, || {
        runtime.block_on(async {
            let bench = bench().await;
            bench
                .failing
                .fail_next(Call::Load, Fault::before(ErrorKind::Throttled));
            bench.store.load(&map(), &key(1)).await.unwrap();
            let answers = bench.store.apply(vec![write(2), write(2), write(1)]).await;
            assert!(answers.iter().all(WriteResult::is_applied));
            let stale = Write::new(map(), key(2), record(1));
            assert!(!bench.store.apply_one(stale).await.is_applied());
            bench
                .failing
                .fail_always(Call::Load, Fault::before(ErrorKind::Unavailable));
            while bench.store.breaker_state() == BreakerState::Closed {
                bench.store.load(&map(), &key(1)).await.unwrap_err();
            }
        });
    });
    let of_load = "{operation=load,result=ok,store=memory}";
    assert_eq!(memory.counter(&format!("{CALLS_TOTAL}{of_load}")), 1);
    let refused = format!("{CALLS_TOTAL}{{operation=load,result=unavailable,store=memory}}");
    assert_eq!(memory.counter(&refused), 2);
    assert_eq!(
        memory.counter(&format!("{TRIES_TOTAL}{{operation=load,store=memory}}")),
        2 + 6
    );
    assert_eq!(
        memory.counter(&format!("{CALL_SECONDS}{{operation=load,store=memory}}")),
        3
    );
    assert_eq!(
        memory.counter(&format!("{WRITES_TOTAL}{{result=applied,store=memory}}")),
        3
    );
    assert_eq!(
        memory.counter(&format!("{WRITES_TOTAL}{{result=stale,store=memory}}")),
        1
    );
    assert!((memory.gauge(&format!("{BREAKER_STATE}{{store=memory}}")) - 2.0).abs() < f64::EPSILON);
    for name in [
        CALLS_TOTAL,
        CALL_SECONDS,
        TRIES_TOTAL,
        WRITES_TOTAL,
        BREAKER_STATE,
    ] {
        assert!(memory.described().contains_key(name), "{name} is not described");
    }
}
