//! JSON, lines of it, and tables.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| layerstore_cli::fuzzing::import(input));
