use layerstore_record::Record;

use crate::path::Path;
use crate::term::{Term, compare};

/// The values of a record at a path, sorted, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Terms {
    /// One, as most records have: no allocation for a list.
    One(Term),
    Several(Box<[Term]>),
}

impl Terms {
    /// Reads them; `None` where there are none.
    pub(super) fn of(path: &Path, record: &Record) -> Option<Self> {
        let mut terms = Vec::new();
        path.any(record, |value| {
            terms.push(Term::from(value.clone()));
            false
        });
        if terms.len() > 1 {
            terms.sort_unstable();
            terms.dedup();
        }
        match terms.len() {
            0 => None,
            1 => terms.pop().map(Self::One),
            _ => Some(Self::Several(terms.into())),
        }
    }

    /// Tells whether the record has these values and no other, without copying one where that is easy to see.
    pub(super) fn are_those_of(&self, path: &Path, record: &Record) -> bool {
        let Self::One(term) = self else {
            return Self::of(path, record).as_ref() == Some(self);
        };
        let mut found = false;
        let other = path.any(record, |value| {
            found = true;
            compare(value, term.value()).is_ne()
        });
        found && !other
    }

    pub(super) fn as_slice(&self) -> &[Term] {
        match self {
            Self::One(term) => std::slice::from_ref(term),
            Self::Several(terms) => terms,
        }
    }
}
