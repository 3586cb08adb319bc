//! D-restate: a record may be kept in another form of the same version, by a store that can.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{ErrorKind, Expect, MapDataStore, ScanRequest, Write, WriteResult};
use layerstore_record::{Clock, Expiry, Key, MapName, Record, RecordValue};

use super::fixture::Subject;
use super::steps::{
    answer, applied, assert_conflict, assert_held, assert_rejected, assert_stale, ending, keys, load, map,
    put, removal, scanned, tombstone,
};
use crate::records::{key, version};

/// The same version as [`put`] of this number, in another form.
fn restatement(map: &MapName, key: &Key, number: u64) -> Write {
    Write::new(map.clone(), key.clone(), Arc::new(other(number)))
}

fn other(number: u64) -> Record {
    let value = RecordValue::lww(format!("elsewhere: {number}"), version(number).timestamp());
    Record::builder(value, version(number)).build()
}

/// Restates; `None` where the store has not the ability, which no clause asks of it.
async fn restate(store: &Arc<dyn MapDataStore>, writes: Vec<Write>) -> Option<Vec<WriteResult>> {
    let count = writes.len();
    let answers = store.restating()?.restate(writes).await;
    assert_eq!(answers.len(), count, "a batch has as many answers as writes");
    Some(answers)
}

async fn restate_one(store: &Arc<dyn MapDataStore>, write: Write) -> Option<WriteResult> {
    restate(store, vec![write])
        .await
        .map(|mut answers| answers.remove(0))
}

/// Checks that the new form is found by every way of reading, also after a restart, and that the version still fences.
pub async fn d_restate_replaces_the_form_and_nothing_else(subject: &Subject) {
    let map = map("map");
    let mut store = subject.open_for(&[&map]).await;
    applied(&store, vec![put(&map, &key(1), 5), put(&map, &key(2), 6)]).await;
    let Some(answer_of) = restate_one(&store, restatement(&map, &key(1), 5)).await else {
        return;
    };
    assert!(
        answer_of.is_applied(),
        "D-restate: the held version is restated: {answer_of:?}"
    );
    for round in ["at once", "after a restart"] {
        let found = load(&store, &map, &key(1)).await;
        assert_eq!(
            found,
            Some(other(5)),
            "D-restate: the other form is read, {round}"
        );
        let found = scanned(&store, &map, ScanRequest::first(9)).await;
        let found: Vec<&Record> = found.iter().map(|(_, record)| record).collect();
        assert_eq!(
            found,
            [&other(5), &*crate::records::record(6)],
            "D-restate: a scan reads it, {round}"
        );
        store = subject.reopen_for(store, &[&map]).await;
    }
    assert_stale(
        &answer(&store, put(&map, &key(1), 4)).await,
        5,
        "D-restate: the version of a restated record fences",
    );
    let repeated = answer(&store, put(&map, &key(1), 5)).await;
    assert!(
        repeated.is_applied(),
        "D-restate: the write is repeated as before: {repeated:?}"
    );
    assert_eq!(
        load(&store, &map, &key(1)).await,
        Some(other(5)),
        "D-restate: a repeated write changes no form"
    );
    let there = answer(&store, put(&map, &key(1), 7).expecting(Expect::Absent)).await;
    assert_conflict(&there, Some(5), "D-restate: a restated record is there");
    let expected = put(&map, &key(1), 7).expecting(Expect::Version(version(5)));
    assert!(answer(&store, expected).await.is_applied());
    assert_held(
        &store,
        &map,
        &key(1),
        Some(7),
        "D-restate: a newer write replaces any form",
    )
    .await;
}

/// Checks everything that is not a value of the very version.
pub async fn d_restate_puts_nothing_where_its_version_is_not(subject: &Subject) {
    let (map, cleared) = (map("map"), map("cleared"));
    let store = subject.open_for(&[&map, &cleared]).await;
    let soon = Expiry {
        deadline: Some(subject.clock().now().plus(1_000)),
        ..Expiry::NEVER
    };
    applied(
        &store,
        vec![
            put(&map, &key(1), 6),
            put(&map, &key(2), 4),
            removal(&map, &key(3), 5),
            removal(&map, &key(4), 6),
            ending(&map, &key(5), 5, soon),
            put(&cleared, &key(1), 5),
        ],
    )
    .await;
    subject.clock().advance(Duration::from_secs(1));
    store
        .clear(&cleared, version(5))
        .await
        .expect("a claimed map can be cleared");
    let mut writes: Vec<Write> = (1..=6).map(|number| restatement(&map, &key(number), 5)).collect();
    writes.push(restatement(&cleared, &key(1), 5));
    let Some(answers) = restate(&store, writes).await else {
        return;
    };
    assert_stale(&answers[0], 6, "D-restate: what is newer stays");
    assert_conflict(&answers[1], Some(4), "D-restate: what is older stays");
    assert_conflict(
        &answers[2],
        None,
        "D-restate: a removal of the very version stays",
    );
    assert_stale(&answers[3], 6, "D-restate: a newer removal stays");
    assert_conflict(&answers[4], None, "D-restate: what has ended stays as it is");
    assert_conflict(&answers[5], None, "D-restate: nothing is put where nothing is");
    assert_stale(&answers[6], 5, "D-restate: what was cleared stays away");
    assert_eq!(
        keys(&store, &map).await,
        [key(1), key(2)],
        "D-restate: what was refused left nothing"
    );
    assert_held(&store, &map, &key(1), Some(6), "D-restate: what is newer stays").await;
    assert_held(&store, &map, &key(2), Some(4), "D-restate: what is older stays").await;
    assert_eq!(load(&store, &map, &key(3)).await, Some(tombstone(5)));
    assert_eq!(load(&store, &map, &key(4)).await, Some(tombstone(6)));
    assert!(keys(&store, &cleared).await.is_empty());
}

/// Checks a batch, claims and takeovers.
pub async fn d_restate_is_fenced_as_writes_are(subject: &Subject) {
    let (map, unclaimed) = (map("map"), map("unclaimed"));
    let store = subject.open_for(&[&map]).await;
    applied(
        &store,
        (1..=2_500)
            .map(|number| put(&map, &key(number), number))
            .collect(),
    )
    .await;
    let mut writes: Vec<Write> = (1..=2_500)
        .map(|number| restatement(&map, &key(number), number))
        .collect();
    writes.push(restatement(&unclaimed, &key(1), 1));
    let Some(answers) = restate(&store, writes).await else {
        return;
    };
    let (last, made) = answers.split_last().expect("there are answers");
    assert!(
        made.iter().all(WriteResult::is_applied),
        "D-restate: every record of a large batch is restated"
    );
    let why = "D-restate: a map that was not claimed is not restated";
    assert_rejected(last, ErrorKind::NotClaimed, why);
    let Some(rival) = subject.open_rival().await else {
        return;
    };
    rival.claim(&map).await.expect("a map can be claimed");
    let write = Write::new(map.clone(), key(1), crate::records::record(1));
    let late = restate_one(&store, write)
        .await
        .expect("a store keeps its abilities");
    assert_rejected(
        &late,
        ErrorKind::Fenced,
        "D-restate: a later claim fences the earlier writer",
    );
    assert_eq!(
        load(&rival, &map, &key(1)).await,
        Some(other(1)),
        "D-restate: what a fenced writer restates leaves nothing"
    );
}
