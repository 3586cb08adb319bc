//! Damaged tables: a read error is told, never skipped.

use std::path::{Path, PathBuf};

use fjall::{Database, KeyspaceCreateOptions};
use layerstore_kv::{Batch, Direction, Durability, KeyRange, KvBackend, KvErrorKind, KvRead};
use layerstore_kv_fjall::{FjallKv, FjallOptions};

const ROWS: u32 = 20_000;

fn open(dir: &Path) -> FjallKv {
    FjallKv::open(dir, FjallOptions::default()).unwrap()
}

/// Fills a keyspace and moves its rows from the journal into a table; returns the table's file.
fn table_of_rows(dir: &Path) -> PathBuf {
    let kv = open(dir);
    kv.create_keyspace(b"rows").unwrap();
    let mut batch = Batch::new();
    (0..ROWS).for_each(|n| batch.put(b"rows", n.to_be_bytes(), vec![7; 100]));
    assert!(kv.commit(&batch, Durability::Sync).is_ok());
    drop(kv);
    // What follows is done behind the store's back.
    std::fs::remove_file(dir.join("layerstore.seal")).unwrap();
    let db = Database::builder(dir).open().unwrap();
    db.keyspace("k1", KeyspaceCreateOptions::default)
        .unwrap()
        .rotate_memtable_and_wait()
        .unwrap();
    drop(db);
    tables(&dir.join("keyspaces"))
        .into_iter()
        .max_by_key(|table| table.metadata().unwrap().len())
        .expect("a table")
}

/// All tables of all keyspaces; the rows' is the largest.
fn tables(keyspaces: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(keyspaces)
        .unwrap()
        .map(|keyspace| keyspace.unwrap().path().join("tables"));
    folders
        .flat_map(|tables| {
            std::fs::read_dir(tables)
                .unwrap()
                .map(|table| table.unwrap().path())
        })
        .collect()
}

#[test]
fn k6_a_damaged_table_ends_a_scan_with_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let table = table_of_rows(dir.path());
    let mut bytes = std::fs::read(&table).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8].fill(0xA5);
    std::fs::write(&table, bytes).unwrap();

    let kv = open(dir.path());
    for direction in [Direction::Forward, Direction::Backward] {
        let mut scan = kv.scan(b"rows", KeyRange::all(), direction).unwrap();
        let read = scan.by_ref().take_while(Result::is_ok).count();
        assert!(
            read < ROWS as usize,
            "{direction:?}: all rows were read, the damage was not met"
        );
        assert!(scan.next().is_none(), "nothing after the error");
        let last = kv
            .scan(b"rows", KeyRange::all(), direction)
            .unwrap()
            .last()
            .expect("rows");
        let error = last.expect_err("the scan ended early and quietly");
        assert_eq!(
            (error.kind(), error.keyspace()),
            (&KvErrorKind::Corrupt, Some(&b"rows"[..])),
            "{error}"
        );
    }
    let failed = (0..ROWS)
        .filter_map(|n| kv.get(b"rows", &n.to_be_bytes()).err())
        .collect::<Vec<_>>();
    assert!(!failed.is_empty() && failed.iter().all(|error| error.kind() == &KvErrorKind::Corrupt));
}

#[test]
fn a_directory_of_another_format_is_named_so() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    std::fs::write(dir.path().join("version"), b"FJL\x09").unwrap();
    let refused = FjallKv::open(dir.path(), FjallOptions::default()).unwrap_err();
    assert_eq!(refused.kind(), &KvErrorKind::UnknownFormat, "{refused}");
}

#[test]
fn a_damaged_directory_is_an_error_and_not_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    drop(table_of_rows(dir.path()));
    // fjall takes each name there for a number.
    std::fs::create_dir(dir.path().join("keyspaces/lost+found")).unwrap();
    let refused = FjallKv::open(dir.path(), FjallOptions::default()).unwrap_err();
    assert_eq!(refused.kind(), &KvErrorKind::Corrupt, "{refused}");
    std::fs::remove_dir(dir.path().join("keyspaces/lost+found")).unwrap();
    assert!(
        FjallKv::open(dir.path(), FjallOptions::default()).is_ok(),
        "the lock is free again"
    );
}

#[test]
fn a_journal_that_was_cut_while_the_store_was_closed_is_corrupt() {
    let dir = tempfile::tempdir().unwrap();
    let kv = open(dir.path());
    kv.create_keyspace(b"rows").unwrap();
    let mut batch = Batch::new();
    batch.put(b"rows", b"k", b"v");
    assert!(kv.commit(&batch, Durability::Sync).is_ok());
    drop(kv);
    let journal = dir.path().join("0.jnl");
    let whole = std::fs::read(&journal).unwrap();
    std::fs::write(&journal, &whole[..whole.len() - 1]).unwrap();
    let refused = FjallKv::open(dir.path(), FjallOptions::default()).unwrap_err();
    assert_eq!(refused.kind(), &KvErrorKind::Corrupt, "{refused}");
    std::fs::write(&journal, whole).unwrap();
    assert_eq!(open(dir.path()).get(b"rows", b"k").unwrap(), Some(b"v".to_vec()));
}

#[test]
fn keyspaces_without_their_account_are_corrupt_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(table_of_rows(dir.path()));
    std::fs::remove_file(dir.path().join("keyspaces/0/current")).unwrap();
    let before = tables(&dir.path().join("keyspaces")).len();
    let refused = FjallKv::open(dir.path(), FjallOptions::default()).unwrap_err();
    assert_eq!(refused.kind(), &KvErrorKind::Corrupt, "{refused}");
    assert_eq!(tables(&dir.path().join("keyspaces")).len(), before);
}

#[test]
fn a_changed_list_of_tables_is_corrupt_and_not_a_smaller_store() {
    let dir = tempfile::tempdir().unwrap();
    drop(table_of_rows(dir.path()));
    let lists = || {
        let keyspaces = std::fs::read_dir(dir.path().join("keyspaces")).unwrap();
        let files = keyspaces.flat_map(|keyspace| std::fs::read_dir(keyspace.unwrap().path()).unwrap());
        let paths = files.map(|file| file.unwrap().path());
        paths.filter(|path| path.is_file() && path.extension().is_none())
    };
    for list in lists() {
        let whole = std::fs::read(&list).unwrap();
        // In the middle lie the numbers and checksums of tables.
        let mut bytes = whole.clone();
        bytes[whole.len() / 2] ^= 1;
        std::fs::write(&list, bytes).unwrap();
        let is_current = list.ends_with("current")
            || std::fs::read(list.with_file_name("current"))
                .is_ok_and(|current| list.ends_with(format!("v{}", current[0])));
        if is_current {
            let refused = FjallKv::open(dir.path(), FjallOptions::default()).unwrap_err();
            assert_eq!(
                refused.kind(),
                &KvErrorKind::Corrupt,
                "{}: {refused}",
                list.display()
            );
        }
        std::fs::write(&list, whole).unwrap();
    }
    assert!(FjallKv::open(dir.path(), FjallOptions::default()).is_ok());
}
