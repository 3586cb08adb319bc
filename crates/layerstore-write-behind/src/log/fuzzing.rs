//! What the decoders of the log must do with any bytes. The fuzz target calls it, and a test that replays its corpus; no other build
//! has it.

use super::entry::{LogEntry, Sequence, is_entry};
use super::frame::{Commit, FrameHeader, Seed};
use super::scan::Scan;
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader};
use super::sidecar;

/// Gives `input` to every decoder, as it is and behind a header that is right.
///
/// # Panics
/// When what a decoder accepts is not what we write.
pub fn decoders(input: &[u8]) {
    let seed = Seed::of(42);
    if let Ok(header) = SegmentHeader::read(input) {
        assert_eq!(
            Some(header.to_bytes().as_slice()),
            input.get(..SEGMENT_HEADER_BYTES)
        );
        segment(input, header, seed);
    }
    let header = SegmentHeader {
        identity: 42,
        segment: 1,
        base: 0,
        first_number: 1,
        last_sequence: 0,
    };
    segment(&[header.to_bytes().as_slice(), input].concat(), header, seed);
    frame(input, seed);
    let _ = sidecar::read(input);
    if let Some(commit) = Commit::read(input) {
        assert_eq!(commit.to_payload(), input);
    }
    entry(input);
}

fn segment(bytes: &[u8], header: SegmentHeader, seed: Seed) {
    let scan = Scan::of(bytes, header, seed);
    assert!(scan.end() <= bytes.len().max(SEGMENT_HEADER_BYTES));
    assert!(scan.flaw.is_none_or(|flaw| flaw.offset >= scan.end()));
    for found in &scan.entries {
        assert!(found.offset + found.bytes <= scan.end());
    }
}

/// A frame with the checksum made right, so that what follows it is looked at.
fn frame(input: &[u8], seed: Seed) {
    let header = FrameHeader {
        kind: super::frame::FrameKind::Entry,
        len: u32::try_from(input.len()).unwrap_or(u32::MAX),
        segment: 1,
        number: 1,
        sequence: 1,
        durable: 0,
        payload_crc: crc32c::crc32c(input),
    };
    let mut bytes = Vec::new();
    header.write(seed, input, &mut bytes);
    assert_eq!(FrameHeader::read(seed, &bytes), Some(header));
    assert_eq!(header.payload(&bytes), Some(input));
}

fn entry(payload: &[u8]) {
    if let Ok(entry) = LogEntry::read(Sequence(1), payload) {
        assert!(is_entry(payload));
        let again = match &entry.dead {
            None => super::NewEntry::write(entry.map, entry.key, entry.record),
            Some(reason) => super::NewEntry::dead_letter(entry.map, entry.key, entry.record, reason.as_str()),
        };
        // A record that was read is encoded to the same bytes.
        assert_eq!(
            again.encode().map(|encoded| encoded.payload).ok().as_deref(),
            Some(payload)
        );
    }
}

#[cfg(test)]
mod tests {
    use layerstore_testkit::proof;

    use super::decoders;

    #[test]
    fn r23_the_corpus_of_the_log_decoders_is_harmless() {
        proof::replay("log", |_, input| decoders(input));
    }
}
