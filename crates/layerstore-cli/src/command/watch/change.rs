use layerstore::{Fields, Key, NewValue, Records, Value, WriteOptions};

use crate::failure::Failure;
use crate::json;

/// What a line of input asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Change {
    Put(Key, Value),
    Remove(Key),
    Clear,
}

impl Change {
    /// Reads a line; says why it is no change, without its value.
    pub(super) fn read(line: &str) -> Result<Self, String> {
        let Value::Map(fields) = json::read(line).map_err(|fault| fault.to_string())? else {
            return Err("not a JSON object".to_owned());
        };
        match text(&fields, "event")?.unwrap_or("put") {
            "put" | "update" | "replication-put" => {
                let value = fields.get("value").ok_or("there is no \"value\"")?;
                Ok(Self::Put(key(&fields)?, value.clone()))
            }
            "remove" => Ok(Self::Remove(key(&fields)?)),
            "clear" => Ok(Self::Clear),
            other => Err(format!("there is no event {other:?}: it is put, remove or clear")),
        }
    }

    pub(super) async fn make(self, records: &Records) -> Result<(), Failure> {
        match self {
            // Not a blind write: what is shown is whether there was a record.
            Self::Put(key, value) => {
                records
                    .put(&key, NewValue::from(value), &WriteOptions::new())
                    .await?;
            }
            Self::Remove(key) => {
                records.remove(&key).await?;
            }
            Self::Clear => {
                records.delete_all().await?;
            }
        }
        Ok(())
    }
}

fn key(fields: &Fields) -> Result<Key, String> {
    let key = text(fields, "key")?.ok_or("there is no \"key\"")?;
    Key::new(key).map_err(|error| error.to_string())
}

fn text<'a>(fields: &'a Fields, name: &str) -> Result<Option<&'a str>, String> {
    match fields.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name:?} is no text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_change_or_says_why_not() {
        let key = Key::new("a").unwrap();
        let put = Change::Put(key.clone(), 1.into());
        assert_eq!(Change::read(r#"{"key":"a","value":1}"#), Ok(put));
        let shown = r#"{"number":7,"event":"remove","key":"a","reason":"expired"}"#;
        assert_eq!(Change::read(shown), Ok(Change::Remove(key)));
        assert_eq!(Change::read(r#"{"event":"clear"}"#), Ok(Change::Clear));
        for (line, why) in [
            ("[]", "not a JSON object"),
            (r#"{"key":"a"}"#, "no \"value\""),
            (r#"{"value":1}"#, "no \"key\""),
            (r#"{"key":1,"value":1}"#, "\"key\" is no text"),
            (r#"{"event":"load","key":"a"}"#, "no event \"load\""),
        ] {
            let reason = Change::read(line).unwrap_err();
            assert!(reason.contains(why), "{line}: {reason}");
        }
    }
}
