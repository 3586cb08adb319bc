//! The clauses of `KvBackend` for fjall, reopening included.

use layerstore_kv_fjall::{FjallKv, FjallOptions};
use layerstore_testkit::kv::KvSubject;

layerstore_testkit::kv_conformance!(
    fjall,
    KvSubject::persistent(|dir| FjallKv::open(dir, FjallOptions::default()))
);
