//! Two stores over one bucket: the later fences the earlier, whatever of it is still under way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use layerstore_data_store::{ErrorKind, MapDataStore, Outcome, WriteResult};
use layerstore_opendal::OpendalDataStore;
use layerstore_opendal::opendal::Operator;
use layerstore_record::{Key, MapName, Version};
use layerstore_testkit::objects::{FaultRates, ObjectFaults, ObjectMemory, Quirk};
use layerstore_testkit::proof;
use layerstore_testkit::records::{key, version};

use crate::support::{apply, held, map, open, open_over, options, put, removal, scan};

/// Few enough that writers meet the same ones again and again.
pub(crate) const FEW_KEYS: u64 = 24;

/// So many that nearly every write meets one that was never written.
const MANY_KEYS: u64 = 1 << 40;

const WRITERS: u64 = 4;

/// What a writer of a round did: versions that were acknowledged, and all that were tried, by key.
#[derive(Default)]
struct Deeds {
    acknowledged: BTreeMap<Key, Version>,
    tried: BTreeMap<Key, Vec<Version>>,
}

/// A writer's requests that arrive late, are lost, or are made and said not to be.
const ROUGH: FaultRates = FaultRates {
    reset: 50,
    after_apply: 50,
    late: 80,
    ..FaultRates::NONE
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m4_the_later_claim_fences_the_earlier_amid_late_requests() {
    let bucket = ObjectMemory::new();
    rounds(|| bucket.operator().unwrap(), FEW_KEYS, 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m4_the_later_claim_fences_a_writer_that_takes_keys_for_new() {
    let bucket = ObjectMemory::new();
    // What every round compares grows with the keys.
    rounds(|| bucket.operator().unwrap(), MANY_KEYS, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m4_the_later_claim_fences_where_deletions_know_no_conditions() {
    let bucket = ObjectMemory::new().with(Quirk::IgnoresDeleteConditions);
    rounds(|| bucket.operator().unwrap(), FEW_KEYS, 100).await;
}

/// Lets two stores take a map from each other, each amid the writes of the other.
pub(crate) async fn rounds(place: impl Fn() -> Operator, keys: u64, rounds: u64) {
    let seed = proof::seed();
    let (faults, map) = (ObjectFaults::seeded(seed), map("map"));
    let mut rng = fastrand::Rng::with_seed(seed ^ 1);
    let numbers = Arc::new(AtomicU64::new(1));
    let mut holder = open_over(place(), &faults, options()).await;
    claim(&holder, &map).await;
    let mut acknowledged = 0;
    for round in 0..rounds {
        let rival = open_over(place(), &faults, options()).await;
        faults.set(ROUGH);
        let deeds = Arc::new(Mutex::new(Deeds::default()));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let rng = fastrand::Rng::with_seed(rng.u64(..));
                let (holder, map) = (Arc::clone(&holder), map.clone());
                tokio::spawn(write(
                    holder,
                    map,
                    (writer, keys),
                    rng,
                    Arc::clone(&numbers),
                    Arc::clone(&deeds),
                ))
            })
            .collect();
        // At a random moment: before the first write, or after some hundreds.
        let until = numbers.load(Ordering::Acquire) + rng.u64(0..300);
        while numbers.load(Ordering::Acquire) < until {
            tokio::task::yield_now().await;
        }
        claim(&rival, &map).await;
        faults.set(FaultRates::NONE);
        let before = scan(&rival, &map).await;
        for writer in writers {
            writer.await.unwrap();
        }
        faults.land().await;
        let after = scan(&rival, &map).await;
        assert!(
            after == before,
            "round {round}: once a claim has returned, nothing of the earlier writer's arrives"
        );
        let deeds = std::mem::take(&mut *deeds.lock().unwrap());
        check(
            round,
            &after
                .into_iter()
                .map(|(key, record)| (key, record.version()))
                .collect(),
            &deeds,
        );
        acknowledged += deeds.acknowledged.len() as u64;
        purge(&rival, &map, &mut rng, &numbers).await;
        holder = rival;
    }
    proof::report(
        "M4",
        &[
            ("rounds", rounds),
            ("keys_acknowledged", acknowledged),
            ("lost", 0),
            ("seed", seed),
        ],
    );
}

async fn claim(store: &OpendalDataStore, map: &MapName) {
    // A claim may fail where requests do; whoever wants the map tries again.
    for _ in 0..100 {
        match store.claim(map).await {
            Ok(_) => return,
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    }
    panic!("the map could not be claimed");
}

/// Writes until a later claim fences it out.
async fn write(
    store: Arc<OpendalDataStore>,
    map: MapName,
    (writer, keys): (u64, u64),
    mut rng: fastrand::Rng,
    numbers: Arc<AtomicU64>,
    deeds: Arc<Mutex<Deeds>>,
) {
    loop {
        // Each writer has keys of its own, as the record store's gates see to.
        let number = rng.u64(0..keys / WRITERS) * WRITERS + writer;
        let at = numbers.fetch_add(1, Ordering::AcqRel) + 1;
        let write = match rng.u8(0..4) {
            0 => removal(&map, number, at),
            _ => put(&map, number, at),
        };
        deeds
            .lock()
            .unwrap()
            .tried
            .entry(key(number))
            .or_default()
            .push(version(at));
        match apply(&store, write).await {
            WriteResult::Applied => {
                deeds
                    .lock()
                    .unwrap()
                    .acknowledged
                    .insert(key(number), version(at));
            }
            WriteResult::Rejected(error) if error.kind() == ErrorKind::Fenced => return,
            WriteResult::Rejected(error) => assert!(error.is_retryable(), "{error}"),
            refused => panic!("nobody else wrote newer versions: {refused:?}"),
        }
    }
}

fn check(round: u64, found: &BTreeMap<Key, Version>, deeds: &Deeds) {
    for (key, acknowledged) in &deeds.acknowledged {
        let Some(found) = found.get(key) else {
            panic!("round {round}: {key:?} was acknowledged as {acknowledged} and is gone");
        };
        assert!(
            found >= acknowledged,
            "round {round}: {key:?} was acknowledged as {acknowledged}, and is {found}"
        );
        let tried = deeds.tried.get(key).is_some_and(|tried| tried.contains(found));
        assert!(tried, "round {round}: {key:?} holds {found}, which nobody wrote");
    }
}

/// Lets some keys be absent in the next round.
async fn purge(store: &OpendalDataStore, map: &MapName, rng: &mut fastrand::Rng, numbers: &AtomicU64) {
    if rng.bool() {
        let horizon = version(numbers.load(Ordering::Acquire));
        store.purge(map, horizon).await.unwrap();
    }
}

#[tokio::test]
async fn a_write_that_was_given_up_never_arrives_after_its_key_was_read() {
    let (bucket, faults, map) = (ObjectMemory::new(), ObjectFaults::seeded(3), map("map"));
    let store = open(&bucket, &faults, options().attempts(1)).await;
    claim(&store, &map).await;
    assert!(apply(&store, put(&map, 1, 1)).await.is_applied());
    for (number, at) in [(1, 5), (2, 6)] {
        // The head is announced, and the write itself is held back.
        faults.hold_back_next("/r/");
        let WriteResult::Rejected(error) = apply(&store, put(&map, number, at)).await else {
            panic!("a write that was held back is not acknowledged");
        };
        assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
        let before = held(&store, &map, number).await;
        faults.land().await;
        assert_eq!(held(&store, &map, number).await, before, "key {number}");
    }
    assert!(apply(&store, put(&map, 2, 7)).await.is_applied());
    assert_eq!(held(&store, &map, 2).await, Some(version(7)));
}

/// Stops an earlier writer between the announcement of its write and its look at the key, until a later claim has settled that.
async fn a_writer_that_stands_still(
    prepare: impl AsyncFn(&OpendalDataStore, &MapName),
    then: impl AsyncFn(&OpendalDataStore, &MapName),
) {
    let (bucket, faults, map) = (ObjectMemory::new(), ObjectFaults::seeded(3), map("map"));
    let before = open(&bucket, &faults, options()).await;
    claim(&before, &map).await;
    prepare(&before, &map).await;
    drop(before);
    let first = open(&bucket, &faults, options()).await;
    claim(&first, &map).await;
    let second = open(&bucket, &ObjectFaults::seeded(4), options()).await;
    faults.stall_next_read("/r/");
    let stalled = tokio::spawn({
        let (first, map) = (Arc::clone(&first), map.clone());
        async move { apply(&first, put(&map, 1, 50)).await }
    });
    faults.read_is_stalled().await;
    claim(&second, &map).await;
    then(&second, &map).await;
    let before = scan(&second, &map).await;
    faults.release_read();
    let WriteResult::Rejected(error) = stalled.await.unwrap() else {
        panic!("a write of an earlier writer was made after a later claim");
    };
    assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
    assert!(scan(&second, &map).await == before, "nothing of it is there");
}

#[tokio::test]
async fn a_key_that_a_later_claim_has_settled_fences_whoever_looks_at_it_afterwards() {
    let nothing = async |_: &OpendalDataStore, _: &MapName| {};
    a_writer_that_stands_still(nothing, nothing).await;
    let value = async |store: &OpendalDataStore, map: &MapName| {
        assert!(apply(store, put(map, 1, 1)).await.is_applied());
    };
    a_writer_that_stands_still(value, nothing).await;
}

#[tokio::test]
async fn what_a_claim_has_settled_keeps_its_place_though_it_is_dropped() {
    let removed = async |store: &OpendalDataStore, map: &MapName| {
        assert!(apply(store, removal(map, 1, 1)).await.is_applied());
    };
    a_writer_that_stands_still(removed, async |store, map| {
        assert_eq!(store.purge(map, version(10)).await.unwrap(), 1);
    })
    .await;
    a_writer_that_stands_still(removed, async |store, map| {
        store.clear(map, version(10)).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_goes_on_when_a_busy_writer_comes_first_many_times() {
    let (bucket, map) = (ObjectMemory::new(), map("map"));
    let store = open(&bucket, &ObjectFaults::seeded(3), options()).await;
    bucket.contest_next("/head", 500);
    store.claim(&map).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_never_comes_first_ends_in_time_and_says_why() {
    let (bucket, map) = (ObjectMemory::new(), map("map"));
    let options = options();
    let deadline = options.call_deadline();
    let store = open(&bucket, &ObjectFaults::seeded(3), options).await;
    bucket.contest_next("/head", u32::MAX);
    let error = tokio::time::timeout(deadline, store.claim(&map)).await;
    let error = error.expect("a claim ends within its deadline").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(
        error.to_string().contains("another writer changed the map first"),
        "{error}"
    );
}
