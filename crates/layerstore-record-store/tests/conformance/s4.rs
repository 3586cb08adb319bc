//! S4: a read returns the newest acknowledged write, wherever it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use layerstore_data_store::ScanRequest;
use layerstore_record::{Hlc, NodeId, Record, RecordValue};
use layerstore_record_store::{RecordStore, TryGet, WriteOptions};
use layerstore_testkit::doubles::{Call, Side};

use crate::stage::{Plan, Rig, Stage, config, key, number, start};

/// A way of reading.
#[derive(Debug, Clone, Copy)]
enum Way {
    Get,
    GetAll,
    Contains,
    Scan,
    Count,
    Load,
}

const WAYS: [Way; 6] = [
    Way::Get,
    Way::GetAll,
    Way::Contains,
    Way::Scan,
    Way::Count,
    Way::Load,
];

/// Where the newest write is when it is looked for.
#[derive(Debug, Clone, Copy)]
enum Place {
    Memory,
    Evicted,
    MemoryCleared,
    Restarted,
}

const PLACES: [Place; 4] = [
    Place::Memory,
    Place::Evicted,
    Place::MemoryCleared,
    Place::Restarted,
];

/// Fails unless this way of reading says that the only key of the map holds this number, or that there is none.
async fn check(stage: &Stage, way: Way, name: &str, expected: Option<u64>) {
    let (store, wanted) = (&stage.store, key(name));
    let found = match way {
        Way::Get => store.get(&wanted).await.unwrap(),
        Way::Load => store.load(&wanted).await.unwrap(),
        Way::GetAll => {
            let keys = [key("never"), wanted.clone(), key("nobody")];
            let all = store.get_all(&keys).await.unwrap();
            assert_eq!((all.len(), &all[0], &all[2]), (3, &None, &None));
            all[1].clone()
        }
        Way::Scan => {
            let page = store.scan_page(ScanRequest::first(1_000)).await.unwrap();
            let mut found = page.records.into_iter().filter(|(key, _)| *key == wanted);
            let first = found.next().map(|(_, record)| record);
            assert!(found.next().is_none(), "a key came twice");
            first
        }
        Way::Contains => {
            assert_eq!(store.contains(&wanted).await.unwrap(), expected.is_some());
            return;
        }
        Way::Count => {
            assert_eq!(store.count().await.unwrap(), u64::from(expected.is_some()));
            return;
        }
    };
    assert_eq!(found.map(|record| number(&record)), expected, "by {way:?}");
}

impl Place {
    /// Brings the newest write there.
    async fn bring(self, stage: Stage) -> Stage {
        match self {
            Self::Memory => {}
            Self::Evicted => {
                stage.store.evict(&key("alice")).await.unwrap();
            }
            Self::MemoryCleared => {
                stage.store.clear_memory().await.unwrap();
            }
            Self::Restarted => return stage.restarted(Plan::default()).await,
        }
        stage
    }
}

#[tokio::test]
async fn s4_every_way_of_reading_finds_the_newest_write_in_memory_evicted_and_after_a_restart() {
    for place in PLACES {
        for way in WAYS {
            let stage = Stage::new().await;
            stage.set("alice", 1).await;
            stage.set("alice", 2).await;
            let stage = place.bring(stage).await;
            println!("{way:?} of what is {place:?}");
            check(&stage, way, "alice", Some(2)).await;
            stage.set("alice", 3).await;
            check(&stage, way, "alice", Some(3)).await;
        }
    }
}

#[tokio::test]
async fn s4_no_way_of_reading_finds_what_was_removed_or_cleared_wherever_it_was() {
    for place in PLACES {
        for way in WAYS {
            for clears in [false, true] {
                let stage = Stage::new().await;
                stage.set("alice", 1).await;
                let stage = place.bring(stage).await;
                if clears {
                    stage.store.delete_all().await.unwrap();
                } else {
                    let removed = stage.store.remove(&key("alice")).await.unwrap();
                    assert_eq!(removed.value.map(|record| number(&record)), Some(1));
                }
                println!("{way:?} of what was {place:?}, all cleared: {clears}");
                check(&stage, way, "alice", None).await;
                let stage = place.bring(stage).await;
                check(&stage, way, "alice", None).await;
            }
        }
    }
}

#[tokio::test]
async fn s4_a_backup_is_newer_than_what_the_data_store_has() {
    for way in WAYS {
        let stage = Stage::new().await;
        stage.set("alice", 1).await;
        stage.advance(1);
        let version = Hlc::new(NodeId(2), stage.clock.shared()).next_version();
        let value = RecordValue::Lww {
            value: Arc::new(2_u64.into()),
            timestamp: version.timestamp(),
        };
        let backup = Arc::new(Record::builder(value, version).build());
        stage.store.put_backup(&key("alice"), backup).await.unwrap();
        assert_eq!(stage.stored("alice").await, Some(1), "it is in memory alone");
        check(&stage, way, "alice", Some(2)).await;
        let _ = stage.store.promote().await.unwrap();
        stage.store.evict(&key("alice")).await.unwrap();
        check(&stage, way, "alice", Some(2)).await;
    }
}

#[tokio::test]
async fn s4_a_scan_returns_what_was_acknowledged_while_the_data_store_read_its_page() {
    let rig = Rig::new().await;
    rig.set("alice", 1).await;
    rig.set("bob", 1).await;
    rig.slow.shut(Call::ScanPage, Side::After);
    let mut scan = rig.store.scan_page(ScanRequest::first(10));
    start(&mut scan).await;
    rig.slow.until_waiting(Call::ScanPage, Side::After, 1).await;
    rig.set("alice", 2).await;
    rig.slow.open_all();
    let page = scan.await.unwrap();
    let found: Vec<_> = page.records.iter().map(|(_, record)| number(record)).collect();
    assert_eq!(found, [2, 1]);
}

#[tokio::test]
async fn s4_a_read_does_not_show_a_write_that_a_later_read_does_not_see() {
    for before in [Some(1), None] {
        let rig = Rig::new().await;
        rig.set("alice", 1).await;
        if before.is_none() {
            rig.store.remove(&key("alice")).await.unwrap();
        }
        let alice = key("alice");
        // The data store has the write, memory does not know of it yet: it has the record before, or that there is none.
        rig.slow.shut(Call::Apply, Side::After);
        let mut writer = rig.store.set(&alice, 2.into(), &WriteOptions::DEFAULT);
        start(&mut writer).await;
        rig.slow.until_waiting(Call::Apply, Side::After, 1).await;
        assert_eq!(rig.stored("alice").await, Some(2));
        let loaded = rig.store.load(&alice).await.unwrap();
        assert_eq!(loaded.map(|record| number(&record)), before);
        assert_eq!(rig.get("alice").await, before);
        rig.slow.open_all();
        writer.await.unwrap();
        assert_eq!(rig.get("alice").await, Some(2));
    }
}

#[tokio::test]
async fn s4_a_load_that_a_write_overtook_shows_no_write_that_a_later_read_does_not_see() {
    let rig = Rig::new().await;
    rig.set("alice", 1).await;
    rig.store.evict(&key("alice")).await.unwrap();
    let (alice, keys) = (key("alice"), [key("alice"), key("bob")]);
    // A load that has not read yet, which a write overtakes.
    rig.slow.shut(Call::LoadAll, Side::Before);
    let mut early = rig.store.get_all(&keys);
    start(&mut early).await;
    rig.slow.until_waiting(Call::LoadAll, Side::Before, 1).await;
    rig.set("alice", 2).await;
    rig.store.evict(&alice).await.unwrap();
    // A second load, which has read that write.
    rig.slow.shut(Call::Load, Side::After);
    let mut late = rig.store.get(&alice);
    start(&mut late).await;
    rig.slow.until_waiting(Call::Load, Side::After, 1).await;
    // The first now reads a write that is stored and not acknowledged. Whoever reads afterwards joins the second.
    rig.slow.shut(Call::Apply, Side::After);
    let mut writer = rig.store.set(&alice, 3.into(), &WriteOptions::DEFAULT);
    start(&mut writer).await;
    rig.slow.until_waiting(Call::Apply, Side::After, 1).await;
    rig.slow.open(Call::LoadAll, Side::Before);
    for _ in 0..100 {
        assert!(
            futures::poll!(&mut early).is_pending(),
            "it shows what the second does not"
        );
        tokio::task::yield_now().await;
    }
    rig.slow.open_all();
    let (early, late) = (early.await.unwrap(), late.await.unwrap());
    assert_eq!(early[0].as_ref().map(|record| number(record)), Some(3));
    assert!(late.is_some());
    writer.await.unwrap();
    assert_eq!(rig.get("alice").await, Some(3));
}

#[tokio::test]
async fn s4_who_reads_after_a_write_does_not_get_what_a_load_read_before_it() {
    let rig = Rig::new().await;
    rig.set("alice", 1).await;
    rig.store.evict(&key("alice")).await.unwrap();
    rig.slow.shut(Call::Load, Side::After);
    let alice = key("alice");
    let mut early = rig.store.get(&alice);
    start(&mut early).await;
    rig.slow.until_waiting(Call::Load, Side::After, 1).await;
    rig.set("alice", 2).await;
    assert_eq!(rig.get("alice").await, Some(2));
    rig.store.evict(&alice).await.unwrap();
    let mut late = rig.store.get(&alice);
    start(&mut late).await;
    rig.slow.until_waiting(Call::Load, Side::After, 2).await;
    rig.slow.open_all();
    assert_eq!(late.await.unwrap().map(|record| number(&record)), Some(2));
    assert!(early.await.unwrap().is_some());
    assert_eq!(
        rig.get("alice").await,
        Some(2),
        "the early load has brought nothing back"
    );
}

#[tokio::test]
async fn s4_a_refused_write_is_not_read_and_one_of_unknown_outcome_is_read_as_it_is() {
    use layerstore_data_store::ErrorKind;
    use layerstore_testkit::doubles::Fault;
    let rig = Rig::new().await;
    rig.set("alice", 1).await;
    let outcomes = [
        (Fault::before(ErrorKind::Rejected), 1),
        (Fault::after(ErrorKind::Timeout), 2),
        (Fault::lost(ErrorKind::Timeout), 2),
    ];
    for (fault, expected) in outcomes {
        rig.failing.fail_next(Call::Apply, fault);
        let set = rig
            .store
            .set(&key("alice"), 2.into(), &WriteOptions::DEFAULT)
            .await;
        assert!(set.is_err());
        assert_eq!(rig.get("alice").await, Some(expected));
        assert_eq!(rig.stored("alice").await, Some(expected));
    }
}

#[tokio::test]
async fn s4_random_steps_read_what_was_acknowledged_last() {
    let seed = layerstore_testkit::proof::seed();
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut limited = config().max_count(4);
    limited.absent_cap = 3;
    let mut stage = Stage::configured(limited.clone()).await;
    let mut model = BTreeMap::new();
    let names: Vec<_> = (0..8).map(|at| format!("key:{at}")).collect();
    for step in 0..layerstore_testkit::proof::scaled(40_000) {
        let name = &names[rng.usize(0..names.len())];
        match rng.u8(0..40) {
            0 => {
                stage = stage
                    .restarted(Plan {
                        config: limited.clone(),
                        node: 1,
                    })
                    .await;
            }
            1 => drop(stage.store.clear_memory().await.unwrap()),
            2 => {
                stage.store.delete_all().await.unwrap();
                model.clear();
            }
            3..8 => drop(stage.store.evict(&key(name)).await.unwrap()),
            8..16 => {
                let removed = stage.store.remove(&key(name)).await.unwrap();
                let expected: Option<u64> = model.remove(name);
                assert_eq!(
                    removed.value.map(|record| number(&record)),
                    expected,
                    "step {step}"
                );
            }
            16..28 => {
                stage.set(name, step).await;
                model.insert(name.clone(), step);
            }
            28..36 => assert_eq!(stage.get(name).await, model.get(name).copied(), "step {step}"),
            36 => {
                let known = stage.store.try_get(&key(name));
                let expected = model.get(name).copied();
                match known {
                    TryGet::Hit(record) => assert_eq!(Some(number(&record)), expected, "step {step}"),
                    TryGet::Absent => assert_eq!(None, expected, "step {step}"),
                    TryGet::NeedsLoad => {}
                }
            }
            37 => {
                let found = stage.store.contains(&key(name)).await.unwrap();
                assert_eq!(found, model.contains_key(name), "step {step}");
            }
            _ => {
                let page = stage.store.scan_page(ScanRequest::first(100)).await.unwrap();
                let found: Vec<_> = page
                    .records
                    .iter()
                    .map(|(key, record)| (key.as_str().to_owned(), number(record)))
                    .collect();
                let expected: Vec<_> = model.clone().into_iter().collect();
                assert_eq!(found, expected, "step {step}");
            }
        }
    }
}
