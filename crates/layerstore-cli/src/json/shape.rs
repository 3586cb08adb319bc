//! What JSON has no form for, as objects with one reserved field, and how users' own such objects are told apart.
//!
//! `{"$bytes": BASE64}` stands for bytes, `{"$float": "NaN"}` for a float that is not a number or not finite.
//! A user's own object with one field of such a name gets one more `$` in front, and so does one whose name already
//! has several: reading takes one away. Both directions are one-to-one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use layerstore::{Text, Value};

/// The reserved field for bytes.
pub(super) const BYTES: &str = "$bytes";
/// The reserved field for floats that JSON cannot write.
pub(super) const FLOAT: &str = "$float";

/// What an object with one field is.
#[derive(Debug, PartialEq)]
pub(super) enum Single {
    /// An object like any other.
    Plain,
    /// A user's object, whose field has this name.
    Escaped(Text),
    /// Bytes or a float.
    Stands(Value),
    /// A reserved name without what it stands for.
    Invalid {
        /// The reserved name.
        name: &'static str,
        /// What it would have to hold.
        stands_for: &'static str,
    },
}

/// Tells what an object with the one field `name` is.
pub(super) fn judge(name: &str, value: &Value) -> Single {
    let text = match value {
        Value::String(text) => Some(text.as_ref()),
        _ => None,
    };
    if name == BYTES {
        let bytes = text.and_then(|text| STANDARD.decode(text).ok());
        return stands(
            bytes.map(|bytes| Value::Bytes(bytes.into())),
            BYTES,
            "bytes, as padded standard base64",
        );
    }
    if name == FLOAT {
        let float = text.and_then(float_named);
        return stands(
            float.map(Value::F64),
            FLOAT,
            "\"NaN\", \"Infinity\" or \"-Infinity\"",
        );
    }
    match name.strip_prefix('$') {
        Some(inner) if is_reserved(inner) => Single::Escaped(inner.into()),
        _ => Single::Plain,
    }
}

/// Tells whether a user's object with the one field `name` must be escaped: `$bytes`, `$$bytes`, … and so on.
pub(super) fn is_reserved(name: &str) -> bool {
    name.starts_with('$') && matches!(name.trim_start_matches('$'), "bytes" | "float")
}

/// Encodes bytes.
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Names a float that JSON cannot write; every NaN is the same.
pub(super) fn float_name(number: f64) -> &'static str {
    if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

fn float_named(name: &str) -> Option<f64> {
    match name {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn stands(value: Option<Value>, name: &'static str, stands_for: &'static str) -> Single {
    value.map_or(Single::Invalid { name, stands_for }, Single::Stands)
}
