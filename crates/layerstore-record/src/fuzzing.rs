//! What the decoders of this crate must do with any bytes. The fuzz targets call it, and a test that replays their corpus;
//! no other build has it.

use crate::codec::{FrameFormat, RECORD_FORMAT, decode_record, encode_record, encoded_len, frame, unframe};
use crate::{Key, MapName, Version};

/// Gives `input` to every decoder, as it is and in an envelope whose checksums are right.
///
/// # Panics
/// When what a decoder accepts does not encode to the same bytes again.
pub fn decoders(input: &[u8]) {
    record(input);
    if let Ok(framed) = frame(RECORD_FORMAT, input) {
        record(&framed);
    }
    envelope(input);
    if let Some(bytes) = input.first_chunk() {
        assert_eq!(Version::from_bytes(*bytes).to_bytes(), *bytes);
    }
    if let Ok(text) = std::str::from_utf8(input) {
        names(text);
    }
}

fn record(bytes: &[u8]) {
    let Ok(record) = decode_record(bytes) else { return };
    assert_eq!(encode_record(&record).as_deref(), Ok(bytes));
    assert_eq!(encoded_len(&record), Ok(bytes.len()));
}

/// An envelope of any kind, of several versions.
fn envelope(input: &[u8]) {
    let [kind, newest, bytes @ ..] = input else { return };
    let format = FrameFormat::new(*kind, *newest);
    if let Ok(found) = unframe(format, bytes) {
        assert!((1..=*newest).contains(&found.version));
        let again = frame(FrameFormat::new(*kind, found.version), found.payload);
        assert_eq!(again.as_deref(), Ok(bytes));
    }
}

fn names(text: &str) {
    if let Ok(key) = Key::new(text) {
        assert_eq!(key.as_bytes(), text.as_bytes());
    }
    if let Ok(map) = MapName::new(text) {
        assert_eq!(map.as_str(), text);
    }
}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;
    use layerstore_testkit::proof;

    use super::decoders;
    use crate::codec::{MAX_RECORD_BYTES, RECORD_FORMAT, decode_record, frame};

    #[test]
    fn r23_the_corpus_of_the_record_decoders_is_harmless() {
        proof::replay("record", |name, input| {
            decoders(input);
            let framed = frame(RECORD_FORMAT, input).unwrap();
            let taken = measure(|| drop(decode_record(&framed))).bytes_max;
            assert!(
                taken <= u64::try_from(MAX_RECORD_BYTES).unwrap(),
                "{name} took {taken} bytes"
            );
        });
    }
}
