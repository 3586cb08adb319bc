//! The clauses of `StorageEngine` for the second engine: all in memory, and with most records cold.

use layerstore_testkit::engine::BTreeEngine;

layerstore_testkit::engine_conformance!(resident, BTreeEngine::new);
layerstore_testkit::engine_conformance!(cold, || BTreeEngine::with_resident_limit(20));
