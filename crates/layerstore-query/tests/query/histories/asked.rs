//! What is asked of a map while it changes.

use std::sync::Arc;

use layerstore_query::{Direction, Index, LiveQuery, Phase, Predicate, Query, field};

use super::follower::Follower;
use super::player::city;
use crate::scene::{Scene, map, value};

/// Indexes of both kinds and modes, and live queries.
pub(crate) struct Asked {
    indexes: Vec<Arc<Index>>,
    live: Vec<Arc<LiveQuery>>,
}

impl Asked {
    /// Adds them to a map in use.
    pub(crate) async fn begin(scene: &Scene, rng: &mut fastrand::Rng) -> Self {
        let indexes = [
            Index::hash("city", map(), "address.city"),
            Index::ordered("age", map(), "age"),
            Index::ordered("tags", map(), "tags"),
            Index::hash("city in memory", map(), "address.city").over_resident(),
            Index::ordered("age in memory", map(), "age").over_resident(),
        ];
        let mut asked = Self {
            indexes: Vec::new(),
            live: Vec::new(),
        };
        for index in indexes {
            asked.indexes.push(scene.index(index).await);
        }
        for number in 0..2 {
            let live = LiveQuery::builder(format!("live {number}"), map(), query(rng))
                .clock(scene.clock.shared())
                .max_events(rng.usize(1..20))
                .build();
            let live = Arc::new(live);
            scene.observers.add(Arc::clone(&live) as _).unwrap();
            live.build(&scene.partitions).await.unwrap();
            asked.live.push(live);
        }
        asked
    }

    pub(crate) fn followers(&self) -> Vec<Follower> {
        self.live.iter().map(Follower::new).collect()
    }

    /// Builds anew what a reset has brought into doubt.
    pub(crate) async fn mend(&self, scene: &Scene) {
        for index in &self.indexes {
            if index.phase() != Phase::Ready {
                index.build(&scene.partitions).await.unwrap();
            }
        }
        for live in &self.live {
            if live.phase() != Phase::Ready {
                live.build(&scene.partitions).await.unwrap();
            }
        }
    }

    /// Asks by index and by reading everything, of all records and of those in memory; returns how often an index was of use.
    pub(crate) async fn compare(&self, scene: &Scene, query: &Query, at: &[String]) -> u64 {
        let mut by_index = 0;
        // What is in memory first: a query of all loads what it finds.
        for query in [query.clone().resident(), query.clone()] {
            let whole = scene.ask(&query, &[]).await;
            let answer = scene.ask(&query, &self.indexes).await;
            let shown = |answer: &layerstore_query::Answer| -> Vec<_> {
                let records = answer.records.iter();
                records
                    .map(|(key, record)| (key.clone(), value(record)))
                    .collect()
            };
            assert_eq!(
                shown(&answer),
                shown(&whole),
                "{at:#?}, {query:?}, {}",
                answer.explanation
            );
            by_index += u64::from(answer.explanation.access.to_string().starts_with("index"));
        }
        by_index
    }
}

/// Makes a query at random.
pub(crate) fn query(rng: &mut fastrand::Rng) -> Query {
    let mut query = Query::of(predicate(rng, 2));
    match rng.u8(..3) {
        0 => query = query.order_by("age", Direction::Ascending),
        1 => query = query.order_by("tags", Direction::Descending),
        _ => {}
    }
    if rng.bool() {
        query = query.limit(rng.usize(..5));
    }
    query
}

fn predicate(rng: &mut fastrand::Rng, depth: u8) -> Predicate {
    let age = rng.u64(..20);
    match rng.u8(..if depth > 0 { 12 } else { 8 }) {
        0 => field("address.city").equals(city(rng)),
        1 => field("address.city").is_in([city(rng), city(rng)]),
        2 => field("tags").equals(city(rng)),
        3 => field("tags").starts_with("O"),
        4 => field("tags").range(city(rng)..),
        5 => field("age").range(age..age + 5),
        6 => field("age").range(..=age),
        7 => field("age").exists(),
        8 | 9 => predicate(rng, depth - 1).and(predicate(rng, depth - 1)),
        10 => predicate(rng, depth - 1).or(predicate(rng, depth - 1)),
        _ => !predicate(rng, depth - 1),
    }
}
