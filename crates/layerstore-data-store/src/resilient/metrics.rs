use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::breaker::BreakerState;
use crate::error::StoreError;
use crate::write::WriteResult;

/// The counter of calls of a data store, labelled `store`, `operation` and `result` (`ok`, or the kind of the error);
/// unit: calls.
pub const CALLS_TOTAL: &str = "layerstore_data_store_calls_total";
/// The histogram of how long calls took with all their tries and waits, labelled `store` and `operation`; unit: seconds.
pub const CALL_SECONDS: &str = "layerstore_data_store_call_seconds";
/// The counter of tries that reached the store, labelled `store` and `operation`; unit: tries. Calls and tries that
/// drift apart are the first sign of a store in trouble.
pub const TRIES_TOTAL: &str = "layerstore_data_store_tries_total";
/// The counter of writes, labelled `store` and `result` (`applied`, `stale`, `conflict`, `rejected`); unit: writes.
pub const WRITES_TOTAL: &str = "layerstore_data_store_writes_total";
/// The gauge of the breaker, labelled `store`: 0 closed, 1 half open, 2 open.
pub const BREAKER_STATE: &str = "layerstore_data_store_breaker_state";

pub(super) fn describe() {
    describe_counter!(
        CALLS_TOTAL,
        Unit::Count,
        "Calls of a data store, by operation and result"
    );
    describe_histogram!(
        CALL_SECONDS,
        Unit::Seconds,
        "How long calls of a data store took, retries included"
    );
    describe_counter!(
        TRIES_TOTAL,
        Unit::Count,
        "Tries that reached a data store, by operation"
    );
    describe_counter!(WRITES_TOTAL, Unit::Count, "Writes to a data store, by result");
    describe_gauge!(
        BREAKER_STATE,
        Unit::Count,
        "Breaker of a data store: 0 closed, 1 half open, 2 open"
    );
}

pub(super) fn tried(store: &'static str, operation: &'static str) {
    counter!(TRIES_TOTAL, "store" => store, "operation" => operation).increment(1);
}

pub(super) fn called(
    store: &'static str,
    operation: &'static str,
    error: Option<&StoreError>,
    took: Duration,
) {
    let result = error.map_or("ok", |error| error.kind().name());
    counter!(CALLS_TOTAL, "store" => store, "operation" => operation, "result" => result).increment(1);
    histogram!(CALL_SECONDS, "store" => store, "operation" => operation).record(took.as_secs_f64());
}

pub(super) fn written(store: &'static str, answers: &[WriteResult]) {
    let mut counts = [("applied", 0), ("stale", 0), ("conflict", 0), ("rejected", 0)];
    for answer in answers {
        let place = match answer {
            WriteResult::Applied => 0,
            WriteResult::Stale { .. } => 1,
            WriteResult::Conflict { .. } => 2,
            WriteResult::Rejected(_) => 3,
        };
        counts[place].1 += 1;
    }
    for (result, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        counter!(WRITES_TOTAL, "store" => store, "result" => result).increment(count);
    }
}

pub(super) fn breaker(store: &'static str, state: BreakerState) {
    let state = match state {
        BreakerState::Closed => 0.0,
        BreakerState::HalfOpen => 1.0,
        BreakerState::Open => 2.0,
    };
    gauge!(BREAKER_STATE, "store" => store).set(state);
}
