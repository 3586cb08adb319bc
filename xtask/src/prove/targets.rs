//! What libFuzzer shows, each target with its line of `docs/proof.md`.

use super::suites::{Proof, proof};

/// The suite that libFuzzer has a part in.
pub(crate) const FUZZ: &str = "fuzz";

/// What libFuzzer shows: the filter is the target.
pub(crate) const TARGETS: [Proof; 5] = [
    proof(
        FUZZ,
        "R23",
        "fuzz/record",
        "record",
        "libFuzzer: records, envelopes, keys and names",
    ),
    proof(
        FUZZ,
        "R23",
        "fuzz/store",
        "store",
        "libFuzzer: rows of the embedded store, keyspace catalog",
    ),
    proof(
        FUZZ,
        "R23",
        "fuzz/import",
        "import",
        "libFuzzer: JSON, lines and tables of an import",
    ),
    proof(
        FUZZ,
        "R23",
        "fuzz/config",
        "config",
        "libFuzzer: configuration files",
    ),
    proof(
        FUZZ,
        "R23",
        "fuzz/log",
        "log",
        "libFuzzer: segments, frames, entries and sidecar of the log",
    ),
];
