//! Random histories of two to five replicas that lose sight of each other (M9).

use std::collections::BTreeMap;
use std::time::Duration;

use layerstore_record::{Key, Timestamp};
use layerstore_record_store::RecordStore;
use layerstore_testkit::proof;

use crate::node::{Node, key};
use crate::removals::purge;
use crate::weather::Weather;

/// Few, so that replicas write to the same.
const KEYS: u64 = 12;
/// Far more rounds than it takes.
const MOST_ROUNDS: usize = 20;

/// What the latest write to each key was, on whatever replica: what all must end with.
type Latest = BTreeMap<Key, (Timestamp, Option<u64>)>;

struct History {
    nodes: Vec<Node>,
    latest: Latest,
    /// The newest timestamp that a replica has shown of a key: it may show nothing older afterwards.
    shown: BTreeMap<(usize, Key), Timestamp>,
    rng: fastrand::Rng,
    removals: u64,
    lost: u64,
}

impl History {
    async fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut nodes = Vec::new();
        for number in 0..rng.u64(2..=5) {
            let node = if rng.u8(..3) == 0 {
                Node::pure(number + 1).await
            } else {
                Node::new(number + 1).await
            };
            // Clocks that do not agree, within what a peer may be ahead.
            node.clock.advance(Duration::from_millis(rng.u64(..20_000)));
            nodes.push(node);
        }
        Self {
            nodes,
            latest: BTreeMap::new(),
            shown: BTreeMap::new(),
            rng,
            removals: 0,
            lost: 0,
        }
    }

    fn any(&mut self) -> (usize, String) {
        (
            self.rng.usize(..self.nodes.len()),
            format!("key:{}", self.rng.u64(..KEYS)),
        )
    }

    async fn write(&mut self) {
        let (at, name) = self.any();
        let node = &self.nodes[at];
        node.clock.advance(Duration::from_millis(self.rng.u64(..5)));
        let written = if self.rng.u8(..3) == 0 {
            let removed = node.remove(&name).await;
            self.removals += u64::from(removed.is_some());
            removed.map(|at| (at, None))
        } else {
            let number = self.rng.u64(..);
            Some((node.set(&name, number).await, Some(number)))
        };
        if let Some(written) = written {
            let latest = self.latest.entry(key(&name)).or_insert(written);
            *latest = written.max(*latest);
        }
    }

    /// Lets two replicas that see each other synchronise, in rough weather, while others may write.
    async fn meet(&mut self) {
        let (one, other) = (
            self.rng.usize(..self.nodes.len()),
            self.rng.usize(..self.nodes.len()),
        );
        if one == other {
            return;
        }
        let weather = Weather::rough(&self.nodes[other], self.rng.u64(..));
        let (at, name) = self.any();
        let number = self.rng.u64(..);
        let writes = self.rng.bool();
        let write = async {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            if writes {
                Some(self.nodes[at].set(&name, number).await)
            } else {
                None
            }
        };
        let (met, written) = tokio::join!(self.nodes[one].replica.sync(&weather), write);
        self.lost += u64::from(met.is_err());
        if let Some(written) = written {
            let latest = self.latest.entry(key(&name)).or_insert((written, Some(number)));
            *latest = (written, Some(number)).max(*latest);
        }
    }

    /// Whatever may happen to memory, which changes nothing.
    async fn unsettle(&mut self) {
        let (at, name) = self.any();
        let node = &self.nodes[at];
        match self.rng.u8(..3) {
            // Without a data store what is evicted is lost.
            _ if node.below.is_none() => {}
            0 => drop(node.store.evict(&key(&name)).await),
            1 => drop(node.store.clear_memory().await),
            _ => drop(node.store.get(&key(&name)).await),
        }
    }

    /// No replica shows anything older than what it has shown, nor what it knows to be removed.
    async fn look(&mut self) {
        let (at, name) = self.any();
        let node = &self.nodes[at];
        let found = node.store.get(&key(&name)).await.unwrap();
        let removal = node.replica.tree().removal(&key(&name)).map(|removal| removal.at);
        let now = found.map(|record| record.value().timestamp()).or(removal);
        let shown = self.shown.entry((at, key(&name))).or_default();
        if let Some(now) = now {
            assert!(
                now >= *shown,
                "replica {at} shows {name} of {now} after that of {shown}"
            );
            *shown = now;
        }
    }

    /// Synchronises all with all, until one round finds nothing to do.
    async fn converge(&self) {
        for _ in 0..MOST_ROUNDS {
            let mut is_equal = true;
            for pair in self.nodes.windows(2) {
                let report = pair[0].sync(&pair[1]).await;
                assert!(
                    report.is_equal && report.refused == 0,
                    "one round of two quiet ones: {report:?}"
                );
                is_equal &= report.calls == 1;
            }
            if is_equal {
                return;
            }
        }
        panic!("they do not become equal in {MOST_ROUNDS} rounds");
    }

    async fn check(&self) {
        let expected: Vec<(Key, u64)> = self
            .latest
            .iter()
            .filter_map(|(key, (_, held))| held.map(|number| (key.clone(), number)))
            .collect();
        for (at, node) in self.nodes.iter().enumerate() {
            let records = node.records().await;
            let live = records
                .into_iter()
                .filter_map(|(key, held)| held.map(|number| (key, number)));
            assert_eq!(live.collect::<Vec<_>>(), expected, "replica {at}");
        }
    }

    /// Lets some forget removals that everybody has heard of.
    async fn forget(&mut self) {
        let heard = self.latest.values().map(|(at, _)| *at).max();
        for at in 0..self.nodes.len() {
            if let Some(heard) = heard.filter(|_| self.nodes[at].below.is_some() && self.rng.bool()) {
                purge(&self.nodes[at], heard).await;
            }
        }
    }
}

#[tokio::test]
async fn m9_replicas_become_equal_whatever_came_between_and_no_removed_record_comes_back() {
    let (histories, seed) = (proof::scaled(2_000), proof::seed());
    let (mut replicas, mut removals, mut lost) = (0, 0, 0);
    for history in 0..histories {
        let mut history = History::new(seed.wrapping_add(history)).await;
        for _ in 0..2 {
            for _ in 0..history.rng.u64(10..60) {
                match history.rng.u8(..10) {
                    0..=4 => history.write().await,
                    5 | 6 => history.meet().await,
                    7 => history.unsettle().await,
                    _ => history.look().await,
                }
            }
            history.converge().await;
            history.check().await;
            history.forget().await;
        }
        replicas += history.nodes.len() as u64;
        removals += history.removals;
        lost += history.lost;
    }
    assert!(
        removals > histories && lost > 0,
        "{removals} removals, {lost} rounds broken off"
    );
    let counts = [
        ("histories", histories),
        ("replicas", replicas),
        ("removals", removals),
        ("rounds_broken_off", lost),
        ("seed", seed),
        ("violations", 0),
    ];
    proof::report("M9", &counts);
}
