//! Which tests prove what, and under which name they are run.

/// A line of `docs/proof.md`: the tests of one package that prove one promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) suite: &'static str,
    /// The number in the list of what must be proven.
    pub(crate) id: &'static str,
    pub(crate) package: &'static str,
    /// What the names of the tests begin with.
    pub(crate) filter: &'static str,
    pub(crate) what: &'static str,
}

/// The suite whose proofs are patches, not tests.
pub(crate) const DEFECTS: &str = "defects";

/// Every proof, by suite.
pub(crate) const PROOFS: &[Proof] = &[
    proof(
        "engine",
        "R11",
        "layerstore-engine",
        "r11_",
        "per-key linearizability of the engine, under resize",
    ),
    proof(
        "engine",
        "R14",
        "layerstore-engine",
        "r14_",
        "the engine against a BTreeMap",
    ),
    proof(
        "record-store",
        "R12",
        "layerstore-record-store",
        "r12_",
        "per-key linearizability and observer order",
    ),
    proof(
        "record-store",
        "M3",
        "layerstore-record-store",
        "m3_",
        "millions of calls with touching readers: no acknowledged write reverted, no removed record back",
    ),
    proof(
        "log",
        "R5",
        "layerstore-write-behind",
        "r5_",
        "a power cut at any write, sync or rename, under each policy: nothing lost that was promised",
    ),
    proof(
        "log",
        "R6",
        "layerstore-write-behind",
        "r6_",
        "a segment cut at every byte: the acknowledged prefix, or Corrupt",
    ),
    proof(
        "log",
        "R7",
        "layerstore-write-behind",
        "r7_",
        "every bit of a segment and of the sidecar flipped: found, or harmless",
    ),
    proof(
        "log",
        "R8",
        "layerstore-write-behind",
        "r8_",
        "damage of any shape: never a wrong value, never synced entries lost silently",
    ),
    proof(
        "log",
        "R9",
        "layerstore-write-behind",
        "r9_",
        "each of the first 200 syncs fails: nothing is acknowledged afterwards",
    ),
    proof(
        "log",
        "R10",
        "layerstore-write-behind",
        "r10_",
        "the disk fills up, at writes and at rotation: said, nothing lost, no restart",
    ),
    proof(
        "log",
        "R15",
        "layerstore-write-behind",
        "r15_",
        "every interleaving of group commit, watermark and closing, at three preemptions",
    ),
    proof(
        "log",
        "R28",
        "layerstore-write-behind",
        "r28_",
        "fixtures of every version of the log format open",
    ),
    proof(
        "log",
        "R24",
        "layerstore-write-behind",
        "r24_",
        "each named step of log and store fails, finds no space, takes long, or is where the process ends, and the next one taking over: answered by the contract, nothing lost, nothing invented",
    ),
    proof(
        "power",
        "R3",
        "layerstore-write-behind",
        "r3_",
        "the power really cut on ext4, amid eight writers under always: nothing acknowledged lost, wrong or invented",
    ),
    proof(
        "power",
        "R4",
        "layerstore-write-behind",
        "r4_",
        "the same under an interval of 10 ms: lost is what is younger than it and one sync; the rest is a prefix",
    ),
    proof(
        "backends",
        "R01",
        "layerstore-cli",
        "r01_",
        "kill -9 while importing: what was reported is there",
    ),
    proof(
        "backends",
        "M5",
        "layerstore-cli",
        "m5_",
        "a million records copied twice, to PostgreSQL and back, and to PostgreSQL, S3 and back, and a hundred thousand from one layout of objects to the other, export byte for byte; killed at random and gone on with, the same",
    ),
    proof(
        "backends",
        "R01",
        "layerstore-embedded",
        "r01_",
        "kill -9 while eight callers write: what was acknowledged is there",
    ),
    proof(
        "backends",
        "M1",
        "layerstore-embedded",
        "m1_",
        "a million records recovered exactly from the store itself",
    ),
    proof(
        "backends",
        "M1",
        "layerstore",
        "m1_",
        "a million records recovered exactly, under 1, 16 and 3 partitions",
    ),
    proof(
        "backends",
        "R14",
        "layerstore-kv",
        "r14_",
        "the in-memory byte store against a BTreeMap",
    ),
    proof(
        "backends",
        "R14",
        "layerstore-kv-fjall",
        "r14_",
        "the fjall byte store against a BTreeMap",
    ),
    proof(
        "backends",
        "R14",
        "layerstore-data-store",
        "r14_",
        "the in-memory data store against a BTreeMap",
    ),
    proof(
        "backends",
        "R14",
        "layerstore-embedded",
        "r14_",
        "the embedded data store against a BTreeMap",
    ),
    proof(
        "backends",
        "R14",
        "layerstore-postgres",
        "r14_",
        "the PostgreSQL data store against a BTreeMap, in both formats and without a session",
    ),
    proof(
        "backends",
        "R18",
        "layerstore-postgres",
        "r18_",
        "restarts of PostgreSQL and cut connections while writing through",
    ),
    proof(
        "backends",
        "R20",
        "layerstore-postgres",
        "r20_",
        "a PostgreSQL that takes connections and never answers",
    ),
    proof(
        "backends",
        "M4",
        "layerstore-postgres",
        "m4_",
        "two processes on one map of PostgreSQL under load: the later fences the earlier",
    ),
    proof(
        "backends",
        "R14",
        "layerstore-tiered",
        "r14_",
        "the tiered store against a BTreeMap, at rest and while it archives",
    ),
    proof(
        "backends",
        "R14",
        "layerstore",
        "r14_",
        "tiered stores against a BTreeMap, while records move: over the embedded one, and PostgreSQL with S3 behind it, an object a record and packed",
    ),
    proof(
        "backends",
        "R24",
        "layerstore-tiered",
        "r24_",
        "a stop, a lost or a late answer at every call of either tier: nothing lost, nothing back",
    ),
    proof(
        "backends",
        "R01",
        "layerstore",
        "r01_",
        "kill -9 while eight writers go on through write-behind, and again while that is taken over: what was acknowledged is there",
    ),
    proof(
        "backends",
        "R13",
        "layerstore",
        "r13_",
        "the calls on a key have one order, before kill -9 and after, from the log to the final store",
    ),
    proof(
        "backends",
        "R18",
        "layerstore",
        "r18_",
        "restarts of PostgreSQL and cut connections while write-behind flushes into it",
    ),
    proof(
        "backends",
        "R14",
        "layerstore-write-behind",
        "r14_",
        "the write-behind store against a BTreeMap: pending, flushed, logged, spilled and through",
    ),
    proof(
        "backends",
        "R16",
        "layerstore-write-behind",
        "r16_",
        "schedules of writers, flusher, readers and flushes over the queue, random and by priorities",
    ),
    proof(
        "backends",
        "R17",
        "layerstore-write-behind",
        "r17_",
        "an outage under load: memory bounded, nothing lost, right throughout, drained by itself",
    ),
    proof(
        "backends",
        "M6",
        "layerstore-write-behind",
        "m6_",
        "schedules of failures, late writes, retries, removals, clears, flushes and restarts against a sorted map",
    ),
    proof(
        "backends",
        "M7",
        "layerstore-write-behind",
        "m7_",
        "a flush covers every record acknowledged before it, at every phase of the worker",
    ),
    proof(
        "backends",
        "R28",
        "layerstore-record",
        "r28_",
        "fixtures of every version of the record format open",
    ),
    proof(
        "backends",
        "R28",
        "layerstore-embedded",
        "r28_",
        "fixtures of every version of the store format open",
    ),
    proof(
        "backends",
        "R28",
        "layerstore-postgres",
        "r28_",
        "fixtures of every version of the PostgreSQL tables open",
    ),
    proof(
        "backends",
        "R14",
        "layerstore-opendal",
        "r14_",
        "the object store against a BTreeMap",
    ),
    proof(
        "backends",
        "R19",
        "layerstore-opendal",
        "r19_",
        "object-store faults of every verb: no acknowledged write lost, retries bounded",
    ),
    proof(
        "backends",
        "R20",
        "layerstore-opendal",
        "r20_",
        "a service that never answers: every call ends in time",
    ),
    proof(
        "backends",
        "M4",
        "layerstore-opendal",
        "m4_",
        "two writers of a bucket: the later fences the earlier, whatever arrives late",
    ),
    proof(
        "backends",
        "R28",
        "layerstore-opendal",
        "r28_",
        "fixtures of every version of the object format open",
    ),
    proof(
        "backends",
        "R14",
        "layerstore-slatedb",
        "r14_",
        "packed records against a BTreeMap: the byte store in a directory, and maps in a bucket and in S3",
    ),
    proof(
        "backends",
        "R19",
        "layerstore-slatedb",
        "r19_",
        "the same faults below a packed layout: no acknowledged write lost, requests bounded",
    ),
    proof(
        "backends",
        "R20",
        "layerstore-slatedb",
        "r20_",
        "a service that never answers below a packed layout: every call ends in time",
    ),
    proof(
        "backends",
        "M4",
        "layerstore-slatedb",
        "m4_",
        "two processes on one packed map of S3 under load: the later fences the earlier",
    ),
    proof(
        "fuzz",
        "R23",
        "layerstore-record",
        "r23_",
        "the record decoder on hostile bytes",
    ),
    proof(
        "fuzz",
        "R23",
        "layerstore-embedded",
        "r23_",
        "the store's decoders on hostile bytes",
    ),
    proof(
        "fuzz",
        "R23",
        "layerstore-kv-fjall",
        "r23_",
        "the catalog on the fuzz corpus",
    ),
    proof(
        "fuzz",
        "R23",
        "layerstore",
        "r23_",
        "the configuration on the fuzz corpus",
    ),
    proof(
        "fuzz",
        "R23",
        "layerstore-cli",
        "r23_",
        "imports on the fuzz corpus; each file of a store damaged",
    ),
    proof(
        "fuzz",
        "R23",
        "layerstore-opendal",
        "r23_",
        "objects changed, cut and replaced: named, or read as they were",
    ),
    proof(
        "fuzz",
        "R23",
        "layerstore-write-behind",
        "r23_",
        "the log's decoders on the fuzz corpus",
    ),
    proof(
        "fuzz",
        "R23",
        "layerstore-sync",
        "r23_",
        "messages between replicas, changed at random behind a right checksum",
    ),
    proof(
        "observers",
        "R14",
        "layerstore-observer",
        "r14_",
        "the change feed against a model, and its numbers under threads",
    ),
    proof(
        "observers",
        "M8",
        "layerstore-observer",
        "m8_",
        "Merkle trees of random pairs: equal if and only if the records are, and every difference found",
    ),
    proof(
        "observers",
        "M9",
        "layerstore-sync",
        "m9_",
        "two to five replicas under lost, repeated, late and overtaken calls: equal in the end, no removed record back",
    ),
    proof(
        "observers",
        "M10",
        "layerstore-query",
        "m10_",
        "indexes of both kinds and modes and live queries equal a full scan at every step, with expiry, eviction, loads, blind sets, backups, clears and resets",
    ),
];

pub(super) const fn proof(
    suite: &'static str,
    id: &'static str,
    package: &'static str,
    filter: &'static str,
    what: &'static str,
) -> Proof {
    Proof {
        suite,
        id,
        package,
        filter,
        what,
    }
}

/// The row that the seeded defects fill.
pub(crate) const DEFECTS_PROOF: Proof = proof(
    DEFECTS,
    "R25",
    "all",
    "",
    "seeded defects: each is caught by the test that it names",
);

/// The suite that changes code as cargo-mutants does.
pub(crate) const MUTANTS: &str = "mutants";

/// The names of all suites, in the order of the table.
pub(crate) fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = PROOFS.iter().map(|proof| proof.suite).collect();
    names.dedup();
    names.extend([DEFECTS, MUTANTS]);
    names
}

#[cfg(test)]
mod tests {
    use super::{PROOFS, names};

    #[test]
    fn every_proof_has_a_row_of_its_own() {
        for (number, proof) in PROOFS.iter().enumerate() {
            let twins = PROOFS[..number]
                .iter()
                .filter(|other| (other.id, other.package) == (proof.id, proof.package));
            assert_eq!(twins.count(), 0, "{} {}", proof.id, proof.package);
            assert_eq!(proof.filter, format!("{}_", proof.id.to_lowercase()));
        }
    }

    #[test]
    fn suites_are_listed_once() {
        let suites = [
            "engine",
            "record-store",
            "log",
            "power",
            "backends",
            "fuzz",
            "observers",
            "defects",
            "mutants",
        ];
        assert_eq!(names(), suites);
    }
}
