use std::fmt;

use thiserror::Error;

/// Where in a value something is: the fields and positions that lead there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(Box<str>),
    Index(usize),
}

/// Why a JSON text cannot be held. Names the field, never its value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Fault {
    /// Not JSON.
    #[error("not JSON: {what}, at column {column}")]
    Syntax {
        /// What is wrong with it.
        what: String,
        /// The byte column, from 1.
        column: usize,
    },
    /// A number that no `u64`, `i64` or `f64` equals.
    #[error(
        "{0}: the number cannot be held to the last digit (64-bit integers and floats are exact); \
         write it as a string"
    )]
    Inexact(Path),
    /// A field that comes twice in one object.
    #[error("{0}: the field comes twice in one object")]
    Twice(Path),
    /// Too many arrays and objects within each other.
    #[error("{0}: arrays and objects stand more than {max} deep", max = layerstore::MAX_DEPTH)]
    TooDeep(Path),
    /// An object with the one field `$bytes` or `$float` that does not hold such.
    #[error(
        "{at}: an object with the one field {name:?} stands for {stands_for}; write {name:?} with one more \"$\" for a field of that name"
    )]
    Shape {
        /// The object.
        at: Path,
        /// The reserved field name.
        name: &'static str,
        /// What it would have to hold.
        stands_for: &'static str,
    },
}

impl Path {
    /// Goes on to a field.
    pub(crate) fn field(&self, name: &str) -> Self {
        self.with(Step::Field(name.into()))
    }

    /// Goes on to a position of an array.
    pub(crate) fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    /// Counts how many arrays and objects lead here.
    pub(crate) fn depth(&self) -> usize {
        self.0.len()
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names of fields may be long or hold anything: enough to find them, quoted.
        const SHOWN: usize = 64;
        if self.0.is_empty() {
            return f.write_str("the whole value");
        }
        f.write_str("field ")?;
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Field(name) => {
                    let shown: String = name.chars().take(SHOWN).collect();
                    let dot = if place == 0 { "" } else { "." };
                    write!(f, "{dot}{}", shown.escape_debug())?;
                }
            }
        }
        Ok(())
    }
}
