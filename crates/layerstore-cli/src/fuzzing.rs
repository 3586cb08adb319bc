//! What the decoders of this crate must do with any bytes. The fuzz targets call it, and a test that replays their corpus;
//! no other build has it.

use crate::import::fuzzing::{lines, table};
use crate::json;

/// Reads `input` as JSON, as lines of JSON and as a table.
///
/// # Panics
/// When what is accepted is not read back from its JSON, or when a refusal is longer than a line.
pub fn import(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        json(text);
    }
    lines(input);
    table(input, false);
    table(input, true);
}

/// Reads one JSON text.
pub(crate) fn json(text: &str) {
    match json::read(text) {
        Ok(value) => comes_back(&value),
        Err(fault) => assert!(!fault.to_string().contains('\n'), "{fault}"),
    }
}

/// A value is one line of JSON, which is read as that value.
pub(crate) fn comes_back(value: &layerstore::Value) {
    let written = json::text(value);
    assert!(!written.contains('\n'));
    assert_eq!(json::read(&written).as_ref(), Ok(value), "{written}");
}

#[cfg(test)]
mod tests {
    use layerstore_testkit::proof;

    use super::import;

    #[test]
    fn r23_the_corpus_of_imports_is_harmless() {
        proof::replay("import", |_, input| import(input));
    }
}
