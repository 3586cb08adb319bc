//! The clauses of `KvBackend` for the backend in memory.

use layerstore_kv::MemoryKv;
use layerstore_testkit::kv::KvSubject;

layerstore_testkit::kv_conformance!(memory, KvSubject::volatile(MemoryKv::new));
