//! S8: which record leaves memory.

use layerstore_record_store::eviction::{
    Candidate, EvictionPolicy, LeastFrequentlyUsed, LeastRecentlyUsed, NoEviction, RandomEviction, TwoSegment,
};
use layerstore_record_store::{RecordErrorKind, RecordStore, RecordStoreConfig, TryGet, WriteOptions};

use crate::stage::{Stage, config, key, kind};

fn candidate(hits: u32, idle: u64) -> Candidate {
    Candidate { hits, idle }
}

fn chosen(policy: &dyn EvictionPolicy, candidates: &[(u32, u64)]) -> Option<usize> {
    let candidates: Vec<_> = candidates
        .iter()
        .map(|(hits, idle)| candidate(*hits, *idle))
        .collect();
    policy.choose(&candidates, &mut fastrand::Rng::with_seed(1))
}

#[test]
fn s8_the_victims_of_the_plain_policies() {
    let drawn = [(5, 10), (1, 40), (1, 20), (9, 90)];
    assert_eq!(chosen(&LeastRecentlyUsed, &drawn), Some(3));
    assert_eq!(
        chosen(&LeastFrequentlyUsed, &drawn),
        Some(1),
        "of the least read the one idle for longest"
    );
    assert_eq!(chosen(&NoEviction, &drawn), None);
    let mut seen = [0; 4];
    let mut rng = fastrand::Rng::with_seed(layerstore_testkit::proof::seed());
    for _ in 0..4_000 {
        let drawn: Vec<_> = drawn.iter().map(|(hits, idle)| candidate(*hits, *idle)).collect();
        seen[RandomEviction.choose(&drawn, &mut rng).unwrap()] += 1;
    }
    assert!(seen.iter().all(|times| (800..1_200).contains(times)), "{seen:?}");
    for policy in policies() {
        assert_eq!(chosen(&*policy, &[]), None, "{}", policy.name());
    }
}

#[test]
fn s8_probation_gives_first_and_the_main_segment_where_probation_is_small() {
    let policy = TwoSegment::default();
    // Much on probation: its longest idle goes, though a main record was idle for longer.
    assert_eq!(chosen(&policy, &[(0, 5), (1, 9), (0, 7), (8, 1_000)]), Some(2));
    // One of sixteen on probation: it stays, and the main record that is worth least goes.
    let mut drawn = vec![(3, 100); 15];
    drawn[4] = (3, 500);
    drawn.push((0, 90_000));
    assert_eq!(chosen(&policy, &drawn), Some(4));
    // In between the worth alone decides: idle time over the logarithm of the hits.
    let mut drawn = vec![(2, 100); 13];
    drawn.extend([(0, 50), (0, 60), (0, 70)]);
    assert_eq!(
        chosen(&policy, &drawn),
        Some(15),
        "70 / ln 2 is more than 100 / ln 4"
    );
    drawn[7] = (2, 200);
    assert_eq!(chosen(&policy, &drawn), Some(7));
}

#[test]
fn s8_a_key_that_comes_back_soon_skips_probation() {
    let policy = TwoSegment::with_ghosts(1_000);
    let gone = 7;
    assert_eq!(policy.admitted(gone), 0);
    policy.evicted(gone, layerstore_record::Millis(1));
    assert_eq!((policy.admitted(gone), policy.admitted(gone)), (2, 0));
}

#[tokio::test]
async fn s8_a_record_that_was_evicted_and_is_written_or_loaded_again_skips_probation() {
    let stage = Stage::configured(config().max_count(1)).await;
    for name in ["a", "b", "a"] {
        stage.set(name, 1).await;
    }
    assert_eq!(stage.resident("a").unwrap().access().hits(), 2, "written again");
    assert_eq!(stage.get("b").await, Some(1));
    assert_eq!(stage.resident("b").unwrap().access().hits(), 2, "loaded again");
    stage.set("c", 1).await;
    assert_eq!(
        stage.resident("c").unwrap().access().hits(),
        0,
        "never seen before"
    );
    stage.store.evict(&key("c")).await.unwrap();
    assert_eq!(stage.get("c").await, Some(1));
    assert_eq!(
        stage.resident("c").unwrap().access().hits(),
        0,
        "it was not pushed out for want of room"
    );
}

/// Least recently used of so many that are drawn that none is missed.
#[derive(Debug)]
struct OfAll;

impl EvictionPolicy for OfAll {
    fn name(&self) -> &'static str {
        "of-all"
    }

    fn sample_size(&self) -> usize {
        512
    }

    fn choose(&self, candidates: &[Candidate], rng: &mut fastrand::Rng) -> Option<usize> {
        LeastRecentlyUsed.choose(candidates, rng)
    }
}

#[tokio::test]
async fn s8_what_was_chosen_to_leave_next_stays_when_it_is_read_or_written_before() {
    let stage = Stage::pure(config().max_count(8).with_eviction(OfAll)).await;
    for number in 0..8 {
        stage.set(&format!("old{number}"), number).await;
        stage.advance(1);
    }
    // The oldest leaves; all the others were drawn with it, and the next oldest of them are to follow.
    stage.set("new0", 8).await;
    stage.advance(1);
    for (number, read) in [(1, true), (2, false), (3, true), (4, false)] {
        let name = format!("old{number}");
        if read {
            assert_eq!(stage.get(&name).await, Some(number));
        } else {
            stage.set(&name, number).await;
        }
        stage.advance(1);
    }
    for number in 1..=3 {
        stage.set(&format!("new{number}"), 8).await;
        stage.advance(1);
    }
    let held = |name: &str| stage.resident(name).is_some();
    for (name, stays) in [
        ("old1", true),
        ("old2", true),
        ("old3", true),
        ("old4", true),
        ("old5", false),
        ("old6", false),
        ("old7", false),
    ] {
        assert_eq!(held(name), stays, "{name}");
    }
}

#[tokio::test]
async fn s8_a_scan_of_cold_keys_does_not_wash_out_what_is_read_often() {
    let stage = Stage::configured(config().max_count(100)).await;
    for number in 0..50 {
        stage.set(&format!("hot:{number}"), number).await;
    }
    for round in 0..3 {
        for number in 0..50 {
            assert_eq!(
                stage.get(&format!("hot:{number}")).await,
                Some(number),
                "round {round}"
            );
            stage.advance(1);
        }
    }
    for number in 0..2_000 {
        stage.set(&format!("cold:{number}"), number).await;
        stage.advance(1);
    }
    let hot = (0..50).filter(|number| stage.resident(&format!("hot:{number}")).is_some());
    let hot = hot.count();
    // About 44, by the hashes of the keys; none would be left of them by chance, nor by the time of their last use.
    assert!(hot >= 30, "{hot} of 50 hot records are left");
}

#[tokio::test(start_paused = true)]
async fn s8_without_eviction_a_full_memory_refuses() {
    let stage = Stage::configured(config().max_count(3).with_eviction(NoEviction)).await;
    for name in ["a", "b", "c"] {
        stage.set(name, 1).await;
    }
    let refused = stage.store.set(&key("d"), 1.into(), &WriteOptions::DEFAULT).await;
    assert_eq!(kind(refused), RecordErrorKind::OverBudget);
    assert_eq!(
        (stage.store.resident_len(), stage.store.stats().evictions),
        (3, 0)
    );
}

#[tokio::test]
async fn s8_observers_are_told_of_evictions_and_the_data_store_keeps_the_record() {
    let stage = Stage::configured(config().max_count(1)).await;
    stage.set("a", 1).await;
    stage.set("b", 2).await;
    assert_eq!(stage.observer.names(), ["update", "evict", "update"]);
    assert_eq!(stage.observer.order_violations(), Vec::<String>::new());
    assert_eq!(
        (stage.stored("a").await, stage.get("a").await),
        (Some(1), Some(1))
    );
}

/// Every policy that evicts.
fn policies() -> [Box<dyn EvictionPolicy>; 4] {
    [
        Box::new(RandomEviction),
        Box::new(LeastRecentlyUsed),
        Box::new(LeastFrequentlyUsed),
        Box::new(TwoSegment::with_ghosts(400)),
    ]
}

/// Keys of which few are asked for often: the rank of each by Zipf's law with exponent 0.9.
fn zipf(rng: &mut fastrand::Rng, keys: u32) -> u32 {
    let exponent = 1.0 - 0.9;
    let most = f64::from(keys).powf(exponent);
    let rank = (rng.f64() * (most - 1.0) + 1.0).powf(1.0 / exponent);
    (1..keys).find(|key| f64::from(*key) >= rank).unwrap_or(keys)
}

/// Plays a trace through a cache of 400 records: 20,000 reads of 4,000 keys, with a scan of cold keys now and then.
async fn hits_in_a_thousand(config: RecordStoreConfig) -> u64 {
    let stage = Stage::pure(config.max_count(400)).await;
    let mut rng = fastrand::Rng::with_seed(20_261_121);
    let (mut reads, mut hits) = (0, 0);
    for round in 0..20_000_u32 {
        let name = if round % 1_000 < 200 {
            format!("scan:{round}")
        } else {
            format!("key:{}", zipf(&mut rng, 4_000))
        };
        stage.advance(1);
        reads += 1;
        match stage.store.try_get(&key(&name)) {
            TryGet::Hit(_) => hits += 1,
            TryGet::Absent | TryGet::NeedsLoad => {
                stage.set(&name, u64::from(round)).await;
            }
        }
    }
    hits * 1_000 / reads
}

#[tokio::test]
async fn s8_the_hit_ratios_of_a_known_trace() {
    let mut seeded = config();
    seeded.seed = Some(7);
    let random = hits_in_a_thousand(seeded.clone().with_eviction(RandomEviction)).await;
    let lru = hits_in_a_thousand(seeded.clone().with_eviction(LeastRecentlyUsed)).await;
    let lfu = hits_in_a_thousand(seeded.clone().with_eviction(LeastFrequentlyUsed)).await;
    let two = hits_in_a_thousand(seeded.with_eviction(TwoSegment::with_ghosts(400))).await;
    println!("of a thousand reads hit: random {random}, lru {lru}, lfu {lfu}, two-segment {two}");
    assert!(
        lru > random && lfu > random,
        "random {random}, lru {lru}, lfu {lfu}"
    );
    assert!(two >= lru + 20, "two-segment {two} against lru {lru}");
}
