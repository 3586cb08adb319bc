//! Predicates as people read them, for explanations.

use std::fmt;
use std::ops::Bound;

use layerstore_record::Value;

use super::{Node, Predicate, Test};
use crate::path::Path;
use crate::term::Term;

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Node::Test(path, test) => write!(f, "{}", OfPath(path, test)),
            Node::All(all) if all.is_empty() => f.write_str("everything"),
            Node::Any(any) if any.is_empty() => f.write_str("nothing"),
            Node::All(all) => joined(f, all, " and "),
            Node::Any(any) => joined(f, any, " or "),
            Node::Not(one) => write!(f, "not ({one})"),
        }
    }
}

/// A test and what it is a test of.
pub(crate) struct OfPath<'a>(pub(crate) &'a Path, pub(crate) &'a Test);

impl fmt::Display for OfPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(path, test) = self;
        match test {
            Test::In(terms) => match &**terms {
                [one] => write!(f, "{path} = {}", Shown(one)),
                several => {
                    write!(f, "{path} in [")?;
                    for (place, term) in several.iter().enumerate() {
                        let comma = if place == 0 { "" } else { ", " };
                        write!(f, "{comma}{}", Shown(term))?;
                    }
                    f.write_str("]")
                }
            },
            Test::Range(Bound::Unbounded, Bound::Unbounded) => write!(f, "{path} exists"),
            Test::Range(start, end) => {
                match start {
                    Bound::Included(start) => write!(f, "{path} >= {}", Shown(start))?,
                    Bound::Excluded(start) => write!(f, "{path} > {}", Shown(start))?,
                    Bound::Unbounded => {}
                }
                let and = if matches!(start, Bound::Unbounded) {
                    ""
                } else {
                    " and "
                };
                match end {
                    Bound::Included(end) => write!(f, "{and}{path} <= {}", Shown(end)),
                    Bound::Excluded(end) => write!(f, "{and}{path} < {}", Shown(end)),
                    Bound::Unbounded => Ok(()),
                }
            }
            Test::Prefix(prefix) => write!(f, "{path} starts with {prefix:?}"),
        }
    }
}

struct Shown<'a>(&'a Term);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.value() {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => value.fmt(f),
            Value::I64(value) => value.fmt(f),
            Value::U64(value) => value.fmt(f),
            Value::F64(value) => value.fmt(f),
            Value::String(text) => fmt::Debug::fmt(text, f),
            Value::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Value::Array(items) => write!(f, "an array of {}", items.len()),
            Value::Map(fields) => write!(f, "a map of {}", fields.len()),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, parts: &[Predicate], word: &str) -> fmt::Result {
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            f.write_str(word)?;
        }
        match &part.0 {
            Node::All(inner) | Node::Any(inner) if inner.len() > 1 => write!(f, "({part})")?,
            _ => write!(f, "{part}")?,
        }
    }
    Ok(())
}
