//! S3 through the facade: whoever drops the future of a verb, at whichever await, leaves each partition's share of it done whole or
//! not at all, memory and data store at one, and nobody waiting.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use layerstore::data_store::{InMemoryDataStore, MapDataStore};
use layerstore::record_store::MergeSource;
use layerstore::{
    Compute, Error, Key, Layerstore, Map, MapName, MapSettings, Millis, NodeId, Partition, RecordValue,
    TryGet, WriteOptions,
};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::doubles::DawdlingDataStore;
use tokio::runtime::Handle;

/// Every verb that writes, of the typed map and of its records.
const VERBS: [&str; 16] = [
    "set",
    "set with ttl",
    "put",
    "put_many",
    "update",
    "update to none",
    "get_or_insert_with",
    "remove",
    "clear",
    "put_all",
    "remove_all",
    "put_if_absent",
    "replace",
    "compute",
    "merge",
    "set_expiry",
];

const KEYS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// How often a future is polled at most: far more often than any needs.
const MOST: usize = 1_000;

/// How often the runtime is given the chance to end what is under way.
const PATIENCE: usize = 10_000;

/// What a key holds: its value and when it ends.
type Content = Option<(String, Option<Millis>)>;
type Contents = BTreeMap<&'static str, Content>;

struct Scene {
    store: Layerstore,
    map: Map<u64>,
    below: Arc<InMemoryDataStore>,
    partitions: u32,
    /// The tasks that are there when nothing is under way.
    standing: usize,
}

impl Scene {
    /// A store whose keys hold 1, all but the last in memory.
    async fn new(partitions: u32) -> Self {
        let clock = ManualClock::new();
        let below = Arc::new(InMemoryDataStore::new(clock.shared()));
        let dawdling = DawdlingDataStore::new(Arc::clone(&below) as _, 2);
        let builder = Layerstore::builder()
            .clock(clock.shared())
            .data_store(Arc::new(dawdling));
        let settings = MapSettings::new()
            .partitions(partitions)
            .absent_ttl(Duration::ZERO);
        let store = builder.map("m", settings).build().await.unwrap();
        let map: Map<u64> = store.map("m").unwrap();
        for key in KEYS {
            map.set(key, &1).await.unwrap();
        }
        map.records().evict(&key("f")).await.unwrap();
        let scene = Self {
            store,
            map,
            below,
            partitions,
            standing: 0,
        };
        // The tasks that wrote end by themselves; what is left then is the background's.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let standing = Handle::current().metrics().num_alive_tasks();
        Self { standing, ..scene }
    }

    async fn until_idle(&self, said: &str) {
        for _ in 0..PATIENCE {
            if Handle::current().metrics().num_alive_tasks() <= self.standing {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("{said}: a task is left behind");
    }

    /// What the data store has; memory, where it knows, must know the same.
    async fn contents(&self, said: &str) -> Contents {
        let mut contents = Contents::new();
        let name = MapName::new("m").unwrap();
        for text in KEYS.into_iter().chain(["new"]) {
            let key = key(text);
            let stored = self.below.load(&name, &key).await.unwrap();
            let stored = stored.filter(|record| !record.is_tombstone());
            match self.map.records().try_get(&key) {
                TryGet::Hit(held) => {
                    let below = stored.as_ref().map(layerstore::Record::version);
                    assert_eq!(below, Some(held.version()), "{said}: {text}");
                }
                TryGet::Absent => assert!(stored.is_none(), "{said}: {text}"),
                TryGet::NeedsLoad => {}
            }
            let content = stored.map(|stored| {
                let value = format!("{:?}", stored.value().value());
                let end = stored.expiry().deadline.map(|_| Millis(1));
                (value, end)
            });
            contents.insert(text, content);
        }
        contents
    }

    /// Each partition has all of what the verb does to its keys, or nothing of it.
    fn assert_whole(&self, (seen, nothing, whole): (&Contents, &Contents, &Contents), said: &str) {
        for partition in 0..self.partitions {
            let own = |contents: &Contents| -> Contents {
                let own = contents
                    .iter()
                    .filter(|(name, _)| Partition::index_of(&key(name), self.partitions) == partition);
                own.map(|(name, content)| (*name, content.clone())).collect()
            };
            let seen = own(seen);
            assert!(
                seen == own(nothing) || seen == own(whole),
                "{said}: partition {partition} of {} holds {seen:?}, a part of {whole:?}",
                self.partitions
            );
        }
    }

    /// Who comes next is not kept waiting.
    async fn assert_free(&self, said: &str) {
        for key in KEYS {
            let write = async { self.map.set(key, &99).await };
            let written = tokio::time::timeout(Duration::from_secs(60), write).await;
            written
                .unwrap_or_else(|_| panic!("{said}: {key} is not free"))
                .unwrap();
            assert_eq!(self.map.get(key).await.unwrap(), Some(99), "{said}");
        }
        let make = async { Ok::<_, Error>(7) };
        let made = self.map.get_or_insert_with("of my own", make);
        let made = tokio::time::timeout(Duration::from_secs(60), made).await;
        assert_eq!(
            made.unwrap_or_else(|_| panic!("{said}: nobody makes it"))
                .unwrap(),
            7
        );
        self.until_idle(said).await;
        assert!(
            self.store.close(Duration::from_secs(5)).await.is_complete(),
            "{said}"
        );
    }
}

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

/// Begins a verb that makes 2 of the 1 that the keys hold, or nothing; tells whether it succeeded.
fn begin(verb: &'static str, map: &Map<u64>) -> BoxFuture<'static, bool> {
    let map = map.clone();
    let ahead = layerstore::record::Timestamp::new(ManualClock::START.plus(1_000), 0, NodeId(9));
    async move {
        let (records, options) = (map.records(), WriteOptions::new());
        match verb {
            "set" => map.set("a", &2).await.is_ok(),
            "set with ttl" => map.set("a", &2).ttl(Duration::from_secs(60)).await.is_ok(),
            "put" => map.put("f", &2).await.is_ok(),
            "put_many" => {
                let written = map.put_many(KEYS.map(|key| (key, &2))).await;
                written.is_ok_and(|written| written.iter().all(Result::is_ok))
            }
            "update" => map.update("f", |old| old.map(|old| old + 1)).await.is_ok(),
            "update to none" => map.update("a", |_| None).await.is_ok(),
            "get_or_insert_with" => {
                let make = async {
                    tokio::task::yield_now().await;
                    Ok::<_, Error>(2)
                };
                map.get_or_insert_with("new", make).await.is_ok()
            }
            "remove" => map.remove("f").await.is_ok(),
            "clear" => map.clear().await.is_ok(),
            "put_all" => {
                let batch = KEYS.map(|name| (key(name), 2_u64.into()));
                let written = records.put_all(batch.into(), &options).await;
                written.is_ok_and(|written| written.iter().all(Result::is_ok))
            }
            "remove_all" => {
                let removed = records.remove_all(&KEYS.map(key)).await;
                removed.is_ok_and(|removed| removed.iter().all(Result::is_ok))
            }
            "put_if_absent" => records
                .put_if_absent(&key("new"), 2_u64.into(), &options)
                .await
                .is_ok(),
            "replace" => match records.get(&key("a")).await {
                Ok(Some(held)) => records
                    .replace(&key("a"), held.version(), 2_u64.into(), &options)
                    .await
                    .is_ok(),
                _ => false,
            },
            "compute" => records
                .compute(&key("f"), |_| Compute::Put(2_u64.into()))
                .await
                .is_ok(),
            "merge" => {
                let value = RecordValue::lww(2_u64, ahead);
                records
                    .merge(&key("f"), value, MergeSource::Crdt, &options)
                    .await
                    .is_ok()
            }
            "set_expiry" => {
                let minute = options.ttl(Duration::from_secs(60));
                records.set_expiry(&key("a"), &minute).await.is_ok()
            }
            other => panic!("there is no verb {other}"),
        }
    }
    .boxed()
}

/// Drops a verb after every number of polls, until it needs no more; returns how many that were.
async fn drop_everywhere(verb: &'static str, partitions: u32) -> usize {
    let scene = Scene::new(partitions).await;
    let nothing = scene.contents(verb).await;
    assert!(begin(verb, &scene.map).await, "{verb}");
    scene.until_idle(verb).await;
    let whole = scene.contents(verb).await;
    assert_ne!(whole, nothing, "{verb} does nothing");
    for polls in 0..MOST {
        let said = format!("{verb} over {partitions} partitions, dropped after {polls} polls");
        let scene = Scene::new(partitions).await;
        let mut future = begin(verb, &scene.map);
        let mut ended = false;
        for _ in 0..polls {
            ended = futures::poll!(&mut future).is_ready();
            if ended {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(future);
        scene.until_idle(&said).await;
        let seen = scene.contents(&said).await;
        scene.assert_whole((&seen, &nothing, &whole), &said);
        if ended {
            assert_eq!(seen, whole, "{said}");
        } else if polls == 0 {
            assert_eq!(seen, nothing, "{said}: what was never polled was never begun");
        }
        scene.assert_free(&said).await;
        if ended {
            return polls;
        }
    }
    panic!("{verb} never ends");
}

#[tokio::test(start_paused = true)]
async fn s3_every_verb_of_the_facade_dropped_at_every_await_leaves_all_or_nothing_in_each_partition() {
    let mut awaits = 0;
    for verb in VERBS {
        for partitions in [1, 3] {
            awaits += drop_everywhere(verb, partitions).await;
        }
    }
    assert!(
        awaits > 100,
        "only {awaits} polls: the data store does not dawdle"
    );
}
