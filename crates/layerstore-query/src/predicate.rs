mod field;
mod shown;
mod test;

use std::ops;

use layerstore_record::Record;

use crate::path::Path;

pub use field::{Field, field};
pub(crate) use shown::OfPath;
pub(crate) use test::Test;

/// Says which records are meant, by what they hold. Built with [`field`], joined with [`and`](Self::and), [`or`](Self::or) and `!`.
///
/// A test of a field holds when it holds for **any** of the values at its path: an array is many values, and a record without
/// the path has none, so that no test of it holds and `!` of each does. Values are compared in the order of
/// [`Term`](crate::Term). A removed record is never meant.
///
/// ```
/// use layerstore_query::{Predicate, field};
/// use layerstore_record::{Fields, Record, RecordValue, Timestamp, Value, Version};
///
/// let nordic = field("address.city").is_in(["Oslo", "Bergen"]).or(field("tags").equals("nordic"));
/// let meant = nordic.and(field("age").range(18..)).and(!field("name").starts_with("test-"));
///
/// let fields = [("age", 30.into()), ("tags", Value::from(vec!["new".into(), "nordic".into()]))];
/// let fields = Fields::new(fields.map(|(name, value)| (name.into(), value)).into()).map_err(|name| name.to_string())?;
/// let record = Record::builder(RecordValue::lww(fields, Timestamp::ZERO), Version::ZERO).build();
/// assert!(meant.holds(&record));
/// assert_eq!(field("age").range(18..).to_string(), "age >= 18");
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Predicate(pub(crate) Node);

/// How a predicate is put together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    /// Some value at the path passes.
    Test(Path, Test),
    /// All of them hold; always, of none.
    All(Vec<Predicate>),
    /// One of them holds; never, of none.
    Any(Vec<Predicate>),
    /// It does not hold.
    Not(Box<Predicate>),
}

impl Predicate {
    /// Means every record.
    #[must_use]
    pub fn everything() -> Self {
        Self(Node::All(Vec::new()))
    }

    /// Means the records that both mean.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut all = match self.0 {
            Node::All(all) => all,
            node => vec![Self(node)],
        };
        all.push(other);
        Self(Node::All(all))
    }

    /// Means the records that one of the two means.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let mut any = match self.0 {
            Node::Any(any) => any,
            node => vec![Self(node)],
        };
        any.push(other);
        Self(Node::Any(any))
    }

    /// Tells whether the record is meant. Whether it has ended is for the caller to know.
    #[must_use]
    pub fn holds(&self, record: &Record) -> bool {
        !record.is_tombstone() && self.holds_for_value(record)
    }

    fn holds_for_value(&self, record: &Record) -> bool {
        match &self.0 {
            Node::Test(path, test) => path.any(record, |value| test.passes(value)),
            Node::All(all) => all.iter().all(|one| one.holds_for_value(record)),
            Node::Any(any) => any.iter().any(|one| one.holds_for_value(record)),
            Node::Not(one) => !one.holds_for_value(record),
        }
    }
}

impl ops::Not for Predicate {
    type Output = Self;

    /// Means the records that this one does not.
    fn not(self) -> Self {
        Self(Node::Not(Box::new(self)))
    }
}
