use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use layerstore_record::Millis;
pub use layerstore_record_store::eviction;
use layerstore_record_store::eviction::{Candidate, EvictionPolicy};

use super::Cache;

/// Evicts as a record store does: what a policy chooses among records drawn at random. Without a store, so that a seed decides everything.
///
/// A request takes a millisecond: idle times tell every two requests apart.
pub struct Sampled {
    capacity: usize,
    policy: Box<dyn EvictionPolicy>,
    places: HashMap<u64, usize, FixedState>,
    residents: Vec<Resident>,
    drawn: Vec<usize>,
    candidates: Vec<Candidate>,
    /// What was chosen together, and leaves next.
    victims: VecDeque<Resident>,
    rng: fastrand::Rng,
    now: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Resident {
    key: u64,
    hash: u64,
    hits: u32,
    last: u64,
}

/// Of so many records that are drawn, one is chosen, as in the record store.
const DRAWN_A_VICTIM: usize = 8;

impl Sampled {
    /// Makes an empty cache of at most `capacity` records.
    #[must_use]
    pub fn new(capacity: usize, policy: impl EvictionPolicy, seed: u64) -> Self {
        Self {
            capacity,
            policy: Box::new(policy),
            places: HashMap::default(),
            residents: Vec::new(),
            drawn: Vec::new(),
            candidates: Vec::new(),
            victims: VecDeque::new(),
            rng: fastrand::Rng::with_seed(seed),
            now: 0,
        }
    }

    fn insert(&mut self, key: u64) {
        if self.residents.len() >= self.capacity && !self.evict() {
            return;
        }
        let hash = self.places.hasher().hash_one(key);
        let resident = Resident {
            key,
            hash,
            hits: self.policy.admitted(hash),
            last: self.now,
        };
        self.places.insert(key, self.residents.len());
        self.residents.push(resident);
    }

    /// Evicts one record; tells whether the policy chose any.
    fn evict(&mut self) -> bool {
        if self.victims.is_empty() {
            self.choose();
        }
        while let Some(victim) = self.victims.pop_front() {
            // One that left, or was requested since it was chosen, is no victim any more.
            let place = self.places.get(&victim.key).copied();
            if let Some(place) = place.filter(|place| self.residents[*place] == victim) {
                self.remove(place);
                return true;
            }
            if self.victims.is_empty() {
                self.choose();
            }
        }
        false
    }

    fn remove(&mut self, place: usize) {
        let gone = self.residents.swap_remove(place);
        self.places.remove(&gone.key);
        if let Some(moved) = self.residents.get(place) {
            self.places.insert(moved.key, place);
        }
        self.policy.evicted(gone.hash, Millis(self.now));
    }

    /// Draws, and has the policy choose one in eight of what was drawn.
    fn choose(&mut self) {
        self.draw();
        for _ in 0..(self.policy.sample_size() / DRAWN_A_VICTIM).max(1) {
            let Some(chosen) = self.policy.choose(&self.candidates, &mut self.rng) else {
                return;
            };
            self.candidates.swap_remove(chosen);
            let place = self.drawn.swap_remove(chosen);
            self.victims.push_back(self.residents[place]);
        }
    }

    fn draw(&mut self) {
        let (sample, residents) = (self.policy.sample_size(), self.residents.len());
        self.drawn.clear();
        self.drawn
            .extend((0..sample.min(residents)).map(|_| self.rng.usize(..residents)));
        let candidate = |place: &usize| {
            let Resident { hits, last, .. } = self.residents[*place];
            let idle = self.now - last;
            Candidate { hits, idle }
        };
        self.candidates.clear();
        self.candidates.extend(self.drawn.iter().map(candidate));
    }
}

impl Cache for Sampled {
    fn request(&mut self, key: u64) -> bool {
        self.now += 1;
        let Some(place) = self.places.get(&key) else {
            self.insert(key);
            return false;
        };
        let resident = &mut self.residents[*place];
        resident.hits = resident.hits.saturating_add(1);
        resident.last = self.now;
        true
    }
}

impl fmt::Debug for Sampled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampled")
            .field("policy", &self.policy)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}
