//! D6: failures are one record's own, and say what they are.

use layerstore_data_store::{ErrorKind, ScanRequest, TryApply, WriteResult};
use layerstore_record::{RecordValue, Version};

use super::fixture::{CLOSE_DEADLINE, Subject};
use super::model::ModelScale;
use super::steps::{
    answer, applied, assert_conflict, assert_held, assert_rejected, assert_stale, keys, map, put, refused,
    removal,
};
use crate::records::{key, version};

/// Checks a batch in which every kind of refusal stands among writes that are made.
pub async fn d6_one_records_failure_is_that_records_alone(subject: &Subject) {
    let (map, unclaimed, cleared) = (map("map"), map("unclaimed"), map("cleared"));
    let store = subject.open_for(&[&map, &cleared]).await;
    applied(&store, vec![put(&map, &key(2), 9)]).await;
    store
        .clear(&cleared, version(50))
        .await
        .expect("a claimed map can be cleared");
    let answers = store
        .apply(vec![
            put(&map, &key(1), 10),
            put(&map, &key(2), 8),
            put(&unclaimed, &key(3), 11),
            put(&map, &key(4), 12),
            put(&map, &key(2), 13).expecting(layerstore_data_store::Expect::Absent),
            put(&cleared, &key(5), 14),
            removal(&map, &key(6), 15),
        ])
        .await;
    assert_eq!(answers.len(), 7, "a batch has as many answers as writes");
    let why = "D6: answers stand in the order of the writes, one record's failure is its own";
    for made in [0, 3, 6] {
        assert!(answers[made].is_applied(), "{why}: {answers:?}");
    }
    assert_stale(&answers[1], 9, why);
    assert_rejected(&answers[2], ErrorKind::NotClaimed, why);
    assert_conflict(&answers[4], Some(9), why);
    assert_stale(&answers[5], 50, why);
    assert_eq!(keys(&store, &map).await, [key(1), key(2), key(4)], "{why}");
    assert!(
        keys(&store, &unclaimed).await.is_empty() && keys(&store, &cleared).await.is_empty(),
        "{why}"
    );
}

/// Checks every method of a store that was closed.
pub async fn d6_a_closed_store_answers_closed(subject: &Subject) {
    let (map, key) = (map("map"), key(1));
    let store = subject.open_for(&[&map]).await;
    applied(&store, vec![put(&map, &key, 1)]).await;
    assert!(
        store.close(CLOSE_DEADLINE).await.is_complete(),
        "closing a healthy store leaves nothing"
    );
    let kind = ErrorKind::Closed;
    let why = |call: &str| format!("D6: {call} on a closed store answers Closed");
    assert_rejected(&answer(&store, put(&map, &key, 2)).await, kind, &why("apply"));
    if let TryApply::Done(answers) = store.try_apply(vec![put(&map, &key, 3)]) {
        assert_rejected(&answers[0], kind, &why("try_apply"));
    }
    refused(store.claim(&map).await, kind, &why("claim"));
    refused(store.load(&map, &key).await, kind, &why("load"));
    refused(
        store.load_all(&map, std::slice::from_ref(&key)).await,
        kind,
        &why("load_all"),
    );
    refused(
        store.scan_page(&map, ScanRequest::first(1)).await,
        kind,
        &why("scan_page"),
    );
    refused(store.list_maps().await, kind, &why("list_maps"));
    refused(store.clear(&map, version(9)).await, kind, &why("clear"));
    refused(store.purge(&map, version(9)).await, kind, &why("purge"));
    assert!(
        store.close(CLOSE_DEADLINE).await.is_complete(),
        "D6: closing twice is harmless"
    );
    assert!(!kind.is_retryable(), "D6: no retry helps a closed store");
    drop(store);
    let store = subject.open().await;
    assert_held(&store, &map, &key, Some(1), "D6: what was refused was not done").await;
}

/// Checks what errors tell, and what they keep to themselves.
pub async fn d6_an_error_names_the_place_and_no_value(subject: &Subject) {
    let map = map("ledger");
    let store = subject.open().await;
    let mut write = put(&map, &key(77), 1);
    let value = RecordValue::lww("hunter2", Version::MAX.timestamp());
    write.record = std::sync::Arc::new(layerstore_record::Record::builder(value, version(1)).build());
    let WriteResult::Rejected(error) = answer(&store, write).await else {
        panic!("D8: a write to a map that was not claimed is refused");
    };
    let text = error.to_string();
    assert!(
        text.starts_with(store.name()),
        "D6: an error names its store: {text}"
    );
    assert_eq!(
        (error.store(), error.operation()),
        (store.name(), "apply"),
        "D6: an error names store and operation"
    );
    assert_eq!(error.map(), Some(&map), "D6: an error names its map: {text}");
    assert_eq!(
        error.key(),
        Some(&key(77)),
        "D6: a record's error names its key: {text}"
    );
    assert!(!text.contains('\n'), "D6: an error is one line: {text:?}");
    let all = format!("{text} {error:?}");
    assert!(
        !all.contains("hunter2"),
        "D6: an error never holds a value: {all}"
    );
}

/// The records of a large batch where no request stands between.
const LARGE_BATCH: usize = 10_000;

/// Checks a batch above what `limits()` calls best, with a failure in the middle of it.
pub async fn d6_every_write_of_a_large_batch_is_answered(subject: &Subject) {
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    let best = store.limits().batch_records;
    // Over a network two and a half of the best batches, elsewhere many of them.
    let most = if subject.model().cases > ModelScale::NETWORK.cases {
        LARGE_BATCH
    } else {
        0
    };
    let records = (best.saturating_mul(5) / 2).max(most);
    let middle = records / 2;
    let number = |place: usize| u64::try_from(place).expect("a place is a number");
    let write = |place: usize| put(&map, &key(number(place)), number(place));
    applied(&store, vec![put(&map, &key(number(middle)), number(records) + 1)]).await;
    let answers = store.apply((1..=records).map(write).collect()).await;
    assert_eq!(
        answers.len(),
        records,
        "D6: a batch has as many answers as writes"
    );
    for (place, answer) in (1..).zip(&answers) {
        if place == middle {
            assert_stale(
                answer,
                number(records) + 1,
                "D6: a large batch fails where a small one would",
            );
        } else {
            assert!(
                answer.is_applied(),
                "D6: write {place} of a large batch is made: {answer:?}"
            );
        }
    }
    assert_eq!(
        keys(&store, &map).await.len(),
        records,
        "D6: every record of a large batch is there"
    );
    assert!(
        store.apply(Vec::new()).await.is_empty(),
        "D6: an empty batch has no answers"
    );
}
