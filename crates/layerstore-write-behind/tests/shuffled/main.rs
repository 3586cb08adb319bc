//! R16: random schedules, and schedules by random priorities (PCT: Burckhardt et al., ASPLOS 2010), of writers, the flusher, readers that
//! evict and flushes over the queue, under shuttle.
//!
//! The queue is the store's own source, behind shuttle's lock in place of the standard library's.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test code: an unexpected answer ends the test"
)]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{BackoffPolicy, MapClaim};
use layerstore_record::{Key, MapName, Millis, NodeId, Record, RecordValue, Timestamp, Version};
use layerstore_testkit::proof;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::Mutex;
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::{Config, Runner, thread};

use queue::{Answer, Arrival, Bounds, Judged, Place, Queue, Seen, Settled};

#[expect(dead_code, unused_imports, reason = "the store uses more of it")]
#[path = "../../src/queue/mod.rs"]
mod queue;
#[path = "../../src/row.rs"]
mod row;

const WRITERS: u64 = 2;
const WRITES: u64 = 4;
const KEYS: u64 = 2;

/// How many threads may be set back behind others in a schedule by priorities.
const DEPTH: usize = 3;

/// The store behind: versions by key, fenced as D1 has it.
#[derive(Default)]
struct Stored(HashMap<Key, Version>);

struct World {
    queue: Mutex<Queue>,
    place: Place,
    map: MapName,
    stored: Mutex<Stored>,
    /// The newest version of each key that was acknowledged.
    acknowledged: Mutex<HashMap<Key, Version>>,
    writers: AtomicUsize,
}

fn key(number: u64) -> Key {
    Key::new(format!("key:{number}")).unwrap()
}

fn version(number: u64) -> Version {
    Version::new(Timestamp::new(Millis(number), 0, NodeId(1)))
}

impl World {
    fn new(coalesces: bool) -> Self {
        let mut queue = Queue::new(Bounds {
            delay: Duration::ZERO,
            coalesces,
            max_records: 3,
            max_bytes: 1 << 20,
            spills: false,
            backoff: BackoffPolicy::default(),
        });
        let map = MapName::new("map").unwrap();
        let place = queue.place(&map);
        queue.claimed(place, MapClaim::default(), true);
        Self {
            queue: Mutex::new(queue),
            place,
            map,
            stored: Mutex::default(),
            acknowledged: Mutex::default(),
            writers: AtomicUsize::new(usize::try_from(WRITERS).unwrap()),
        }
    }

    /// Writes as a caller does: alone at the key, judged, with room, accepted. A key's versions come from one writer.
    fn write(&self, writer: u64) {
        for step in 1..=WRITES {
            let (key, version) = (key(writer % KEYS), version(step * WRITERS + writer));
            let keys = [(self.place, key.clone())];
            while !self.queue.lock().unwrap().enter(writer, &keys) {
                thread::yield_now();
            }
            let judged = {
                let queue = self.queue.lock().unwrap();
                queue.judge(self.place, &key, (version, None), None, Millis(0))
            };
            match judged {
                Judged::Accept => self.accept(&key, version),
                // What may be older than what the store holds goes there at once.
                Judged::Ask => self.go_through(&key, version),
                other => panic!("{other:?} for a version that rises"),
            }
            self.acknowledged.lock().unwrap().insert(key, version);
            self.queue.lock().unwrap().leave(writer, &keys);
        }
        self.writers.fetch_sub(1, Ordering::SeqCst);
    }

    fn accept(&self, key: &Key, version: Version) {
        let value = RecordValue::lww(1_u64, version.timestamp());
        let record = Arc::new(Record::builder(value, version).build());
        let cost = record.cost(key).0;
        let room = loop {
            let room = self.queue.lock().unwrap().reserve([(self.place, key, cost)]);
            if let Some(room) = room {
                break room;
            }
            thread::yield_now();
        };
        let mut queue = self.queue.lock().unwrap();
        queue.accept(self.place, key, Arrival::of(key, record, None), Duration::ZERO);
        queue.release(room);
    }

    fn go_through(&self, key: &Key, version: Version) {
        self.store(key, version);
        self.queue.lock().unwrap().overtaken(self.place, key, version);
    }

    fn store(&self, key: &Key, version: Version) {
        let mut stored = self.stored.lock().unwrap();
        let held = stored.0.entry(key.clone()).or_insert(Version::ZERO);
        *held = version.max(*held);
    }

    /// Brings what is due to the store, which fails now and then, before or after it has taken a write.
    fn flush(&self) {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut now = Duration::ZERO;
        let mut tried = 0_u64;
        loop {
            let is_over = self.writers.load(Ordering::SeqCst) == 0;
            now += Duration::from_secs(60);
            let batch = {
                let mut queue = self.queue.lock().unwrap();
                let turns = queue.turns().into_iter();
                turns.filter_map(|kind| queue.take(kind, now, 2, 1 << 20)).next()
            };
            let Some(batch) = batch else {
                if is_over {
                    return;
                }
                thread::yield_now();
                continue;
            };
            for item in &batch.items {
                tried += 1;
                let fate = tried % 3;
                if fate != 1 {
                    self.store(&item.key, item.version);
                }
                let answer = if fate == 0 || batch.is_retry {
                    Answer::Stored
                } else {
                    Answer::Later
                };
                let answer = if fate == 1 { Answer::Later } else { answer };
                let settled = self.queue.lock().unwrap().settle(item, answer, now, &mut rng);
                assert_ne!(settled, Settled::Bury);
            }
        }
    }

    /// Reads what is pending, and else from the store: never older than what was acknowledged before.
    fn read(&self) {
        for step in 0..4 {
            let key = key(step % KEYS);
            let acknowledged = self.acknowledged.lock().unwrap().get(&key).copied();
            let pending = self.queue.lock().unwrap().get(&self.map, &key, Millis(0));
            let found = match pending {
                Some(Seen::Record(record)) => Some(record.version()),
                Some(other) => panic!("{other:?}"),
                None => self.stored.lock().unwrap().0.get(&key).copied(),
            };
            assert!(found >= acknowledged, "{key:?}: {found:?} after {acknowledged:?}");
        }
    }

    /// Everything that was acknowledged before a flush is in the store after it.
    fn barrier(&self) {
        let acknowledged = self.acknowledged.lock().unwrap().clone();
        let order = self.queue.lock().unwrap().hurry();
        while !self.queue.lock().unwrap().is_past(order) {
            thread::yield_now();
        }
        let stored = self.stored.lock().unwrap();
        for (key, version) in &acknowledged {
            assert!(
                stored.0.get(key) >= Some(version),
                "{key:?} is not in the store after a flush"
            );
        }
    }
}

fn schedule(coalesces: bool) {
    let world = Arc::new(World::new(coalesces));
    let mut threads = Vec::new();
    for writer in 0..WRITERS {
        let world = Arc::clone(&world);
        threads.push(thread::spawn(move || world.write(writer)));
    }
    for part in [World::flush, World::read, World::barrier] {
        let world = Arc::clone(&world);
        threads.push(thread::spawn(move || part(&world)));
    }
    for thread in threads {
        thread.join().unwrap();
    }
    let queue = world.queue.lock().unwrap();
    assert_eq!(queue.counts(), queue::Counts::default(), "something stays behind");
    let stored = world.stored.lock().unwrap();
    assert_eq!(stored.0, *world.acknowledged.lock().unwrap());
}

fn run(scheduler: impl Scheduler + 'static, coalesces: bool) {
    Runner::new(scheduler, Config::default()).run(move || schedule(coalesces));
}

#[test]
fn r16_whatever_the_schedule_reads_see_what_was_acknowledged_and_flushes_are_barriers() {
    let seed = proof::seed();
    let count = |full: u64| usize::try_from(proof::scaled(full)).unwrap();
    let (random, by_priority) = (count(100_000), count(20_000));
    for coalesces in [true, false] {
        run(RandomScheduler::new_from_seed(seed, random / 2), coalesces);
        run(
            PctScheduler::new_from_seed(seed, DEPTH, by_priority / 2),
            coalesces,
        );
    }
    proof::report(
        "R16",
        &[
            ("random", random as u64),
            ("by_priority", by_priority as u64),
            ("seed", seed),
            ("violations", 0),
        ],
    );
}
