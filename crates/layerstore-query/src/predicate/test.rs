use std::ops::Bound;

use layerstore_record::Value;

use crate::term::{Term, compare, kind};

/// What one value has to pass.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    /// It is one of these, which are sorted.
    In(Box<[Term]>),
    /// It lies between these and is of their kind.
    Range(Bound<Term>, Bound<Term>),
    /// It is a text that begins so.
    Prefix(Box<str>),
}

impl Test {
    pub(crate) fn passes(&self, value: &Value) -> bool {
        match self {
            Self::In(terms) => terms
                .binary_search_by(|term| compare(term.value(), value))
                .is_ok(),
            Self::Range(start, end) => is_above(value, start) && is_below(value, end),
            Self::Prefix(prefix) => match value {
                Value::String(text) => text.starts_with(&**prefix),
                _ => false,
            },
        }
    }

    /// Returns where in the order of terms the values that pass begin; from there on they stand together.
    pub(crate) fn first(&self) -> Bound<Term> {
        match self {
            Self::In(terms) => terms
                .first()
                .map_or(Bound::Unbounded, |term| Bound::Included(term.clone())),
            Self::Range(Bound::Unbounded, Bound::Included(end) | Bound::Excluded(end)) => {
                Bound::Included(end.least_of_kind())
            }
            Self::Range(start, _) => start.clone(),
            Self::Prefix(prefix) => Bound::Included(Term::from(&**prefix)),
        }
    }
}

fn is_above(value: &Value, start: &Bound<Term>) -> bool {
    match start {
        Bound::Included(start) => is_akin(value, start) && compare(value, start.value()).is_ge(),
        Bound::Excluded(start) => is_akin(value, start) && compare(value, start.value()).is_gt(),
        Bound::Unbounded => true,
    }
}

fn is_below(value: &Value, end: &Bound<Term>) -> bool {
    match end {
        Bound::Included(end) => is_akin(value, end) && compare(value, end.value()).is_le(),
        Bound::Excluded(end) => is_akin(value, end) && compare(value, end.value()).is_lt(),
        Bound::Unbounded => true,
    }
}

fn is_akin(value: &Value, bound: &Term) -> bool {
    kind(value) == kind(bound.value())
}
