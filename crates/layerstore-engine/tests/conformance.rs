//! The clauses of `StorageEngine` for the hash map engine, the history test R11 and the model test R14.

use layerstore_engine::HashMapEngine;

layerstore_testkit::engine_conformance!(hash_map, HashMapEngine::new);
