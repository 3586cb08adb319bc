use std::sync::Arc;

use layerstore_record::Key;

use super::Query;
use super::explain::Access;
use super::plan::Plan;
use crate::index::{Generation, Index, IndexKind, Scope};
use crate::order::Order;
use crate::pages::PAGE;
use crate::term::Term;

/// One in so many of the records that would be looked at otherwise may be looked at in order before that is given up.
const SHARE: usize = 8;

/// The first records of an order, by an index that has them so: for queries that want few of many.
pub(super) struct Walk<'a> {
    index: &'a Arc<Index>,
    generation: Generation,
    order: &'a Order,
    limit: usize,
    /// How many records may be looked at.
    budget: usize,
}

/// The keys with the first values of an order.
pub(crate) struct Front {
    /// The keys, sorted, each once.
    pub(crate) keys: Vec<Key>,
    /// No other key has a value before this one; none, where there is no other.
    pub(crate) next: Option<Term>,
}

impl<'a> Walk<'a> {
    /// Finds an index to walk along, where that may be less than what the plan comes to, or reading everything where there is none.
    pub(super) fn of(query: &'a Query, plan: Option<&Plan<'_>>, indexes: &'a [Arc<Index>]) -> Option<Self> {
        let (order, limit) = (query.order.as_ref()?, query.limit.filter(|limit| *limit > 0)?);
        let index = indexes.iter().find(|index| {
            let knows = query.scope == Scope::Resident || index.scope() == Scope::Stored;
            knows && index.kind() == IndexKind::Ordered && *index.path() == order.path
        })?;
        let otherwise = plan.map_or_else(|| index.len().max(PAGE * SHARE), Plan::estimated);
        let budget = otherwise / SHARE;
        // A page's worth by the plan is as good.
        (budget >= limit && otherwise > PAGE).then_some(Self {
            index,
            generation: index.ready()?,
            order,
            limit,
            budget,
        })
    }

    pub(super) fn index(&self) -> &'a Arc<Index> {
        self.index
    }

    /// Returns how many keys of each part of the index to begin with: about twice the limit in all.
    pub(super) fn first_step(&self) -> usize {
        2 * self.limit / Index::PARTS + 1
    }

    /// Copies about so many of the first keys of each part; `None` when these are more than may be looked at.
    pub(super) fn front(&self, of_each: usize) -> Option<Front> {
        let front = self.index.front(self.order.direction, of_each);
        (front.keys.len() <= self.budget).then_some(front)
    }

    /// Tells whether the index holds what it held when it was chosen, and what was told since.
    pub(super) fn stands(&self) -> bool {
        self.index.ready() == Some(self.generation)
    }

    pub(super) fn access(&self) -> Access {
        Access::InOrder {
            index: layerstore_observer::MutationObserver::name(&**self.index).to_owned(),
            path: self.order.path.to_string(),
            direction: self.order.direction,
        }
    }
}
