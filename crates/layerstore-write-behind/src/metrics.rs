use std::time::Duration;

use layerstore_data_store::{BreakerState, ErrorKind};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::shared::Shared;

/// The gauge of acknowledged writes that are not in the final store, labelled `store`, as all of these are by the store behind; unit: records.
pub const PENDING_RECORDS: &str = "layerstore_write_behind_pending_records";
/// The gauge of what they take in memory; unit: bytes.
pub const PENDING_BYTES: &str = "layerstore_write_behind_pending_bytes";
/// The gauge of how long the oldest of them has been pending; unit: seconds.
pub const OLDEST_PENDING_SECONDS: &str = "layerstore_write_behind_oldest_pending_seconds";
/// The gauge of writes that the store behind refused for good; unit: records.
pub const DEAD_LETTERS: &str = "layerstore_write_behind_dead_letters";
/// The counter of writes that became dead letters; unit: records.
pub const DEAD_LETTERS_TOTAL: &str = "layerstore_write_behind_dead_letters_total";
/// The counter of writes that the store behind failed to take and that are tried again, labelled `class` (the kind of the error); unit: writes.
pub const RETRIES_TOTAL: &str = "layerstore_write_behind_retries_total";
/// The histogram of how long a batch took to the store behind; unit: seconds.
pub const FLUSH_SECONDS: &str = "layerstore_write_behind_flush_seconds";
/// The gauge of the breaker before the store behind: 0 closed, 1 half open, 2 open.
pub const WRITE_BEHIND_BREAKER_STATE: &str = "layerstore_write_behind_breaker_state";
/// The gauge of the log's size on disk; unit: bytes.
pub const LOG_BYTES: &str = "layerstore_write_behind_log_bytes";
/// The histogram of how long a sync of the log took; unit: seconds.
pub const LOG_SYNC_SECONDS: &str = "layerstore_write_behind_log_sync_seconds";

pub(crate) fn describe() {
    describe_gauge!(
        PENDING_RECORDS,
        Unit::Count,
        "Acknowledged writes that are not in the final store"
    );
    describe_gauge!(PENDING_BYTES, Unit::Bytes, "What pending writes take in memory");
    describe_gauge!(
        OLDEST_PENDING_SECONDS,
        Unit::Seconds,
        "How long the oldest write has been pending"
    );
    describe_gauge!(
        DEAD_LETTERS,
        Unit::Count,
        "Writes that the final store refused for good"
    );
    describe_counter!(DEAD_LETTERS_TOTAL, Unit::Count, "Writes that became dead letters");
    describe_counter!(
        RETRIES_TOTAL,
        Unit::Count,
        "Writes that are tried again, by the kind of their error"
    );
    describe_histogram!(
        FLUSH_SECONDS,
        Unit::Seconds,
        "How long a batch took to the final store"
    );
    describe_gauge!(
        WRITE_BEHIND_BREAKER_STATE,
        Unit::Count,
        "Breaker before the final store: 0 closed, 1 half open, 2 open"
    );
    describe_gauge!(LOG_BYTES, Unit::Bytes, "Size of the log on disk");
    describe_histogram!(LOG_SYNC_SECONDS, Unit::Seconds, "How long a sync of the log took");
}

/// Tells how the store stands; returns whether anything is pending.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
pub(crate) fn tell(shared: &Shared) -> bool {
    let store = shared.inner.name();
    let (counts, oldest) = {
        let queue = shared.queue();
        (queue.counts(), queue.oldest_age(shared.now()))
    };
    gauge!(PENDING_RECORDS, "store" => store).set(counts.records as f64);
    gauge!(PENDING_BYTES, "store" => store).set(counts.bytes as f64);
    gauge!(DEAD_LETTERS, "store" => store).set(counts.dead as f64);
    gauge!(OLDEST_PENDING_SECONDS, "store" => store).set(oldest.unwrap_or_default().as_secs_f64());
    let breaker = match shared.sending().state() {
        BreakerState::Closed => 0.0,
        BreakerState::HalfOpen => 1.0,
        BreakerState::Open => 2.0,
    };
    gauge!(WRITE_BEHIND_BREAKER_STATE, "store" => store).set(breaker);
    if let Some(log) = &shared.log {
        gauge!(LOG_BYTES, "store" => store).set(log.stats().bytes as f64);
    }
    counts.records > 0
}

pub(crate) fn flushed(store: &'static str, took: Duration) {
    histogram!(FLUSH_SECONDS, "store" => store).record(took.as_secs_f64());
}

pub(crate) fn retried(store: &'static str, kind: ErrorKind) {
    counter!(RETRIES_TOTAL, "store" => store, "class" => kind.name()).increment(1);
}

pub(crate) fn buried(store: &'static str) {
    counter!(DEAD_LETTERS_TOTAL, "store" => store).increment(1);
}

pub(crate) fn synced(took: Duration) {
    histogram!(LOG_SYNC_SECONDS).record(took.as_secs_f64());
}
