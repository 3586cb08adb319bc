//! What reaches the disk, and what happens when it fails: with strace, which sees and injects system calls.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use layerstore_kv::{Batch, Durability, KvBackend, KvErrorKind, KvOperation, KvRead, KvResult, Outcome};
use layerstore_kv_fjall::{FjallKv, FjallOptions};
use layerstore_testkit::proof;

use crate::processes::{run, task};

const SYNCS: &str = "fsync,fdatasync";
/// What a journal is called while its calls fail.
const FAILING: &str = "failing";

fn has_strace(test: &str) -> bool {
    // Also where it is installed, it may not be permitted.
    let works = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    let works = works.is_ok_and(|output| output.status.success());
    if !works {
        proof::skip(test, "strace is not installed or not permitted");
    }
    works
}

fn strace(arguments: &[&str], log: &Path) -> Vec<String> {
    let mut wrapper: Vec<String> = ["strace", "-f", "-qq", "-o"].map(str::to_owned).into();
    wrapper.push(log.display().to_string());
    wrapper.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    wrapper
}

fn open(dir: &Path) -> FjallKv {
    FjallKv::open(dir, FjallOptions::default()).unwrap()
}

fn one(key: u32) -> Batch {
    let mut batch = Batch::new();
    batch.put(b"k", key.to_be_bytes(), vec![1; 100]);
    batch
}

/// Says something to the parent.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).unwrap();
}

/// Every commit with `Sync` syncs, none with `Buffered` does, and neither answers otherwise.
#[test]
fn k9_each_synced_commit_reaches_the_disk() {
    let name = "syscalls::k9_each_synced_commit_reaches_the_disk";
    if let Some((task, dir)) = task() {
        let kv = open(&dir);
        let durability = if task == "sync" {
            Durability::Sync
        } else {
            Durability::Buffered
        };
        (0..50).for_each(|n| assert!(kv.commit(&one(n), durability).is_ok()));
        return;
    }
    if !has_strace(name) {
        return;
    }
    let (dir, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    open(dir.path()).create_keyspace(b"k").unwrap();
    let syncs = |task: &str| {
        let log = logs.path().join(task);
        run(
            &strace(&["-e", &format!("trace={SYNCS}")], &log),
            name,
            task,
            dir.path(),
        );
        let log = std::fs::read_to_string(log).unwrap();
        log.lines().filter(|line| line.contains("sync(")).count()
    };
    let (buffered, synced) = (syncs("buffered"), syncs("sync"));
    assert!(synced >= 50, "{synced} syncs for 50 commits");
    assert!(buffered < 25, "{buffered} syncs for 50 buffered commits");
}

/// The first write that fails may or may not be there later, and says so; every later one is refused until reopening.
#[test]
fn a_failed_sync_poisons_the_store_until_it_is_opened_again() {
    failing(
        SYNCS,
        "EIO",
        &KvErrorKind::Io,
        "syscalls::a_failed_sync_poisons_the_store_until_it_is_opened_again",
    );
}

/// The same for a disk that is full, by name.
#[test]
fn a_full_disk_is_named_and_nothing_is_acknowledged_after_it() {
    let name = "syscalls::a_full_disk_is_named_and_nothing_is_acknowledged_after_it";
    failing("write", "ENOSPC", &KvErrorKind::DiskFull, name);
}

fn failing(calls: &str, error: &str, kind: &KvErrorKind, name: &str) {
    if let Some((_, dir)) = task() {
        return fail_in_child(&dir, kind);
    }
    if !has_strace(name) {
        return;
    }
    let (dir, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let kv = open(dir.path());
    kv.create_keyspace(b"k").unwrap();
    assert!(kv.commit(&one(0), Durability::Sync).is_ok());
    drop(kv);
    // Only the child's commits are to fail, so it gives the journal the name that strace looks for once it is open.
    let (journal, log) = (journal_of(dir.path()), logs.path().join("calls"));
    let renamed = dir.path().canonicalize().unwrap().join(FAILING);
    let (path, inject) = (
        renamed.display().to_string(),
        format!("inject={calls}:error={error}"),
    );
    let printed = run(
        &strace(&["-P", &path, "-e", &inject], &log),
        name,
        "fail",
        dir.path(),
    );
    assert!(printed.contains("FAILED AS IT SHOULD"), "{printed}");
    std::fs::rename(renamed, journal).unwrap();

    let kv = open(dir.path());
    assert!(
        kv.get(b"k", &0_u32.to_be_bytes()).unwrap().is_some(),
        "what was durable is there"
    );
    assert!(
        kv.get(b"k", &2_u32.to_be_bytes()).unwrap().is_none(),
        "what was refused is not"
    );
    assert!(
        kv.commit(&one(3), Durability::Sync).is_ok(),
        "opened again, it takes writes"
    );
}

fn fail_in_child(dir: &Path, kind: &KvErrorKind) {
    let kv = open(dir);
    std::fs::rename(journal_of(dir), dir.join(FAILING)).unwrap();
    let failed = kv.commit(&one(1), Durability::Sync).unwrap_err();
    assert_eq!(
        (failed.kind(), failed.outcome()),
        (kind, Outcome::Unknown),
        "{failed}"
    );
    assert!(
        kv.get(b"k", &0_u32.to_be_bytes()).unwrap().is_some(),
        "reads go on"
    );
    assert!(
        kv.get(b"k", &1_u32.to_be_bytes()).unwrap().is_none(),
        "what failed is not shown"
    );
    assert_refused(kv.commit(&one(2), Durability::Buffered), KvOperation::Commit);
    assert_refused(kv.commit(&one(2), Durability::Sync), KvOperation::Commit);
    assert_refused(kv.commit(&Batch::new(), Durability::Sync), KvOperation::Commit);
    assert_refused(kv.persist(), KvOperation::Persist);
    assert_refused(kv.create_keyspace(b"new"), KvOperation::CreateKeyspace);
    say("FAILED AS IT SHOULD");
    std::process::exit(0);
}

fn assert_refused<T: std::fmt::Debug>(answer: KvResult<T>, operation: KvOperation) {
    let refused = answer.unwrap_err();
    assert_eq!(
        (refused.kind(), refused.operation()),
        (&KvErrorKind::Poisoned, operation)
    );
    assert_eq!(
        (refused.outcome(), refused.is_retryable()),
        (Outcome::NotApplied, false)
    );
}

fn journal_of(dir: &Path) -> PathBuf {
    let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    files
        .filter(|file| file.extension().is_some_and(|end| end == "jnl"))
        .max()
        .expect("a journal")
}
