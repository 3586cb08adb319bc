use layerstore::{Key, Value};

/// The field that is the key where none is named.
const DEFAULT_FIELD: &str = "id";

/// How the key of a record is found.
#[derive(Debug, Clone)]
pub(super) struct KeyRule {
    /// The field that was named.
    pub(super) field: Option<String>,
    /// What stands before the line where a record has no key of its own.
    pub(super) stem: String,
}

impl KeyRule {
    /// Returns the key of a record that stands on this line.
    ///
    /// # Errors
    /// The reason why there is none, without any value.
    pub(super) fn key(&self, line: u64, value: &Value) -> Result<Key, String> {
        let field = self.field.as_deref().unwrap_or(DEFAULT_FIELD);
        let Some(found) = value.at([field]) else {
            return match &self.field {
                Some(field) => Err(format!("there is no field {field:?}, which --key names")),
                None => Key::new(format!("{}:{line}", self.stem)).map_err(|error| error.to_string()),
            };
        };
        let text = match found {
            Value::String(text) => text.to_string(),
            Value::U64(number) => number.to_string(),
            Value::I64(number) => number.to_string(),
            _ => {
                return Err(format!(
                    "field {field}: a key is a text or an integer; name another field with --key"
                ));
            }
        };
        Key::new(text).map_err(|error| format!("field {field}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::json;
    use super::*;

    fn key(field: Option<&str>, json: &str) -> Result<String, String> {
        let rule = KeyRule {
            field: field.map(str::to_owned),
            stem: "cities".to_owned(),
        };
        rule.key(7, &json::read(json).unwrap()).map(|key| key.to_string())
    }

    #[test]
    fn the_key_is_the_named_field_or_id_or_the_line() {
        assert_eq!(key(None, r#"{"id": "a", "n": 5}"#).as_deref(), Ok("a"));
        assert_eq!(key(Some("n"), r#"{"id": "a", "n": 5}"#).as_deref(), Ok("5"));
        assert_eq!(key(Some("n"), r#"{"n": -5}"#).as_deref(), Ok("-5"));
        assert_eq!(key(None, r#"{"n": 5}"#).as_deref(), Ok("cities:7"));
        assert_eq!(key(None, "[1]").as_deref(), Ok("cities:7"));
    }

    #[test]
    fn what_can_be_no_key_is_refused_without_its_value() {
        assert!(
            key(Some("n"), r#"{"id": "a"}"#)
                .unwrap_err()
                .contains("no field \"n\"")
        );
        assert!(
            key(None, r#"{"id": null}"#)
                .unwrap_err()
                .starts_with("field id: ")
        );
        assert!(key(None, r#"{"id": 1.5}"#).unwrap_err().starts_with("field id: "));
        assert!(key(None, r#"{"id": ""}"#).unwrap_err().contains("this one has 0"));
        let long = format!(r#"{{"id": "{}"}}"#, "x".repeat(1_025));
        let refused = key(None, &long).unwrap_err();
        assert!(
            refused.contains("this one has 1025") && !refused.contains("xxx"),
            "{refused}"
        );
    }
}
