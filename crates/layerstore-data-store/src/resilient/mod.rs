//! Timeouts, retries, a breaker, spans and metrics around any data store.

mod attempts;
mod guard;
mod metrics;
mod store;

pub use metrics::{BREAKER_STATE, CALL_SECONDS, CALLS_TOTAL, TRIES_TOTAL, WRITES_TOTAL};
pub use store::{DEFAULT_ATTEMPT_TIMEOUT, ResilientDataStore, ResilientDataStoreBuilder};
