//! Segments, frames, entries and the sidecar of the log of write-behind.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    layerstore_write_behind::fuzzing::decoders(input);
});
