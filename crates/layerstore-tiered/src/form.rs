//! The forms that a record has in hot: whole, or a stub of what lies in cold.

use std::sync::Arc;

use layerstore_record::{Record, RecordValue, Value};

/// What an array begins with that is a form of ours. Random, and never changed: hot stores keep it.
const MARK: [u8; 16] = *b"\x00ls-tiered\xf5\x9d\xe1\x07\xc4\xb6";

/// Stands behind the mark: the record lies in cold.
const ARCHIVED: u64 = 1;

/// Stands behind the mark: the array is a user's, and goes on behind it.
const PLAIN: Value = Value::Null;

/// What a record of hot is.
pub(crate) enum Form {
    /// All of it, as it was written; a tombstone, too.
    Whole(Record),
    /// The version, times and expiry of a record that lies in cold.
    Stub(Record),
}

/// Tells what a record of hot is; `None` where a later version of this crate must have made it.
pub(crate) fn form(record: Record) -> Option<Form> {
    let Some(items) = marked(record.value()) else {
        return Some(Form::Whole(record));
    };
    match items.get(1) {
        Some(Value::U64(ARCHIVED)) => Some(Form::Stub(record)),
        Some(Value::Null) => {
            let items = items.iter().enumerate().filter(|(place, _)| *place != 1);
            let items = items.map(|(_, item)| item.clone()).collect();
            Some(Form::Whole(with_items(&record, items)))
        }
        _ => None,
    }
}

/// Returns what hot is to keep of a record, so that it is never taken for a stub; `None` where that is the record itself.
pub(crate) fn hidden(record: &Record) -> Option<Record> {
    let items = marked(record.value())?;
    let (first, rest) = items.split_first()?;
    let items = [first.clone(), PLAIN].into_iter().chain(rest.iter().cloned());
    Some(with_items(record, items.collect()))
}

/// Makes the stub of a record: what fences, and what ends, as the record does.
pub(crate) fn stub(record: &Record) -> Record {
    let mark = Value::Bytes(MARK.into());
    with_items(record, vec![mark, Value::U64(ARCHIVED)])
}

/// Returns the array, where it begins with the mark.
fn marked(value: &RecordValue) -> Option<&[Value]> {
    let RecordValue::Lww { value, .. } = value else {
        return None;
    };
    let Value::Array(items) = &**value else {
        return None;
    };
    let is_marked = matches!(items.first(), Some(Value::Bytes(first)) if **first == MARK);
    is_marked.then_some(items)
}

fn with_items(record: &Record, items: Vec<Value>) -> Record {
    let timestamp = match record.value() {
        RecordValue::Lww { timestamp, .. } => *timestamp,
        _ => record.version().timestamp(),
    };
    let value = RecordValue::Lww {
        value: Arc::new(Value::Array(items.into())),
        timestamp,
    };
    let record_of = Record::builder(value, record.version())
        .created(record.created())
        .updated(record.updated())
        .expiry(record.expiry());
    match record.last_stored() {
        Some(at) => record_of.stored(at).build(),
        None => record_of.build(),
    }
}

#[cfg(test)]
mod tests {
    use layerstore_record::{Expiry, Millis, NodeId, Timestamp, Version};

    use super::*;

    fn record(value: Value) -> Record {
        let at = Timestamp::new(Millis(7), 3, NodeId(9));
        let expiry = Expiry {
            deadline: Some(Millis(99)),
            ..Expiry::NEVER
        };
        Record::builder(
            RecordValue::lww(value, Timestamp::new(Millis(5), 0, NodeId(1))),
            Version::new(at),
        )
        .created(Millis(1))
        .updated(Millis(2))
        .expiry(expiry)
        .build()
    }

    fn array(items: &[Value]) -> Value {
        Value::Array(items.into())
    }

    #[test]
    fn whatever_a_user_writes_comes_back_and_is_no_stub() {
        let mark = Value::Bytes(MARK.into());
        let awkward = [
            Value::Null,
            array(&[]),
            array(&[Value::U64(ARCHIVED)]),
            array(std::slice::from_ref(&mark)),
            array(&[mark.clone(), Value::U64(ARCHIVED)]),
            array(&[mark.clone(), PLAIN]),
            array(&[mark.clone(), PLAIN, Value::U64(ARCHIVED)]),
            array(&[mark.clone(), mark.clone()]),
            mark,
        ];
        for value in awkward {
            let mut written = record(value.clone());
            // Also what was hidden once, and was written by a user who looked into hot.
            for depth in 0..3 {
                let kept = hidden(&written);
                let kept = kept.unwrap_or_else(|| record(value.clone()));
                match form(kept) {
                    Some(Form::Whole(found)) => assert_eq!(found, written, "{value:?} at depth {depth}"),
                    _ => panic!("{value:?} at depth {depth} is taken for something of ours"),
                }
                let Some(deeper) = hidden(&written) else { break };
                written = deeper;
            }
        }
    }

    #[test]
    fn a_stub_keeps_version_times_and_end() {
        let whole = record(Value::from("a value that goes"));
        let stub = stub(&whole);
        assert_eq!(stub.version(), whole.version());
        assert_eq!(
            (stub.created(), stub.updated()),
            (whole.created(), whole.updated())
        );
        assert_eq!(stub.expiry(), whole.expiry());
        assert!(matches!(form(stub), Some(Form::Stub(_))));
    }

    #[test]
    fn a_form_that_is_not_known_is_none_of_these() {
        let mark = Value::Bytes(MARK.into());
        assert!(form(record(array(&[mark.clone(), Value::U64(2)]))).is_none());
        assert!(form(record(array(&[mark]))).is_none());
    }
}
