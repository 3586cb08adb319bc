use std::fmt;

use crate::index::IndexKind;
use crate::order::Direction;

/// How a query was answered, and what that took.
///
/// Shown as `index "by-city" (hash): address.city = "Oslo", about 2; 2 records examined, 1 returned`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// Where it was looked.
    pub access: Access,
    /// How many records were judged.
    pub examined: usize,
    /// How many were meant, and within the limit.
    pub returned: usize,
}

/// Where a query looks for records.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// At every record: no index serves.
    Everything,
    /// Where an index leads.
    Index {
        /// The index.
        index: String,
        /// How it keeps its values.
        kind: IndexKind,
        /// What it was asked for.
        test: String,
        /// About how many records it was expected to lead to.
        estimated: usize,
    },
    /// At the first records in the order asked for, as far as the limit.
    InOrder {
        /// The index, which is in that order.
        index: String,
        /// The path that it is ordered by.
        path: String,
        /// Which way.
        direction: Direction,
    },
    /// Where each of these leads.
    Union(Vec<Access>),
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            access,
            examined,
            returned,
        } = self;
        write!(f, "{access}; {examined} records examined, {returned} returned")
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("everything is read: no index serves"),
            Self::Index {
                index,
                kind,
                test,
                estimated,
            } => write!(f, "index {index:?} ({kind}): {test}, about {estimated}"),
            Self::InOrder {
                index,
                path,
                direction,
            } => {
                let end = match direction {
                    Direction::Ascending => "least",
                    Direction::Descending => "greatest",
                };
                write!(f, "index {index:?} (ordered): from the {end} {path} on")
            }
            Self::Union(several) => {
                for (place, one) in several.iter().enumerate() {
                    let and = if place == 0 { "" } else { ", and " };
                    write!(f, "{and}{one}")?;
                }
                Ok(())
            }
        }
    }
}
