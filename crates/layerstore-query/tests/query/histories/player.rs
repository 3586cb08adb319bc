//! What happens to a map, at random.

use std::sync::Arc;

use layerstore_record::{Clock, Key, Millis, NodeId, Record, RecordValue, Timestamp, Value, Version};
use layerstore_record_store::{Compute, ExpiryPolicy, MergeSource, RecordStore, WriteOptions};

use crate::scene::{Scene, config, fields, idle, key, ttl};

/// How many keys a history has: few, so that much happens to each.
const KEYS: u64 = 12;

/// Changes a map of one or two partitions.
pub(crate) struct Player {
    pub(crate) scene: Scene,
}

impl Player {
    pub(crate) async fn new(rng: &mut fastrand::Rng) -> Self {
        let mut config = config();
        config.seed = Some(rng.u64(..));
        if rng.bool() {
            config = config.max_count(rng.u64(2..8));
        }
        if rng.bool() {
            config.expiry = ExpiryPolicy::MemoryOnly;
        }
        let scene = Scene::with(rng.u32(1..3), config).await;
        let mut player = Self { scene };
        // Something is there before anyone is told.
        for _ in 0..rng.usize(..8) {
            player.step(rng).await;
        }
        player
    }

    /// Does something; says what. What is refused, as by a full memory, changes nothing.
    pub(crate) async fn step(&mut self, rng: &mut fastrand::Rng) -> String {
        let key = key(&format!("k{}", rng.u64(..KEYS)));
        let store = Arc::clone(self.scene.of(&key));
        let options = options(rng);
        match rng.u8(..100) {
            0..30 => {
                let value = any_value(rng);
                let done = format!("set {key} {value:?} {options:?}");
                let refused = store.set(&key, value.into(), &options).await.err();
                format!("{done} {refused:?}")
            }
            30..38 => said(
                "put",
                &key,
                store.put(&key, any_value(rng).into(), &options).await.is_ok(),
            ),
            38..48 => said("remove", &key, store.remove(&key).await.is_ok()),
            48..60 => said("evict", &key, store.evict(&key).await.is_ok()),
            60..68 => said("get", &key, store.get(&key).await.is_ok()),
            68..78 => self.pass_time(rng),
            78..83 => said("sweep", &key, store.sweep().await.is_ok()),
            83..86 => said("clear", &key, store.delete_all().await.is_ok()),
            86..88 => said("clear memory", &key, store.clear_memory().await.is_ok()),
            88..90 => said("preload", &key, store.preload(5).await.is_ok()),
            90..91 => said("reset", &key, store.reset().await.is_ok()),
            _ => rare((&*store, &self.scene.clock), &key, rng, &options).await,
        }
    }

    fn pass_time(&self, rng: &mut fastrand::Rng) -> String {
        let millis = rng.u64(1..40);
        self.scene.advance(millis);
        format!("{millis} ms pass")
    }
}

async fn rare(
    (store, clock): (&dyn RecordStore, &dyn Clock),
    key: &Key,
    rng: &mut fastrand::Rng,
    options: &WriteOptions,
) -> String {
    let at = Timestamp::new(Millis(clock.now().0 - rng.u64(..50)), 0, NodeId(9));
    let value = any_value(rng);
    match rng.u8(..5) {
        0 => said("set_expiry", key, store.set_expiry(key, options).await.is_ok()),
        1 => said(
            "batch",
            key,
            store.put_all(vec![(key.clone(), value.into())], options).await[0].is_ok(),
        ),
        2 => {
            let source = if rng.bool() {
                MergeSource::Crdt
            } else {
                MergeSource::Replication
            };
            let value = if rng.bool() {
                RecordValue::lww(value, at)
            } else {
                RecordValue::Tombstone { timestamp: at }
            };
            said(
                "merge",
                key,
                store.merge(key, value, source, options).await.is_ok(),
            )
        }
        3 => {
            let compute = Box::new(move |_: Option<&Arc<Record>>| Compute::Put(value.clone().into()));
            said("compute", key, store.compute(key, compute).await.is_ok())
        }
        _ => {
            let newest = store
                .peek(key)
                .hit()
                .map_or(Version::ZERO, |record| record.version());
            let now = Timestamp::new(clock.now(), 0, NodeId(9)).max(newest.timestamp());
            let ahead = Timestamp::new(now.millis(), now.counter() + 1, NodeId(9));
            let backup = Record::builder(RecordValue::lww(value, ahead), Version::new(ahead));
            let backup = backup.updated(clock.now()).build();
            said(
                "backup",
                key,
                store.put_backup(key, Arc::new(backup)).await.is_ok(),
            )
        }
    }
}

fn said(what: &str, key: &Key, done: bool) -> String {
    format!("{what} {key}{}", if done { "" } else { ", refused" })
}

fn options(rng: &mut fastrand::Rng) -> WriteOptions {
    match rng.u8(..4) {
        0 => ttl(rng.u64(1..60)),
        1 => idle(rng.u64(1..60)),
        _ => WriteOptions::new(),
    }
}

/// A user with a city, an age and tags, each of which may be missing or of another kind.
pub(crate) fn any_value(rng: &mut fastrand::Rng) -> Value {
    let lives_in = match rng.u8(..6) {
        0 => Value::Null,
        1 => 7.into(),
        _ => city(rng).into(),
    };
    let age = match rng.u8(..4) {
        0 => Value::from(f64::from(rng.u32(..40)) / 2.0),
        1 => city_or_age(rng),
        _ => rng.u64(..20).into(),
    };
    let tags: Vec<Value> = (0..rng.usize(..4)).map(|_| city(rng).into()).collect();
    if rng.u8(..10) == 0 {
        return age;
    }
    fields([
        ("address", fields([("city", lives_in)])),
        ("age", age),
        ("tags", tags.into()),
    ])
}

pub(crate) fn city(rng: &mut fastrand::Rng) -> &'static str {
    ["Oslo", "Odda", "Bergen", "Rome"][rng.usize(..4)]
}

fn city_or_age(rng: &mut fastrand::Rng) -> Value {
    if rng.bool() {
        city(rng).into()
    } else {
        rng.u64(..20).into()
    }
}
