//! Records, envelopes, versions, keys and names.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| layerstore_record::fuzzing::decoders(input));
