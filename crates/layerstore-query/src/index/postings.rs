use std::collections::{BTreeMap, HashMap, btree_map, hash_map};
use std::ops::Bound;

use foldhash::fast::RandomState;
use layerstore_record::Key;

use super::IndexKind;
use super::key_set::KeySet;
use crate::order::Direction;
use crate::predicate::Test;
use crate::term::Term;

/// The keys by value.
#[derive(Debug)]
pub(super) enum Postings {
    Hash(HashMap<Term, KeySet, RandomState>),
    Ordered(BTreeMap<Term, KeySet>),
}

impl Postings {
    pub(super) fn new(kind: IndexKind, hasher: &RandomState) -> Self {
        match kind {
            IndexKind::Hash => Self::Hash(HashMap::with_hasher(hasher.clone())),
            IndexKind::Ordered => Self::Ordered(BTreeMap::new()),
        }
    }

    pub(super) fn add(&mut self, term: &Term, key: &Key) {
        match self {
            Self::Hash(keys) => match keys.entry(term.clone()) {
                hash_map::Entry::Occupied(mut there) => there.get_mut().insert(key),
                hash_map::Entry::Vacant(vacant) => drop(vacant.insert(KeySet::One(key.clone()))),
            },
            Self::Ordered(keys) => match keys.entry(term.clone()) {
                btree_map::Entry::Occupied(mut there) => there.get_mut().insert(key),
                btree_map::Entry::Vacant(vacant) => {
                    vacant.insert(KeySet::One(key.clone()));
                }
            },
        }
    }

    pub(super) fn remove(&mut self, term: &Term, key: &Key) {
        match self {
            Self::Hash(keys) => {
                if keys.get_mut(term).is_some_and(|set| set.remove(key)) {
                    keys.remove(term);
                }
            }
            Self::Ordered(keys) => {
                if keys.get_mut(term).is_some_and(|set| set.remove(key)) {
                    keys.remove(term);
                }
            }
        }
    }

    pub(super) fn clear(&mut self) {
        match self {
            Self::Hash(keys) => keys.clear(),
            Self::Ordered(keys) => keys.clear(),
        }
    }

    /// Iterates over the keys of each value that passes. A hash index finds nothing by order: it is not asked to.
    pub(super) fn matching<'a>(&'a self, test: &'a Test) -> Box<dyn Iterator<Item = &'a KeySet> + 'a> {
        match (self, test) {
            (Self::Hash(keys), Test::In(terms)) => Box::new(terms.iter().filter_map(|term| keys.get(term))),
            (Self::Ordered(keys), Test::In(terms)) => {
                Box::new(terms.iter().filter_map(|term| keys.get(term)))
            }
            (Self::Ordered(keys), test) => {
                let together = keys.range((test.first(), Bound::Unbounded));
                let passing = together.take_while(|(term, _)| test.passes(term.value()));
                Box::new(passing.map(|(_, keys)| keys))
            }
            (Self::Hash(_), _) => Box::new(std::iter::empty()),
        }
    }

    /// Iterates over values in a direction. A hash index has none in order: it is not asked.
    pub(super) fn in_order(&self, direction: Direction) -> Box<dyn Iterator<Item = (&Term, &KeySet)> + '_> {
        match (self, direction) {
            (Self::Ordered(keys), Direction::Ascending) => Box::new(keys.iter()),
            (Self::Ordered(keys), Direction::Descending) => Box::new(keys.iter().rev()),
            (Self::Hash(_), _) => Box::new(std::iter::empty()),
        }
    }
}
