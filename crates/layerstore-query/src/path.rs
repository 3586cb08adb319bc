use std::fmt;
use std::sync::Arc;

use layerstore_record::{Record, RecordValue, Value};

/// Leads to values inside a record: names of maps, in turn.
///
/// Arrays are many values: a path goes on into each item, and ends at each item. A record without the path has no values there,
/// which is not the same as a null. An observed-remove map has the values of all its entries.
///
/// ```
/// use layerstore_query::Path;
///
/// assert_eq!(Path::from("address.city"), Path::of(["address", "city"]));
/// assert_eq!(Path::of(["a.b"]).to_string(), "\"a.b\"", "names may hold anything");
/// assert_eq!(Path::from(""), Path::whole());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Arc<[Box<str>]>);

impl Path {
    /// Leads through these names, which are taken as they are.
    #[must_use]
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(names.into_iter().map(Box::from).collect())
    }

    /// Leads to the value itself, or to its items where it is an array.
    #[must_use]
    pub fn whole() -> Self {
        Self(Arc::default())
    }

    /// Shows every value at the path to `seen`, until that answers `true`; tells whether it did.
    pub(crate) fn any(&self, record: &Record, mut seen: impl FnMut(&Value) -> bool) -> bool {
        match record.value() {
            RecordValue::Lww { value, .. } => walk(value, &self.0, &mut seen),
            RecordValue::OrMap { entries, .. } => {
                let mut values = entries.iter().map(|(_, value)| value);
                values.any(|value| walk(value, &self.0, &mut seen))
            }
            _ => false,
        }
    }
}

fn walk(value: &Value, names: &[Box<str>], seen: &mut dyn FnMut(&Value) -> bool) -> bool {
    match (value, names.split_first()) {
        (Value::Array(items), _) => items.iter().any(|item| walk(item, names, seen)),
        (value, None) => seen(value),
        (Value::Map(fields), Some((name, rest))) => {
            fields.get(name).is_some_and(|value| walk(value, rest, seen))
        }
        _ => false,
    }
}

impl From<&str> for Path {
    /// Reads names with dots between them; no text is the whole value.
    fn from(dotted: &str) -> Self {
        if dotted.is_empty() {
            Self::whole()
        } else {
            Self::of(dotted.split('.'))
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("the value");
        }
        for (place, name) in self.0.iter().enumerate() {
            let dot = if place == 0 { "" } else { "." };
            if name.is_empty() || name.contains(['.', '"', ' ']) {
                write!(f, "{dot}{name:?}")?;
            } else {
                write!(f, "{dot}{name}")?;
            }
        }
        Ok(())
    }
}
