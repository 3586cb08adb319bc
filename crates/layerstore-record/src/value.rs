mod convert;
mod de;
mod error;
mod fields;
mod order;
mod ser;

use crate::text::Text;

pub use de::from_value;
pub use error::{ValueError, ValueErrorReason};
pub use fields::Fields;
pub use ser::to_value;

/// How deep arrays and maps may stand within each other: beyond it a value is refused, on the way in and out.
pub const MAX_DEPTH: usize = 64;

/// What a record holds: one of nine shapes, from and to anything that serde knows.
///
/// Integers that are not negative are [`Value::U64`] when they come through serde or `From`, so that equal
/// numbers are equal values. Comparison is total: floats are ordered by `f64::total_cmp`, so that NaN equals itself and
/// 0.0 is not -0.0.
///
/// ```
/// use layerstore_record::Value;
///
/// let value: Value = serde_json::from_str(r#"{"cart": {"items": 3}, "tags": ["a"]}"#)?;
/// assert_eq!(value.at(["cart", "items"]), Some(&Value::U64(3)));
/// assert_eq!(serde_json::to_string(&value)?, r#"{"cart":{"items":3},"tags":["a"]}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// An integer below zero (any `i64`, but see above).
    I64(i64),
    /// An integer from zero up.
    U64(u64),
    /// A floating-point number.
    F64(f64),
    /// Text.
    String(Text),
    /// Bytes.
    Bytes(Box<[u8]>),
    /// A sequence.
    Array(Box<[Value]>),
    /// Named values.
    Map(Fields),
}

impl Value {
    /// Returns how deep arrays and maps stand within each other: 0 for a plain value.
    ///
    /// Does not recurse further than one level beyond [`MAX_DEPTH`].
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth_within(MAX_DEPTH + 1)
    }

    /// Refuses a value that no store holds, before anything is done with it.
    ///
    /// # Errors
    /// [`ValueErrorReason::TooDeep`] beyond [`MAX_DEPTH`].
    pub fn check_depth(&self) -> Result<(), ValueError> {
        if self.depth() > MAX_DEPTH {
            return Err(ValueError::new(ValueErrorReason::TooDeep));
        }
        Ok(())
    }

    /// Returns the bytes that the value keeps on the heap, exact for what is asked of the allocator.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) | Self::I64(_) | Self::U64(_) | Self::F64(_) => 0,
            Self::String(text) => text.heap_bytes(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Array(items) => items
                .iter()
                .map(|item| size_of::<Self>() + item.heap_bytes())
                .sum(),
            Self::Map(fields) => fields.heap_bytes(),
        }
    }

    /// Returns the value at `path` (names of maps, in turn), if there is one.
    #[must_use]
    pub fn at<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Option<&Self> {
        path.into_iter().try_fold(self, |value, name| match value {
            Self::Map(fields) => fields.get(name),
            _ => None,
        })
    }

    fn depth_within(&self, limit: usize) -> usize {
        if limit == 0 {
            return 0;
        }
        let deepest = |depths: &mut dyn Iterator<Item = usize>| 1 + depths.max().unwrap_or(0);
        match self {
            Self::Array(items) => deepest(&mut items.iter().map(|item| item.depth_within(limit - 1))),
            Self::Map(fields) => deepest(&mut fields.iter().map(|(_, value)| value.depth_within(limit - 1))),
            _ => 0,
        }
    }
}
