use std::sync::Arc;

use layerstore_record::Key;

use super::explain::Access;
use crate::index::{Generation, Index, Scope};
use crate::path::Path;
use crate::predicate::{Node, Predicate, Test};

/// How indexes find every record that a predicate means, and perhaps more.
pub(super) enum Plan<'a> {
    Lookup(Lookup<'a>),
    /// All of these together.
    Union(Vec<Plan<'a>>),
}

pub(super) struct Lookup<'a> {
    index: &'a Arc<Index>,
    generation: Generation,
    path: &'a Path,
    test: &'a Test,
    estimated: usize,
}

impl<'a> Plan<'a> {
    /// Chooses the indexes that lead to the fewest records; `None` where everything has to be read.
    pub(super) fn of(predicate: &'a Predicate, indexes: &'a [Arc<Index>], scope: Scope) -> Option<Self> {
        match &predicate.0 {
            Node::Test(path, test) => {
                let lookups = indexes
                    .iter()
                    .filter_map(|index| Lookup::of(index, path, test, scope));
                lookups.min_by_key(|lookup| lookup.estimated).map(Self::Lookup)
            }
            // Whatever all of them mean one of them means.
            Node::All(all) => {
                let plans = all.iter().filter_map(|one| Self::of(one, indexes, scope));
                plans.min_by_key(Self::estimated)
            }
            Node::Any(any) => {
                let plans = any.iter().map(|one| Self::of(one, indexes, scope));
                plans.collect::<Option<Vec<_>>>().map(Self::Union)
            }
            Node::Not(_) => None,
        }
    }

    pub(super) fn estimated(&self) -> usize {
        match self {
            Self::Lookup(lookup) => lookup.estimated,
            Self::Union(plans) => plans.iter().map(Self::estimated).sum(),
        }
    }

    fn lookups(&self) -> Vec<&Lookup<'a>> {
        match self {
            Self::Lookup(lookup) => vec![lookup],
            Self::Union(plans) => plans.iter().flat_map(Self::lookups).collect(),
        }
    }

    /// Copies the keys that are to be looked at, each once, in their order.
    pub(super) fn find(&self) -> Vec<Key> {
        let lookups = self.lookups();
        let mut keys: Vec<Key> = lookups
            .iter()
            .flat_map(|lookup| lookup.index.find(lookup.test))
            .collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    pub(super) fn indexes(&self) -> impl Iterator<Item = &'a Arc<Index>> {
        self.lookups().into_iter().map(|lookup| lookup.index)
    }

    /// Tells whether the indexes hold what they held when they were chosen, and what was told since.
    pub(super) fn stands(&self) -> bool {
        let lookups = self.lookups();
        lookups
            .iter()
            .all(|lookup| lookup.index.ready() == Some(lookup.generation))
    }

    pub(super) fn access(&self) -> Access {
        match self {
            Self::Lookup(lookup) => lookup.access(),
            Self::Union(plans) => Access::Union(plans.iter().map(Self::access).collect()),
        }
    }
}

impl<'a> Lookup<'a> {
    fn of(index: &'a Arc<Index>, path: &'a Path, test: &'a Test, scope: Scope) -> Option<Self> {
        // Of all records one over those in memory knows only some.
        let knows = scope == Scope::Resident || index.scope() == Scope::Stored;
        if !knows || !index.serves(path, test) {
            return None;
        }
        Some(Self {
            index,
            generation: index.ready()?,
            path,
            test,
            estimated: index.estimate(test),
        })
    }

    fn access(&self) -> Access {
        Access::Index {
            index: layerstore_observer::MutationObserver::name(&**self.index).to_owned(),
            kind: self.index.kind(),
            test: crate::predicate::OfPath(self.path, self.test).to_string(),
            estimated: self.estimated,
        }
    }
}
