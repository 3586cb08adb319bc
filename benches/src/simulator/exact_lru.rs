use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::Cache;

/// Evicts the record that was not asked for the longest, in exact order: what the others are measured against.
#[derive(Debug)]
pub struct ExactLru {
    capacity: usize,
    places: HashMap<u64, usize, FixedState>,
    /// A ring through the records: the first node is its head and holds none, the newest comes after it, the oldest before it.
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    key: u64,
    newer: usize,
    older: usize,
}

const HEAD: usize = 0;

impl ExactLru {
    /// Makes an empty cache of at most `capacity` records, at least one.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let head = Node {
            key: 0,
            newer: HEAD,
            older: HEAD,
        };
        Self {
            capacity: capacity.max(1),
            places: HashMap::default(),
            nodes: vec![head],
        }
    }

    fn unlink(&mut self, place: usize) {
        let Node { newer, older, .. } = self.nodes[place];
        self.nodes[newer].older = older;
        self.nodes[older].newer = newer;
    }

    fn link_newest(&mut self, place: usize) {
        let newest = self.nodes[HEAD].older;
        self.nodes[place].newer = HEAD;
        self.nodes[place].older = newest;
        self.nodes[newest].newer = place;
        self.nodes[HEAD].older = place;
    }

    /// Returns a node for a new record: one more, or that of the oldest.
    fn vacant(&mut self) -> usize {
        if self.places.len() < self.capacity {
            self.nodes.push(self.nodes[HEAD]);
            return self.nodes.len() - 1;
        }
        let oldest = self.nodes[HEAD].newer;
        self.unlink(oldest);
        self.places.remove(&self.nodes[oldest].key);
        oldest
    }
}

impl Cache for ExactLru {
    fn request(&mut self, key: u64) -> bool {
        let found = self.places.get(&key).copied();
        let place = match found {
            Some(place) => {
                self.unlink(place);
                place
            }
            None => self.vacant(),
        };
        self.nodes[place].key = key;
        self.link_newest(place);
        if found.is_none() {
            self.places.insert(key, place);
        }
        found.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    #[test]
    fn hits_are_those_of_a_list_that_is_searched() {
        let mut rng = fastrand::Rng::with_seed(1);
        for capacity in [1, 2, 7] {
            let (mut cache, mut list) = (ExactLru::new(capacity), VecDeque::new());
            for _ in 0..2_000 {
                let key = rng.u64(..12);
                let found = list.iter().position(|held| *held == key);
                found.map(|at| list.remove(at));
                list.push_front(key);
                list.truncate(capacity);
                assert_eq!(cache.request(key), found.is_some());
            }
        }
    }
}
