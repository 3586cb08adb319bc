//! What `stat` and `verify` show of write-behind.

use layerstore::{Layerstore, WriteBehind, WriteBehindStatus};

use crate::failure::Failure;
use crate::out::{Form, say};

/// Says how write-behind stands, where it is on.
pub(super) fn say_status(store: &Layerstore, form: Form) -> Result<(), Failure> {
    let Some(write_behind) = store.write_behind() else {
        return Ok(());
    };
    say(&match form {
        Form::Text => text(&write_behind),
        Form::Json => json(&write_behind),
    })
}

/// Says how many records are not in the data store, where there are some.
pub(super) fn say_pending(store: &Layerstore, form: Form) -> Result<(), Failure> {
    match store.write_behind() {
        Some(write_behind) if write_behind.status().pending > 0 => say(&match form {
            Form::Text => text(&write_behind),
            Form::Json => json(&write_behind),
        }),
        _ => Ok(()),
    }
}

fn text(write_behind: &WriteBehind) -> String {
    let WriteBehindStatus {
        pending,
        pending_bytes,
        dead_letters,
        oldest_pending,
        breaker,
        log,
        ..
    } = write_behind.status();
    let mut parts = vec![
        format!("{pending} pending"),
        format!("{pending_bytes} bytes"),
        format!("{dead_letters} dead letters"),
        format!("breaker {}", breaker_name(breaker)),
    ];
    if let Some(oldest) = oldest_pending {
        parts.push(format!("oldest {:.1} s", oldest.as_secs_f64()));
    }
    match log {
        Some(log) => parts.push(format!("log {} bytes", log.bytes)),
        None => parts.push("no log".to_owned()),
    }
    if let Some(recovered) = write_behind.recovered() {
        parts.push(format!("{} taken over", recovered.pending));
        if let Some(cut) = recovered.tail_cut {
            parts.push(format!("{} bytes of a torn end cut", cut.bytes));
        }
    }
    format!("write-behind\t{}", parts.join("\t"))
}

fn json(write_behind: &WriteBehind) -> String {
    let status = write_behind.status();
    let log = status.log.map(|log| {
        serde_json::json!({
            "bytes": log.bytes,
            "pending": log.pending,
            "segments": log.segments,
            "is_poisoned": log.is_poisoned,
        })
    });
    let recovered = write_behind.recovered().map(|recovered| {
        serde_json::json!({
            "pending": recovered.pending,
            "was_closed": recovered.was_closed,
            "tail_cut_bytes": recovered.tail_cut.map(|cut| cut.bytes),
        })
    });
    let said = serde_json::json!({
        "pending": status.pending,
        "pending_bytes": status.pending_bytes,
        "oldest_pending_seconds": status.oldest_pending.map(|oldest| oldest.as_secs_f64()),
        "dead_letters": status.dead_letters,
        "breaker": breaker_name(status.breaker),
        "log": log,
        "recovered": recovered,
    });
    serde_json::json!({ "write_behind": said }).to_string()
}

fn breaker_name(state: layerstore::data_store::BreakerState) -> &'static str {
    use layerstore::data_store::BreakerState;
    match state {
        BreakerState::Closed => "closed",
        BreakerState::HalfOpen => "half open",
        BreakerState::Open => "open",
    }
}
