//! Answer questions about records by what they hold: predicates, secondary indexes and live queries, kept up by mutations.
//!
//! This crate does not know where records are kept nor how they got there: it is told of mutations as any observer, and
//! reads records as any reader. It writes nothing.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod error;
mod index;
mod live;
mod order;
mod pages;
mod partitions;
mod path;
mod predicate;
mod query;
mod term;

pub use error::QueryError;
pub use index::{BuildReport, Index, IndexBuild, IndexKind, Phase, Scope};
pub use live::{
    DEFAULT_MAX_EVENTS, DEFAULT_MAX_RECORDS, LiveChange, LiveEnded, LiveEvent, LiveItem, LiveQuery,
    LiveQueryBuilder, LiveSubscription, ResumeError,
};
pub use order::Direction;
pub use partitions::Partitions;
pub use path::Path;
pub use predicate::{Field, Predicate, field};
pub use query::{Access, Answer, Explanation, Query};
pub use term::Term;
