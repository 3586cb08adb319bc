//! What becomes of troubles of the table: each in its place, in time, and without a value in an error.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{
    ErrorKind, Limits, MapDataStore, MapDataStoreExt, Outcome, ScanRequest, StoreError, TableDataStore,
    Write, WriteResult,
};
use layerstore_record::{Key, MapName, Record, RecordValue, to_value};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::records::{key, record, version};
use tokio::time::Instant;

use crate::memory_table::{MemoryTable, Step, Trouble};

const TIMEOUT: Duration = Duration::from_secs(2);

fn map() -> MapName {
    MapName::new("map").unwrap()
}

fn named(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn put(key: Key, number: u64) -> Write {
    Write::new(map(), key, record(number))
}

/// A store of this table that holds no claim.
fn store(table: &MemoryTable) -> TableDataStore<MemoryTable> {
    TableDataStore::new(map(), table.clone(), ManualClock::new().shared()).with_call_timeout(TIMEOUT)
}

async fn claimed() -> (MemoryTable, TableDataStore<MemoryTable>) {
    let table = MemoryTable::<true>::new(Limits::default());
    let store = store(&table);
    store.claim(&map()).await.unwrap();
    (table, store)
}

fn refusal(answer: WriteResult) -> StoreError {
    match answer {
        WriteResult::Rejected(error) => error,
        other => panic!("{other:?} where a refusal was expected"),
    }
}

fn assert_failed(error: &StoreError, kind: ErrorKind, outcome: Outcome, operation: &str) {
    let text = format!("{error} {error:?}");
    assert_eq!((error.kind(), error.outcome()), (kind, outcome), "{text}");
    assert_eq!(
        (error.store(), error.operation()),
        ("table in memory", operation),
        "{text}"
    );
    assert_eq!(error.map(), Some(&map()), "{text}");
    assert!(
        !text.contains("hunter2"),
        "what the driver says is not shown: {text}"
    );
}

#[tokio::test]
async fn an_error_before_the_commit_leaves_nothing_and_says_so() {
    for step in [Step::Begin, Step::Load, Step::Put] {
        let (table, store) = claimed().await;
        table.is_troubled(step, Trouble::Fails);
        let answers = store.apply(vec![put(key(1), 1), put(key(2), 2)]).await;
        for (answer, number) in answers.into_iter().zip(1..) {
            let error = refusal(answer);
            assert_failed(&error, ErrorKind::Unavailable, Outcome::NotApplied, "apply");
            assert_eq!(error.key(), Some(&key(number)));
        }
        table.is_well();
        assert!(store.load(&map(), &key(1)).await.unwrap().is_none(), "{step:?}");
        assert!(store.apply_one(put(key(1), 1)).await.is_applied(), "{step:?}");
    }
}

#[tokio::test]
async fn a_commit_that_is_not_answered_may_have_been_made() {
    let (table, store) = claimed().await;
    table.is_troubled(Step::Commit, Trouble::IsNotHeard);
    let error = refusal(store.apply_one(put(key(1), 1)).await);
    assert_failed(&error, ErrorKind::Unavailable, Outcome::Unknown, "apply");
    let error = store.clear(&map(), version(0)).await.unwrap_err();
    assert_failed(&error, ErrorKind::Unavailable, Outcome::Unknown, "clear");
    let error = store.purge(&map(), version(0)).await.unwrap_err();
    assert_failed(&error, ErrorKind::Unavailable, Outcome::Unknown, "purge");
    table.is_well();
    assert!(store.load(&map(), &key(1)).await.unwrap().is_some());
    assert!(
        store.apply_one(put(key(1), 1)).await.is_applied(),
        "D1: the same again"
    );
}

#[tokio::test]
async fn a_claim_that_is_not_answered_lets_nobody_write() {
    let (table, store) = claimed().await;
    table.is_troubled(Step::Commit, Trouble::IsNotHeard);
    let error = store.claim(&map()).await.unwrap_err();
    assert_failed(&error, ErrorKind::Unavailable, Outcome::Unknown, "claim");
    table.is_well();
    assert_eq!(
        refusal(store.apply_one(put(key(1), 1)).await).kind(),
        ErrorKind::Fenced
    );
    assert_eq!(store.claim(&map()).await.unwrap().epoch, 3);
    assert!(store.apply_one(put(key(1), 1)).await.is_applied());
}

#[tokio::test(start_paused = true)]
async fn d6_a_call_ends_in_time_whatever_hangs() {
    for (step, outcome) in [
        (Step::Begin, Outcome::NotApplied),
        (Step::Load, Outcome::NotApplied),
        (Step::Put, Outcome::NotApplied),
        (Step::Commit, Outcome::Unknown),
    ] {
        let (table, store) = claimed().await;
        table.is_troubled(step, Trouble::Hangs);
        let started = Instant::now();
        let error = refusal(store.apply_one(put(key(1), 1)).await);
        assert_failed(&error, ErrorKind::Timeout, outcome, "apply");
        assert!(started.elapsed() < TIMEOUT * 2, "{step:?}");
        table.is_well();
        assert!(store.apply_one(put(key(1), 1)).await.is_applied(), "{step:?}");
    }
    let (table, store) = claimed().await;
    table.is_troubled(Step::Load, Trouble::Hangs);
    let error = store.load(&map(), &key(1)).await.unwrap_err();
    assert_failed(&error, ErrorKind::Timeout, Outcome::NotApplied, "load");
    assert_eq!(error.key(), Some(&key(1)));
    table.is_troubled(Step::Scan, Trouble::Hangs);
    let error = store.scan_page(&map(), ScanRequest::first(9)).await.unwrap_err();
    assert_failed(&error, ErrorKind::Timeout, Outcome::NotApplied, "scan_page");
}

#[tokio::test(start_paused = true)]
async fn a_map_that_another_process_holds_is_waited_for_in_time() {
    let (table, store) = claimed().await;
    let held = table.hold_writer().await;
    let error = refusal(store.apply_one(put(key(1), 1)).await);
    assert_failed(&error, ErrorKind::Timeout, Outcome::NotApplied, "apply");
    drop(held);
    assert!(store.apply_one(put(key(1), 1)).await.is_applied());
}

#[tokio::test(start_paused = true)]
async fn closing_waits_for_calls_under_way_until_its_deadline() {
    let (table, store) = claimed().await;
    let (store, held) = (Arc::new(store), table.hold_writer().await);
    let writing = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.apply_one(put(key(1), 1)).await }
    });
    tokio::task::yield_now().await;
    let report = store.close(Duration::from_millis(100)).await;
    let error = report.error.unwrap();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Timeout, "close"));
    assert_eq!(
        store.load(&map(), &key(1)).await.unwrap_err().kind(),
        ErrorKind::Closed
    );
    drop(held);
    assert!(store.close(TIMEOUT).await.is_complete());
    assert!(
        writing.await.unwrap().is_applied(),
        "what was under way goes on to its end"
    );
}

#[tokio::test]
async fn d4_a_map_without_a_place_and_text_with_nul_are_refused_alone() {
    let store = TableDataStore::new(
        map(),
        MemoryTable::<false>::new(Limits::default()),
        ManualClock::new().shared(),
    );
    store.claim(&map()).await.unwrap();
    let elsewhere = MapName::new("elsewhere").unwrap();
    let lost = Write::new(elsewhere.clone(), key(1), record(1));
    let value = RecordValue::lww(
        to_value(&BTreeMap::from([("text", ["a", "a\0b"])])).unwrap(),
        version(1).timestamp(),
    );
    let with_nul = Arc::new(Record::builder(value, version(1)).build());
    let answers = store
        .apply(vec![
            lost,
            put(named("a\0b"), 1),
            Write::new(map(), key(1), with_nul),
            put(named("a"), 1),
        ])
        .await;
    assert!(answers[3].is_applied(), "{answers:?}");
    for answer in answers.into_iter().take(3) {
        assert_eq!(refusal(answer).kind(), ErrorKind::Rejected);
    }
    let found = store
        .load_all(&map(), &[named("a\0b"), named("a"), named("a")])
        .await;
    let found: Vec<bool> = found.unwrap().iter().map(Option::is_some).collect();
    assert_eq!(found, [false, true, true]);
    for kind in [
        store.claim(&elsewhere).await.unwrap_err().kind(),
        store.load(&elsewhere, &key(1)).await.unwrap_err().kind(),
        store.purge(&elsewhere, version(1)).await.unwrap_err().kind(),
    ] {
        assert_eq!(kind, ErrorKind::Rejected);
    }
}

#[tokio::test]
async fn d7_a_table_that_sorts_as_a_language_does_is_found_out() {
    let mut table = MemoryTable::<true>::new(Limits::default());
    table.ignores_case = true;
    let store = store(&table);
    store.claim(&map()).await.unwrap();
    let batch = ["B", "a", "c"].map(|text| put(named(text), 1)).to_vec();
    assert!(store.apply(batch).await.iter().all(WriteResult::is_applied));
    let error = store.scan_page(&map(), ScanRequest::first(9)).await.unwrap_err();
    assert_failed(&error, ErrorKind::Corrupt, Outcome::NotApplied, "scan_page");
}

#[tokio::test]
async fn a_batch_is_one_transaction_and_one_that_changes_nothing_is_none_to_commit() {
    let (table, store) = claimed().await;
    let before = table.transactions();
    let batch = (1..=100).map(|number| put(key(number), number)).collect();
    assert!(store.apply(batch).await.iter().all(WriteResult::is_applied));
    assert_eq!(table.transactions(), before + 1);
    table.is_troubled(Step::Commit, Trouble::Fails);
    assert!(
        store.apply_one(put(key(1), 1)).await.is_applied(),
        "it is there already"
    );
    // Without a claim there is nothing to ask the table.
    let other = TableDataStore::new(map(), table.clone(), ManualClock::new().shared());
    let error = refusal(other.apply_one(put(key(1), 2)).await);
    assert_eq!(
        (error.kind(), table.transactions()),
        (ErrorKind::NotClaimed, before + 2)
    );
}
