//! Predicates, indexes and live queries over real record stores: each clause, and random histories against a full scan.
#![expect(clippy::unwrap_used, reason = "an unexpected answer ends the test")]

mod clauses;
mod histories;
mod live;
mod order;
mod predicates;
mod scene;
