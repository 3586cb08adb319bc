//! S3: whoever goes away, at whichever await: the verb happened whole or never was, told once if it was, and nothing is
//! left behind: no gate, no memory set aside, no task.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use layerstore_data_store::{InMemoryDataStore, MapDataStore, ScanRequest};
use layerstore_engine::HashMapEngine;
use layerstore_record::{Clock, Cost, Key, NodeId, Record, RecordValue, Timestamp, Version};
use layerstore_record_store::{
    Budget, Compute, DefaultRecordStore, MergeSource, RecordErrorKind, RecordStore, Shutdown, WriteOptions,
};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::doubles::{Call, DawdlingDataStore, Side, SlowDataStore};

use crate::stage::{Plan, Stage, config, idle, key, map, start, ttl};

/// Every verb that waits.
pub(crate) const VERBS: [&str; 29] = [
    "init",
    "get",
    "get_all",
    "contains",
    "count",
    "scan_page",
    "load",
    "preload",
    "set",
    "put",
    "put_all",
    "put_if_absent",
    "replace",
    "compute",
    "merge",
    "set_expiry",
    "remove",
    "remove_all",
    "put_backup",
    "promote",
    "evict",
    "forget",
    "clear_memory",
    "delete_all",
    "reset",
    "destroy",
    "hard_flush",
    "sweep",
    "close",
];

/// Those of several steps, each of which is whole: record by record, or a deadline that is persisted before its record goes.
const PIECEMEAL: [&str; 3] = ["clear_memory", "preload", "evict"];

/// How often a future is polled at most: far more often than any needs.
const MOST: usize = 200;

/// How often the runtime is given the chance to end what is under way.
const PATIENCE: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    InMemory,
    Below,
    Nowhere,
}

/// What can be seen of a store: `k` and `l` in memory and below, the events, and whether it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    memory: Vec<Option<Content>>,
    below: Vec<Option<Content>>,
    told: Vec<&'static str>,
}

/// What a record holds, its version left out: that differs from run to run of the same verb.
type Content = (RecordValueText, Option<u64>);
type RecordValueText = String;

/// A store over a data store that dawdles and can be held up, with a budget that is counted in bytes.
struct Scene {
    stage: Stage,
    slow: Arc<SlowDataStore>,
    budget: Arc<Budget>,
}

impl Scene {
    async fn set_up(verb: &str, place: Place, most_writes: usize) -> Self {
        let clock = ManualClock::new();
        let below = Arc::new(InMemoryDataStore::new(clock.shared()));
        let dawdling = Arc::new(DawdlingDataStore::new(Arc::clone(&below) as _, 2));
        let slow = Arc::new(SlowDataStore::new(dawdling));
        let budget = Budget::cost(Cost(1 << 20));
        let mut config = config();
        config.budget = Arc::clone(&budget);
        config.write_concurrency = most_writes;
        config.absent_ttl = Duration::ZERO;
        let plan = Plan { config, node: 1 };
        let stage = Stage::over(plan, clock, below, Arc::clone(&slow) as _).await;
        for name in ["k", "l"] {
            if place != Place::Nowhere {
                fill(&stage, verb, name).await;
            }
            if place == Place::Below {
                stage.store.evict(&key(name)).await.unwrap();
            }
        }
        if verb == "evict" || verb == "close" {
            // They have something to persist first.
            stage.advance(50);
            let _ = stage.store.get(&key("k")).await.unwrap();
        }
        if verb == "sweep" {
            stage.advance(100);
        }
        let scene = Self { stage, slow, budget };
        scene.until_idle().await;
        let _ = scene.stage.observer.take();
        scene
    }

    /// Waits until no task is left.
    async fn until_idle(&self) {
        let runtime = tokio::runtime::Handle::current();
        for _ in 0..PATIENCE {
            if runtime.metrics().num_alive_tasks() == 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("a task is left behind");
    }

    async fn seen(&self) -> Seen {
        let mut seen = Seen {
            memory: Vec::new(),
            below: Vec::new(),
            told: self.stage.observer.names(),
        };
        for name in ["k", "l"] {
            let content = |record: &Record| {
                let value = format!("{:?}", record.value().value());
                (value, record.expiry().persisted_end().map(|end| end.0))
            };
            let below = self.stage.below.load(&map(), &key(name)).await.unwrap();
            seen.memory
                .push(self.stage.resident(name).map(|record| content(&record)));
            // A tombstone is seen, too: it is all that tells a removal of what had ended from none.
            seen.below.push(below.map(|record| content(&record)));
        }
        seen
    }

    /// What memory has is what the data store has, and what the budget counts is what memory has.
    async fn assert_sound(&self, verb: &str, said: &str) {
        let mut cost = 0;
        for name in ["k", "l"] {
            let Some(record) = self.stage.resident(name) else {
                continue;
            };
            cost += record.cost(&key(name)).0 + HashMapEngine::OVERHEAD.0;
            let below = self.stage.below.load(&map(), &key(name)).await.unwrap();
            if self.stage.store.stats().backups == 0 {
                assert_eq!(
                    below.map(|below| below.version()),
                    Some(record.version()),
                    "{said}: {name}"
                );
            }
        }
        // A record that has ended and was not swept is in memory without being shown.
        if verb != "sweep" {
            assert_eq!(
                self.budget.used(),
                cost,
                "{said}: what was set aside was not given back"
            );
        } else if self.stage.store.resident_len() == 0 {
            assert_eq!(
                self.budget.used(),
                0,
                "{said}: what was set aside was not given back"
            );
        }
    }

    /// Who comes next is not kept waiting, and nothing is left behind.
    async fn assert_free(&self, said: &str) {
        let k = key("k");
        let write = self.stage.store.set(&k, 99.into(), &WriteOptions::DEFAULT);
        match tokio::time::timeout(Duration::from_secs(60), write).await {
            Err(_) => panic!("{said}: the gate is not free"),
            Ok(Ok(_)) => assert_eq!(self.stage.get("k").await, Some(99), "{said}"),
            Ok(Err(error)) => assert_eq!(error.kind(), RecordErrorKind::Closed, "{said}"),
        }
        self.until_idle().await;
    }
}

async fn fill(stage: &Stage, verb: &str, name: &str) {
    let (store, k) = (&stage.store, key(name));
    match verb {
        "sweep" => drop(store.set(&k, 1.into(), &ttl(100)).await.unwrap()),
        "evict" | "close" => drop(store.set(&k, 1.into(), &idle(100)).await.unwrap()),
        "promote" => drop(store.put_backup(&k, ahead(stage, 1)).await.unwrap()),
        _ => drop(stage.set(name, 1).await),
    }
}

/// A record of another owner, newer than what is there.
fn ahead(stage: &Stage, number: u64) -> Arc<Record> {
    let at = Timestamp::new(stage.clock.now().plus(1_000), 0, NodeId(9));
    Arc::new(Record::builder(RecordValue::lww(number, at), Version::new(at)).build())
}

/// Begins a verb; tells whether it succeeded.
pub(crate) fn begin(verb: &'static str, stage: &Stage) -> BoxFuture<'static, bool> {
    let store: Arc<DefaultRecordStore> = Arc::clone(&stage.store);
    let (below, backup) = (Arc::clone(&stage.below), ahead(stage, 2));
    let stamp = Timestamp::new(stage.clock.now().plus(1), 0, NodeId(9));
    async move {
        let (k, l, options) = (&key("k"), &key("l"), &WriteOptions::DEFAULT);
        let both = [k.clone(), l.clone()];
        let page = ScanRequest::first(10);
        match verb {
            "init" => store.init().await.is_ok(),
            "get" => store.get(k).await.is_ok(),
            "get_all" => store.get_all(&both).await.is_ok(),
            "contains" => store.contains(k).await.is_ok(),
            "count" => store.count().await.is_ok(),
            "scan_page" => store.scan_page(page).await.is_ok(),
            "load" => store.load(k).await.is_ok(),
            "preload" => store.preload(10).await.is_ok(),
            "set" => store.set(k, 2.into(), options).await.is_ok(),
            "put" => store.put(k, 2.into(), options).await.is_ok(),
            "put_all" => {
                let batch = vec![(k.clone(), 2.into()), (l.clone(), 3.into())];
                store.put_all(batch, options).await.iter().all(Result::is_ok)
            }
            "put_if_absent" => store.put_if_absent(k, 2.into(), options).await.is_ok(),
            "replace" => {
                let held = below.load(&map(), k).await.unwrap();
                let held = held.map_or(Version::new(stamp), |held| held.version());
                store.replace(k, held, 2.into(), options).await.is_ok()
            }
            "compute" => store
                .compute(k, Box::new(|_| Compute::Put(2.into())))
                .await
                .is_ok(),
            "merge" => {
                let value = RecordValue::lww(2, stamp);
                store.merge(k, value, MergeSource::Crdt, options).await.is_ok()
            }
            "set_expiry" => store.set_expiry(k, &ttl(1_000)).await.is_ok(),
            "remove" => store.remove(k).await.is_ok(),
            "remove_all" => store.remove_all(&both).await.iter().all(Result::is_ok),
            "put_backup" => store.put_backup(k, backup).await.is_ok(),
            "promote" => store.promote().await.is_ok(),
            "evict" => store.evict(k).await.is_ok(),
            "forget" => store.forget(k).await.is_ok(),
            "clear_memory" => store.clear_memory().await.is_ok(),
            "delete_all" => store.delete_all().await.is_ok(),
            "reset" => store.reset().await.is_ok(),
            "destroy" => store.destroy(Shutdown::Map).await.is_ok(),
            "hard_flush" => store.hard_flush().await.is_ok(),
            "sweep" => store.sweep().await.is_ok(),
            "close" => store.close(Duration::from_secs(5)).await.is_complete(),
            other => panic!("there is no verb {other}"),
        }
    }
    .boxed()
}

/// Polls so many times, letting everybody else go on in between; then goes away. Tells whether it had ended.
async fn poll_and_drop(mut future: BoxFuture<'static, bool>, polls: usize) -> bool {
    for _ in 0..polls {
        if futures::poll!(&mut future).is_ready() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

/// Drops a verb after every number of polls, until it needs no more; tells how many that were.
async fn drop_everywhere(verb: &'static str, place: Place) -> usize {
    let nothing = Scene::set_up(verb, place, 64).await.seen().await;
    let whole = Scene::set_up(verb, place, 64).await;
    begin(verb, &whole.stage).await;
    whole.until_idle().await;
    let whole = whole.seen().await;
    for polls in 0..MOST {
        let said = format!("{verb}, {place:?}, dropped after {polls} polls");
        let scene = Scene::set_up(verb, place, 64).await;
        let ended = poll_and_drop(begin(verb, &scene.stage), polls).await;
        scene.until_idle().await;
        let seen = scene.seen().await;
        if ended {
            assert_eq!(seen, whole, "{said}");
        } else if polls == 0 {
            assert_eq!(seen, nothing, "{said}: what was never polled was never begun");
        } else if !PIECEMEAL.contains(&verb) {
            assert!(
                seen == whole || seen == nothing,
                "{said}: {seen:?}\nneither {whole:?}\nnor {nothing:?}"
            );
        }
        scene.assert_sound(verb, &said).await;
        scene.assert_free(&said).await;
        if ended {
            return polls;
        }
    }
    panic!("{verb} never ends");
}

#[tokio::test(start_paused = true)]
async fn s3_every_verb_dropped_at_every_await_is_whole_or_never_was() {
    let mut awaits = 0;
    for verb in VERBS {
        for place in [Place::InMemory, Place::Below, Place::Nowhere] {
            awaits += drop_everywhere(verb, place).await;
        }
    }
    assert!(
        awaits > 200,
        "only {awaits} polls: the data store does not dawdle"
    );
}

/// Those that stand in the queue of the key.
const GATED: [&str; 12] = [
    "set",
    "put",
    "put_all",
    "put_if_absent",
    "compute",
    "merge",
    "set_expiry",
    "remove",
    "remove_all",
    "put_backup",
    "evict",
    "forget",
];

#[tokio::test(start_paused = true)]
async fn s3_a_verb_dropped_in_the_queue_of_its_key_never_was() {
    let whole_map = ["delete_all", "reset", "destroy"];
    for verb in GATED.into_iter().chain(whole_map) {
        for polls in 1..4 {
            let said = format!("{verb}, dropped after {polls} polls");
            let scene = Scene::set_up(verb, Place::InMemory, 64).await;
            scene.slow.shut(Call::Apply, Side::Before);
            let (store, k, options) = (Arc::clone(&scene.stage.store), key("k"), WriteOptions::DEFAULT);
            let mut first = store.set(&k, 7.into(), &options);
            start(&mut first).await;
            scene.slow.until_waiting(Call::Apply, Side::Before, 1).await;
            assert!(
                !poll_and_drop(begin(verb, &scene.stage), polls).await,
                "{said}: it did not wait"
            );
            scene.slow.open_all();
            first.await.unwrap();
            scene.until_idle().await;
            let seen = scene.seen().await;
            assert_eq!(
                seen.told,
                ["update"],
                "{said}: only the write that held the gate is told"
            );
            assert_eq!(seen.memory, seen.below, "{said}");
            scene.assert_sound(verb, &said).await;
            scene.assert_free(&said).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s3_a_verb_dropped_while_other_writes_have_the_data_store_gives_its_memory_back() {
    for verb in ["set", "put", "put_all", "compute", "merge"] {
        let said = format!("{verb}, dropped while it waited for its turn");
        let scene = Scene::set_up(verb, Place::Nowhere, 1).await;
        scene.slow.shut(Call::Apply, Side::Before);
        let (store, other) = (Arc::clone(&scene.stage.store), Key::new("other").unwrap());
        let options = WriteOptions::DEFAULT;
        let mut first = store.set(&other, 7.into(), &options);
        start(&mut first).await;
        scene.slow.until_waiting(Call::Apply, Side::Before, 1).await;
        let before = scene.budget.used();
        let mut waiting = begin(verb, &scene.stage);
        assert!(futures::poll!(&mut waiting).is_pending(), "{said}");
        let set_aside = scene.budget.used();
        assert!(
            verb != "set" || set_aside > before,
            "a blind write sets memory aside before it waits"
        );
        drop(waiting);
        assert_eq!(scene.budget.used(), before, "{said}");
        scene.slow.open_all();
        first.await.unwrap();
        store.evict(&other).await.unwrap();
        let _ = scene.stage.observer.take();
        assert_eq!(scene.seen().await.below, [None, None], "{said}");
        scene.assert_sound(verb, &said).await;
        scene.assert_free(&said).await;
    }
}

#[tokio::test(start_paused = true)]
async fn s3_a_verb_dropped_while_it_waits_for_room_takes_none() {
    let clock = ManualClock::new();
    let below = Arc::new(InMemoryDataStore::new(clock.shared()));
    let mut config = config();
    let budget = Budget::count(1);
    config.budget = Arc::clone(&budget);
    let dawdling = Arc::new(DawdlingDataStore::new(Arc::clone(&below) as _, 1));
    let plan = Plan { config, node: 1 };
    let stage = Stage::over(plan, clock, below, dawdling).await;
    stage
        .store
        .put_backup(&key("full"), ahead(&stage, 1))
        .await
        .unwrap();
    for verb in ["set", "put", "put_backup"] {
        for polls in 1..4 {
            assert!(
                !poll_and_drop(begin(verb, &stage), polls).await,
                "{verb}: there is no room"
            );
            // What goes on by itself gives up at the put deadline.
            tokio::time::sleep(Duration::from_secs(6)).await;
            let alive = tokio::runtime::Handle::current().metrics().num_alive_tasks();
            assert_eq!(
                (budget.used(), alive, stage.stored("k").await),
                (1, 0, None),
                "{verb}"
            );
        }
    }
}
