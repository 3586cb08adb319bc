use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use layerstore_record::Value;

/// A value as predicates and indexes compare it.
///
/// The order is total: null, then false and true, numbers, texts, bytes, arrays, maps. Numbers are compared by what they
/// are worth, whatever holds them, and exactly: 5 equals 5.0, 0.0 equals -0.0, and NaN equals itself and is above every
/// other number. Texts and bytes are compared by their bytes; arrays and maps from the left, the shorter first.
///
/// ```
/// use layerstore_query::Term;
///
/// assert_eq!(Term::from(5), Term::from(5.0));
/// assert!(Term::from(u64::MAX) < Term::from(1e20) && Term::from(1e20) < Term::from(f64::NAN));
/// assert!(Term::from(99) < Term::from("1"), "numbers stand below texts");
/// ```
#[derive(Debug, Clone)]
pub struct Term(Value);

impl Term {
    /// Returns the value.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// Returns the least value of the kind that this one has: ranges end where the kind does.
    pub(crate) fn least_of_kind(&self) -> Self {
        Self(match &self.0 {
            Value::Null => Value::Null,
            Value::Bool(_) => false.into(),
            Value::I64(_) | Value::U64(_) | Value::F64(_) => f64::NEG_INFINITY.into(),
            Value::String(_) => "".into(),
            Value::Bytes(_) => Value::Bytes(Box::default()),
            Value::Array(_) => Value::Array(Box::default()),
            Value::Map(_) => Value::Map(layerstore_record::Fields::default()),
        })
    }
}

impl<V: Into<Value>> From<V> for Term {
    fn from(value: V) -> Self {
        Self(value.into())
    }
}

/// Compares two values in the order of [`Term`].
pub(crate) fn compare(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
        (Value::String(one), Value::String(other)) => one.cmp(other),
        (Value::Bytes(one), Value::Bytes(other)) => one.cmp(other),
        (Value::Array(one), Value::Array(other)) => {
            let pairs = one.iter().zip(other);
            let differing = pairs
                .map(|(one, other)| compare(one, other))
                .find(|order| order.is_ne());
            differing.unwrap_or_else(|| one.len().cmp(&other.len()))
        }
        (Value::Map(one), Value::Map(other)) => {
            let pairs = one.iter().zip(other.iter());
            let differing = pairs
                .map(|((name, value), (other_name, other_value))| {
                    name.cmp(other_name).then_with(|| compare(value, other_value))
                })
                .find(|order| order.is_ne());
            differing.unwrap_or_else(|| one.len().cmp(&other.len()))
        }
        _ => match (Number::of(one), Number::of(other)) {
            (Some(one), Some(other)) => one.compare(other),
            _ => kind(one).cmp(&kind(other)),
        },
    }
}

/// Returns the place of a value's kind in the order.
pub(crate) fn kind(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::I64(_) | Value::U64(_) | Value::F64(_) => 2,
        Value::String(_) => 3,
        Value::Bytes(_) => 4,
        Value::Array(_) => 5,
        Value::Map(_) => 6,
    }
}

/// What a number is worth: every integer of a value fits into the first, and a float that is one becomes one.
#[derive(Debug, Clone, Copy)]
enum Number {
    Whole(i128),
    Broken(f64),
}

/// Beyond it, 2 to the power of 65, no value holds an integer.
const LARGE: f64 = 36_893_488_147_419_103_232.0;

impl Number {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::I64(whole) => Some(Self::Whole((*whole).into())),
            Value::U64(whole) => Some(Self::Whole((*whole).into())),
            Value::F64(float) => Some(Self::of_float(*float)),
            _ => None,
        }
    }

    fn of_float(float: f64) -> Self {
        if float.abs() < LARGE && float.fract() == 0.0 {
            Self::Whole(truncated(float))
        } else {
            Self::Broken(float)
        }
    }

    fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => one.cmp(&other),
            (Self::Broken(one), Self::Broken(other)) => {
                let nan_last = || one.is_nan().cmp(&other.is_nan());
                one.partial_cmp(&other).unwrap_or_else(nan_last)
            }
            (Self::Whole(one), Self::Broken(other)) => compare_broken(other, one).reverse(),
            (Self::Broken(one), Self::Whole(other)) => compare_broken(one, other),
        }
    }
}

/// Compares a float that is no integer of ours with one that is: by sign where it is large, else by what is left of the point first.
fn compare_broken(broken: f64, whole: i128) -> Ordering {
    if broken.is_nan() || broken >= LARGE {
        return Ordering::Greater;
    }
    if broken <= -LARGE {
        return Ordering::Less;
    }
    let by_fraction = || broken.fract().partial_cmp(&0.0).unwrap_or(Ordering::Equal);
    truncated(broken).cmp(&whole).then_with(by_fraction)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the callers have made sure that it fits"
)]
fn truncated(float: f64) -> i128 {
    float.trunc() as i128
}

impl Ord for Term {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl PartialOrd for Term {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Term {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Term {}

impl Hash for Term {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(&self.0, state);
    }
}

/// Hashes a value such that what is equal in the order has one hash.
fn hash<H: Hasher>(value: &Value, state: &mut H) {
    kind(value).hash(state);
    match value {
        Value::Null => {}
        Value::Bool(value) => value.hash(state),
        Value::I64(_) | Value::U64(_) | Value::F64(_) => match Number::of(value) {
            Some(Number::Whole(whole)) => whole.hash(state),
            Some(Number::Broken(float)) if !float.is_nan() => float.to_bits().hash(state),
            _ => f64::NAN.to_bits().hash(state),
        },
        Value::String(text) => text.hash(state),
        Value::Bytes(bytes) => bytes.hash(state),
        Value::Array(items) => items.iter().for_each(|item| hash(item, state)),
        Value::Map(fields) => fields.iter().for_each(|(name, value)| {
            name.hash(state);
            hash(value, state);
        }),
    }
}
