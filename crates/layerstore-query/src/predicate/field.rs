use std::ops::{Bound, RangeBounds};

use super::{Node, Predicate, Test};
use crate::path::Path;
use crate::term::Term;

/// A path into records, of which a predicate says something.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Field(Path);

/// Begins a predicate about the values at a path, as in `field("address.city").equals("Oslo")`.
pub fn field(path: impl Into<Path>) -> Field {
    Field(path.into())
}

impl From<Path> for Field {
    fn from(path: Path) -> Self {
        Self(path)
    }
}

impl Field {
    /// Means records with this value there.
    #[must_use]
    pub fn equals(self, value: impl Into<Term>) -> Predicate {
        self.is_in([value])
    }

    /// Means records with one of these values there; none, of no values.
    #[must_use]
    pub fn is_in<V: Into<Term>>(self, values: impl IntoIterator<Item = V>) -> Predicate {
        let mut values: Vec<Term> = values.into_iter().map(Into::into).collect();
        values.sort_unstable();
        values.dedup();
        self.passes(Test::In(values.into()))
    }

    /// Means records with a value there that lies within the bounds, and is of their kind: of numbers only numbers, of texts only
    /// texts. Between bounds of two kinds, or that cross, there is nothing; between none (`..`) is every value.
    #[must_use]
    pub fn range<V: Clone + Into<Term>>(self, bounds: impl RangeBounds<V>) -> Predicate {
        let term = |bound: Bound<&V>| bound.map(|value| value.clone().into());
        self.passes(Test::Range(term(bounds.start_bound()), term(bounds.end_bound())))
    }

    /// Means records with any value there, null included.
    #[must_use]
    pub fn exists(self) -> Predicate {
        self.passes(Test::Range(Bound::Unbounded, Bound::Unbounded))
    }

    /// Means records with a text there that begins so.
    #[must_use]
    pub fn starts_with(self, prefix: impl Into<Box<str>>) -> Predicate {
        self.passes(Test::Prefix(prefix.into()))
    }

    fn passes(self, test: Test) -> Predicate {
        Predicate(Node::Test(self.0, test))
    }
}
