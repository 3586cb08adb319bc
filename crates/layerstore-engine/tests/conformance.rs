//! The clauses of `StorageEngine` for the hash map engine and for the guide's own one, the history test R11 and the
//! model test R14.

#[path = "../examples/own_engine.rs"]
mod own;

use layerstore_engine::HashMapEngine;

layerstore_testkit::engine_conformance!(hash_map, HashMapEngine::new);
layerstore_testkit::engine_conformance!(own_engine, own::SlotEngine::new);

#[test]
fn the_example_of_an_own_engine_runs() {
    assert!(own::main().is_ok());
}
