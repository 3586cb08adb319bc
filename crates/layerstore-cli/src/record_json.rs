use layerstore::{Key, Millis, Record, RecordValue, Value};

use crate::json;

/// Writes the value of a record as one line of JSON; an observed-remove map as the sum of its entries.
pub(crate) fn value(record: &Record) -> String {
    match record.value() {
        RecordValue::OrMap { entries, .. } => {
            let values = entries.iter().map(|(_, value)| value.clone());
            json::text(&Value::from(values.collect::<Vec<_>>()))
        }
        plain => plain
            .value()
            .map_or_else(|| "null".to_owned(), |value| json::text(value)),
    }
}

/// Writes a record with its key, version and times as one line of JSON.
pub(crate) fn whole(key: &Key, record: &Record) -> String {
    let mut out = format!(
        "{{\"key\":{},\"value\":{}",
        json::text(&Value::from(key.as_str())),
        value(record)
    );
    let expiry = record.expiry();
    let times = [
        ("created_ms", Some(record.created())),
        ("updated_ms", Some(record.updated())),
        ("expires_ms", expiry.deadline),
        ("idle_ms", expiry.max_idle.map(Millis)),
    ];
    out.push_str(&format!(",\"version\":\"{}\"", record.version()));
    for (name, time) in times {
        if let Some(Millis(millis)) = time {
            out.push_str(&format!(",\"{name}\":{millis}"));
        }
    }
    out.push('}');
    out
}
