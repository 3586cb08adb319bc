//! Keys that are taken for new: what that saves, and that a wrong guess changes no answer.

use std::sync::Arc;

use layerstore_data_store::{Expect, MapDataStore, WriteResult};
use layerstore_opendal::OpendalDataStore;
use layerstore_record::MapName;
use layerstore_testkit::objects::{ObjectFaults, ObjectMemory};
use layerstore_testkit::records::version;

use crate::support::{apply, held, map, open, options, put};

/// More than must be found new in a row before others are taken for new.
const ENOUGH: u64 = 100;

/// Opens a store, over records from an earlier one where `before` names any, that takes keys for new.
async fn a_store_that_guesses(
    before: std::ops::Range<u64>,
) -> (Arc<OpendalDataStore>, ObjectFaults, MapName) {
    let (bucket, faults, map) = (ObjectMemory::new(), ObjectFaults::seeded(3), map("map"));
    let earlier = open(&bucket, &ObjectFaults::seeded(4), options()).await;
    earlier.claim(&map).await.unwrap();
    write(&earlier, &map, before).await;
    let store = open(&bucket, &faults, options()).await;
    store.claim(&map).await.unwrap();
    write(&store, &map, 0..ENOUGH).await;
    (store, faults, map)
}

/// Writes keys, each with its own number as the version.
async fn write(store: &OpendalDataStore, map: &MapName, numbers: std::ops::Range<u64>) {
    let writes = numbers.map(|number| put(map, number, number + 1)).collect();
    let answers = store.apply(writes).await;
    assert!(answers.iter().all(WriteResult::is_applied), "{answers:?}");
}

#[tokio::test]
async fn after_many_new_keys_the_next_cost_one_request_each() {
    let (store, faults, map) = a_store_that_guesses(0..0).await;
    let before = faults.requests();
    write(&store, &map, 1_000..1_500).await;
    assert_eq!(
        faults.requests() - before,
        501,
        "one for the head, and one for each record"
    );
}

#[tokio::test]
async fn a_key_that_was_taken_for_new_and_is_not_is_judged_by_what_it_holds() {
    let (store, faults, map) = a_store_that_guesses(1_000..1_010).await;
    let older = apply(&store, put(&map, 1_005, 1)).await;
    assert!(
        matches!(older, WriteResult::Stale { current } if current == version(1_006)),
        "{older:?}"
    );
    assert_eq!(held(&store, &map, 1_005).await, Some(version(1_006)));
    // Once wrong, it looks.
    let before = faults.requests();
    assert!(apply(&store, put(&map, 1_006, 5_000)).await.is_applied());
    assert_eq!(faults.requests() - before, 3, "the head, a look, and the write");
}

#[tokio::test]
async fn what_a_write_expects_is_compared_with_what_is_there_also_where_that_is_guessed() {
    let (store, _, map) = a_store_that_guesses(1_000..1_010).await;
    let expecting = async |number, expect: Expect| {
        // What was guessed wrong before is made good for.
        write(&store, &map, number * 1_000..number * 1_000 + ENOUGH).await;
        let mut write = put(&map, number, 500_000);
        write.expect = Some(expect);
        apply(&store, write).await
    };
    let current = |answer: &WriteResult| match answer {
        WriteResult::Conflict { current } => *current,
        other => panic!("no conflict: {other:?}"),
    };
    let taken = expecting(1_001, Expect::Absent).await;
    assert_eq!(current(&taken), Some(version(1_002)));
    let other = expecting(1_002, Expect::Version(version(7))).await;
    assert_eq!(current(&other), Some(version(1_003)));
    let right = expecting(1_003, Expect::Version(version(1_004))).await;
    assert!(right.is_applied(), "{right:?}");
    let absent = expecting(2_000, Expect::Absent).await;
    assert!(absent.is_applied(), "{absent:?}");
    let none = expecting(3_000, Expect::Version(version(7))).await;
    assert_eq!(current(&none), None);
}
