//! D1: writes are idempotent and fenced by their versions.

use std::sync::Arc;

use layerstore_data_store::{Expect, MapDataStore, TryApply, Write, WriteResult};
use layerstore_record::{Key, MapName, Millis, NodeId, Record, RecordValue, Timestamp, Version};

use super::fixture::Subject;
use super::steps::{
    answer, applied, assert_conflict, assert_held, assert_stale, held, load, map, put, removal, tombstone,
};
use crate::proof;
use crate::records::{key, version};

/// Checks that a write may be made again, before and after a restart, with whatever condition it carries.
pub async fn d1_a_repeated_write_is_applied_whatever_it_expects(subject: &Subject) {
    let map = map("map");
    let mut store = subject.open_for(&[&map]).await;
    let expects = [
        None,
        Some(Expect::Absent),
        Some(Expect::Version(version(1))),
        Some(Expect::Version(version(9))),
    ];
    applied(&store, vec![put(&map, &key(1), 5), removal(&map, &key(2), 6)]).await;
    for round in ["at once", "after a restart"] {
        for expect in expects {
            for mut write in [put(&map, &key(1), 5), removal(&map, &key(2), 6)] {
                write.expect = expect;
                let answer = answer(&store, write).await;
                assert!(
                    answer.is_applied(),
                    "D1: a repeated write of the same version is Applied {round}, expecting {expect:?}: {answer:?}"
                );
            }
        }
        assert_held(
            &store,
            &map,
            &key(1),
            Some(5),
            "D1: repeating a write changes nothing",
        )
        .await;
        assert_eq!(
            load(&store, &map, &key(2)).await,
            Some(tombstone(6)),
            "D1: repeating a removal changes nothing"
        );
        store = subject.reopen_for(store, &[&map]).await;
    }
}

/// Checks the fence among values.
pub async fn d1_an_older_version_never_replaces_a_newer(subject: &Subject) {
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    applied(&store, vec![put(&map, &key(1), 5)]).await;
    for older in [1, 4] {
        let answer = answer(&store, put(&map, &key(1), older)).await;
        assert_stale(&answer, 5, "D1: an older version never replaces a newer one");
    }
    assert_held(
        &store,
        &map,
        &key(1),
        Some(5),
        "D1: a stale write changes nothing",
    )
    .await;
    applied(&store, vec![put(&map, &key(1), 6)]).await;
    let store = subject.reopen_for(store, &[&map]).await;
    assert_stale(
        &answer(&store, put(&map, &key(1), 5)).await,
        6,
        "D1: the fence holds after a restart",
    );
    assert_held(
        &store,
        &map,
        &key(1),
        Some(6),
        "D1: a newer version replaces an older one",
    )
    .await;
}

/// Checks the fence of a removal.
pub async fn d1_an_older_version_never_replaces_a_newer_removal(subject: &Subject) {
    let map = map("map");
    let mut store = subject.open_for(&[&map]).await;
    // A removal fences whether or not it found a value.
    applied(
        &store,
        vec![
            put(&map, &key(1), 3),
            removal(&map, &key(1), 5),
            removal(&map, &key(2), 5),
        ],
    )
    .await;
    for round in ["at once", "after a restart"] {
        for key in [key(1), key(2)] {
            let answer = answer(&store, put(&map, &key, 4)).await;
            assert_stale(
                &answer,
                5,
                &format!("D1: an older version never replaces a newer removal, {round}"),
            );
            assert_eq!(
                load(&store, &map, &key).await,
                Some(tombstone(5)),
                "D1: the removal stands, {round}"
            );
        }
        store = subject.reopen_for(store, &[&map]).await;
    }
    applied(&store, vec![put(&map, &key(1), 6)]).await;
    assert_held(
        &store,
        &map,
        &key(1),
        Some(6),
        "D1: a newer value replaces a removal",
    )
    .await;
}

/// Checks that removals are fenced as values are.
pub async fn d1_an_older_removal_never_removes_a_newer_value(subject: &Subject) {
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    applied(&store, vec![put(&map, &key(1), 5)]).await;
    let late = answer(&store, removal(&map, &key(1), 4)).await;
    assert_stale(&late, 5, "D1: an older removal never removes a newer value");
    assert_held(&store, &map, &key(1), Some(5), "D1: the newer value stands").await;
    applied(&store, vec![removal(&map, &key(1), 7)]).await;
    let late = answer(&store, removal(&map, &key(1), 6)).await;
    assert_stale(&late, 7, "D1: an older removal never replaces a newer one");
}

/// Checks that counter and node of a version count, and all bits of its milliseconds.
pub async fn d1_versions_are_compared_to_the_last_bit(subject: &Subject) {
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    let at = |millis, counter, node| Version::new(Timestamp::new(Millis(millis), counter, NodeId(node)));
    let last = (1_u64 << 48) - 1;
    // In order; neighbours differ in one part alone.
    let versions = [
        at(7, 0, 1),
        at(7, 0, 2),
        at(7, 0, u64::MAX),
        at(7, 1, 0),
        at(7, 0x7fff, 0),
        at(7, 0x8000, 0),
        at(7, u16::MAX, u64::MAX),
        at(8, 0, 0),
        at(last / 2, 0, 0),
        at(last / 2 + 1, 0, 0),
        at(last, 0, 0),
    ];
    let write = |version: Version| {
        let value = RecordValue::lww(0_u64, version.timestamp());
        Write::new(
            map.clone(),
            key(1),
            Arc::new(Record::builder(value, version).build()),
        )
    };
    for pair in versions.windows(2) {
        applied(&store, vec![write(pair[0]), write(pair[1])]).await;
        let older = answer(&store, write(pair[0])).await;
        assert!(
            matches!(older, WriteResult::Stale { current } if current == pair[1]),
            "D1: {} is older than {}: {older:?}",
            pair[0],
            pair[1]
        );
        assert_eq!(
            held(&store, &map, &key(1)).await,
            Some(pair[1]),
            "D1: a version comes back to the last bit"
        );
    }
}

/// Checks conditions against nothing, a value and a tombstone.
pub async fn d1_expect_compares_with_the_stored_version(subject: &Subject) {
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    let is = |number| Expect::Version(version(number));
    applied(&store, vec![put(&map, &key(2), 3), removal(&map, &key(3), 3)]).await;
    // key 1 holds nothing, key 2 a value, key 3 a tombstone
    let refused = [
        (1, is(3), None, "nothing is no version"),
        (2, Expect::Absent, Some(3), "a value is not absent"),
        (2, is(2), Some(3), "another version is there"),
        (3, is(3), None, "a tombstone is no value"),
    ];
    for (number, expect, current, why) in refused {
        let write = put(&map, &key(number), 5).expecting(expect);
        assert_conflict(&answer(&store, write).await, current, &format!("D1: {why}"));
    }
    assert_held(
        &store,
        &map,
        &key(1),
        None,
        "D1: a write in conflict changes nothing",
    )
    .await;
    assert_held(
        &store,
        &map,
        &key(2),
        Some(3),
        "D1: a write in conflict changes nothing",
    )
    .await;
    assert_eq!(
        load(&store, &map, &key(3)).await,
        Some(tombstone(3)),
        "D1: a write in conflict changes nothing"
    );
    let made = [(1, Expect::Absent), (2, is(3)), (3, Expect::Absent)];
    for (number, expect) in made {
        let answer = answer(&store, put(&map, &key(number), 6).expecting(expect)).await;
        assert!(
            answer.is_applied(),
            "D1: the condition {expect:?} holds for key {number}: {answer:?}"
        );
        assert_held(
            &store,
            &map,
            &key(number),
            Some(6),
            "D1: a write whose condition holds is made",
        )
        .await;
    }
    let removed = answer(&store, removal(&map, &key(2), 7).expecting(is(6))).await;
    assert!(
        removed.is_applied(),
        "D1: a removal may be conditional: {removed:?}"
    );
}

/// Checks that a stale write is stale even if its condition does not hold.
pub async fn d1_the_fence_comes_before_the_condition(subject: &Subject) {
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    applied(&store, vec![put(&map, &key(1), 5), removal(&map, &key(2), 5)]).await;
    for key in [key(1), key(2)] {
        for expect in [
            Expect::Absent,
            Expect::Version(version(1)),
            Expect::Version(version(5)),
        ] {
            let answer = answer(&store, put(&map, &key, 4).expecting(expect)).await;
            assert_stale(
                &answer,
                5,
                &format!("D1: a stale write is stale whatever it expects ({expect:?})"),
            );
        }
    }
}

/// Checks several writes to one key within a batch, in every order.
pub async fn d1_a_batch_is_as_if_made_one_after_another(subject: &Subject) {
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    let rising = store
        .apply(vec![
            put(&map, &key(1), 1),
            removal(&map, &key(1), 2),
            put(&map, &key(1), 3),
        ])
        .await;
    assert!(
        rising.iter().all(WriteResult::is_applied),
        "D1: rising versions of a batch are all Applied: {rising:?}"
    );
    assert_held(
        &store,
        &map,
        &key(1),
        Some(3),
        "D1: the newer write to a key counts",
    )
    .await;

    let falling = store
        .apply(vec![
            put(&map, &key(2), 3),
            put(&map, &key(2), 1),
            put(&map, &key(2), 2),
        ])
        .await;
    assert!(
        falling[0].is_applied(),
        "D1: the newest of a batch is Applied wherever it stands: {falling:?}"
    );
    for late in &falling[1..] {
        assert_stale(
            late,
            3,
            "D1: an older write after a newer one in a batch is Stale",
        );
    }
    assert_held(
        &store,
        &map,
        &key(2),
        Some(3),
        "D1: the newer write to a key counts, whatever the order",
    )
    .await;

    let same = store
        .apply(vec![put(&map, &key(3), 4), put(&map, &key(3), 4)])
        .await;
    assert!(
        same.iter().all(WriteResult::is_applied),
        "D1: a write repeated within a batch is Applied: {same:?}"
    );

    let chain = store
        .apply(vec![
            put(&map, &key(4), 1).expecting(Expect::Absent),
            put(&map, &key(4), 2).expecting(Expect::Version(version(1))),
            put(&map, &key(4), 3).expecting(Expect::Absent),
        ])
        .await;
    assert!(
        chain[0].is_applied() && chain[1].is_applied(),
        "D1: a condition sees what the batch wrote: {chain:?}"
    );
    assert_conflict(&chain[2], Some(2), "D1: a condition sees what the batch wrote");
    assert_held(
        &store,
        &map,
        &key(4),
        Some(2),
        "D1: the batch ends with its last applied write",
    )
    .await;
}

/// Checks `try_apply`: done like `apply`, or given back untouched.
pub async fn d1_a_write_without_io_is_fenced_alike(subject: &Subject) {
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    applied(&store, vec![put(&map, &key(1), 5)]).await;
    let writes = vec![
        put(&map, &key(1), 4),
        put(&map, &key(2), 6),
        put(&map, &key(1), 5),
    ];
    let answers = match store.try_apply(writes.clone()) {
        TryApply::Done(answers) => answers,
        TryApply::NeedsIo(back) => {
            let facts = |writes: &[Write]| {
                writes
                    .iter()
                    .map(|write| (write.key.clone(), write.version()))
                    .collect::<Vec<_>>()
            };
            assert_eq!(
                facts(&back),
                facts(&writes),
                "try_apply gives back what it was given"
            );
            assert_held(
                &store,
                &map,
                &key(2),
                None,
                "try_apply does nothing where it needs I/O",
            )
            .await;
            store.apply(back).await
        }
    };
    assert_eq!(answers.len(), 3, "a batch has as many answers as writes");
    assert_stale(&answers[0], 5, "D1: a write without I/O is fenced alike");
    assert!(
        answers[1].is_applied() && answers[2].is_applied(),
        "D1: a write without I/O is judged alike"
    );
    assert_held(
        &store,
        &map,
        &key(1),
        Some(5),
        "D1: a stale write changes nothing",
    )
    .await;
    assert_held(&store, &map, &key(2), Some(6), "what is Applied is there").await;
}

/// Checks that racing writers of the same keys leave the newest versions.
pub async fn d1_of_racing_writers_the_newest_version_stays(subject: &Subject) {
    const WRITERS: u64 = 8;
    const WRITES: u64 = 60;
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    let seed = proof::seed();
    let tasks: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, map) = (Arc::clone(&store), map.clone());
            tokio::spawn(async move {
                let mut numbers: Vec<u64> = (0..WRITES).map(|number| 1 + number * WRITERS + writer).collect();
                fastrand::Rng::with_seed(seed ^ writer).shuffle(&mut numbers);
                for number in numbers {
                    let keys = [key(1), key(2 + number % 2)];
                    let _ = store
                        .apply(keys.iter().map(|key| put(&map, key, number)).collect())
                        .await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a writer ends");
    }
    let last = WRITERS * WRITES;
    let store = subject.reopen(store).await;
    for (number, newest) in [(1, last), (2, last), (3, last - 1)] {
        let why = "D1: whatever the order of arrival, the newest version of a key stays";
        assert_held(&store, &map, &key(number), Some(newest), why).await;
    }
}

/// Checks that of racing conditional writes exactly one is made, where the store says that they are atomic.
pub async fn d1_of_racing_conditions_one_holds(subject: &Subject) {
    let map = map("map");
    let store = subject.open_for(&[&map]).await;
    if !store.limits().compare_and_set {
        return;
    }
    for round in 0..20 {
        let key = key(round);
        let first = race(&store, &map, &key, 1, Expect::Absent).await;
        let second = race(&store, &map, &key, 101, Expect::Version(version(first))).await;
        let why = "D1: what the one writer wrote whose condition held is there";
        assert_held(&store, &map, &key, Some(second), why).await;
    }
}

/// Lets eight writers race with one condition, and returns whose write was made.
async fn race(store: &Arc<dyn MapDataStore>, map: &MapName, key: &Key, from: u64, expect: Expect) -> u64 {
    let tasks: Vec<_> = (from..from + 8)
        .map(|number| {
            let (store, write) = (Arc::clone(store), put(map, key, number).expecting(expect));
            tokio::spawn(async move { (number, answer(&store, write).await) })
        })
        .collect();
    let mut made = Vec::new();
    for task in tasks {
        let (number, answer) = task.await.expect("a writer ends");
        made.extend(answer.is_applied().then_some(number));
    }
    assert_eq!(
        made.len(),
        1,
        "D1: of eight racing writers that expect {expect:?} one is Applied, these were: {made:?}"
    );
    made[0]
}
