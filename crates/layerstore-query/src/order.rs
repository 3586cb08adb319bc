use std::cmp::Ordering;

use layerstore_record::{Key, Record};

use crate::path::Path;
use crate::term::{Term, compare};

/// In which order records come: by the values at a path, and by key where those are equal. Records without a value there
/// come last. Of several values the first in the direction counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) path: Path,
    pub(crate) direction: Direction,
}

/// Which way records are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The least value first.
    Ascending,
    /// The greatest value first.
    Descending,
}

/// Where a record stands in a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// What it is ordered by; `None` without an order, and for records without a value at its path.
    term: Option<Term>,
    direction: Direction,
    pub(crate) key: Key,
}

impl Place {
    /// Works out where a record stands.
    pub(crate) fn of(order: Option<&Order>, key: &Key, record: &Record) -> Self {
        let direction = order.map_or(Direction::Ascending, |order| order.direction);
        Self {
            term: order.and_then(|order| order.term(record)),
            direction,
            key: key.clone(),
        }
    }
}

impl Place {
    /// Tells whether it stands before every record with this value.
    pub(crate) fn is_before(&self, value: &Term) -> bool {
        let before = |term: &Term| self.direction.turn(term.cmp(value)).is_lt();
        self.term.as_ref().is_some_and(before)
    }
}

impl Order {
    fn term(&self, record: &Record) -> Option<Term> {
        let mut first: Option<layerstore_record::Value> = None;
        self.path.any(record, |value| {
            let is_before = first
                .as_ref()
                .is_none_or(|first| self.direction.turn(compare(value, first)).is_lt());
            if is_before {
                first = Some(value.clone());
            }
            false
        });
        first.map(Term::from)
    }
}

impl Direction {
    pub(crate) fn turn(self, order: Ordering) -> Ordering {
        match self {
            Self::Ascending => order,
            Self::Descending => order.reverse(),
        }
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_term = match (&self.term, &other.term) {
            (Some(one), Some(two)) => self.direction.turn(one.cmp(two)),
            (one, two) => one.is_none().cmp(&two.is_none()),
        };
        by_term.then_with(|| self.key.cmp(&other.key))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
