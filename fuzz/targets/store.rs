//! The rows of an embedded store, and the catalog of its keyspaces.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    layerstore_embedded::fuzzing::decoders(input);
    layerstore_kv_fjall::fuzzing::decoders(input);
});
