//! Which keyspaces exist: our own account of it.
//!
//! fjall keeps one too, but not one to rely on when keyspaces are dropped (found by the model test, with fjall 3.1.13):
//! the counter that orders its entries starts anew at open from the rows of the keyspaces that are left, so the entry
//! "dropped" can count as older than the entry "created". A keyspace that is made again under its old name then gets
//! the rows of its predecessor out of the journal. So:
//!
//! - each keyspace that is made gets a name in fjall that is never used twice;
//! - only those that this catalog names exist; others are removed when the directory is opened;
//! - the catalog is written after each change of fjall's account, so that the counter starts above it.

use std::collections::{BTreeMap, BTreeSet};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use layerstore_kv::{KvError, KvErrorKind, KvOperation, KvResult};

use crate::convert::{convert, convert_io, convert_write};
use crate::directory::sync_directory;
use crate::view::Keyspaces;

/// The version of what this file writes.
const FORMAT: u8 = 1;

/// The catalog's own name in fjall; the others are `k` and a number.
const CATALOG: &str = "catalog";

const FORMAT_KEY: &[u8] = b"f";
const NEXT_KEY: &[u8] = b"g";
const SEAL_KEY: &[u8] = b"s";
/// Before the name of a keyspace; the value is its number.
const NAME_PREFIX: u8 = b'n';

/// More than the entries that one change of fjall's account can be ahead of the catalog after a crash between the two.
const COUNTERS_TO_SKIP: u32 = 64;

/// Names, and the numbers of the keyspaces that hold their rows.
pub(crate) struct Catalog {
    rows: Keyspace,
    next: u64,
}

impl Catalog {
    /// Opens the catalog with the keyspaces that it names, and removes what a crash left beside them.
    pub(crate) fn open(db: &Database) -> KvResult<(Self, Keyspaces)> {
        let foreign = !db.keyspace_exists(CATALOG) && db.keyspace_count() > 0;
        if foreign {
            return Err(unknown_format(
                "the directory holds keyspaces that another program made",
            ));
        }
        let rows = make(db, CATALOG, KvOperation::Open)?;
        let (next, numbers) = read(&rows)?;
        let mut catalog = Self { rows, next };
        if next == 0 {
            catalog.next = 1;
            catalog.write(
                db,
                KvOperation::Open,
                &[
                    (FORMAT_KEY, Some(&[FORMAT])),
                    (NEXT_KEY, Some(&1_u64.to_be_bytes())),
                ],
            )?;
        }
        catalog.skip_counters(db)?;
        catalog.remove_orphans(db, &numbers)?;
        let keyspaces = open_named(db, numbers)?;
        Ok((catalog, keyspaces))
    }

    /// Makes a keyspace; durable when it returns.
    pub(crate) fn create(&mut self, db: &Database, name: &[u8]) -> KvResult<Keyspace> {
        let operation = KvOperation::CreateKeyspace;
        let number = self.next;
        // A crash before the catalog names it leaves an orphan, which open() removes.
        let handle = make(db, &physical(number), operation)?;
        self.next += 1;
        let entry = entry(name);
        let next = self.next.to_be_bytes();
        self.write(
            db,
            operation,
            &[(&entry, Some(&number.to_be_bytes())), (NEXT_KEY, Some(&next))],
        )?;
        Ok(handle)
    }

    /// Drops a keyspace; durable when it returns.
    pub(crate) fn remove(&self, db: &Database, name: &[u8], handle: Keyspace) -> KvResult<()> {
        let operation = KvOperation::DropKeyspace;
        // From here on it is gone; a crash before fjall has removed it leaves an orphan.
        self.write(db, operation, &[(&entry(name), None)])?;
        db.delete_keyspace(handle)
            .map_err(|error| convert_write(operation, error))?;
        self.seal(db, operation)
    }

    /// Writes the catalog after fjall's account has changed.
    fn seal(&self, db: &Database, operation: KvOperation) -> KvResult<()> {
        self.write(db, operation, &[(SEAL_KEY, Some(b""))])
    }

    fn write(&self, db: &Database, operation: KvOperation, rows: &[(&[u8], Option<&[u8]>)]) -> KvResult<()> {
        let mut batch = db.batch().durability(Some(PersistMode::SyncAll));
        for (key, value) in rows {
            match value {
                Some(value) => batch.insert(&self.rows, *key, *value),
                None => batch.remove(&self.rows, *key),
            }
        }
        batch.commit().map_err(|error| convert_write(operation, error))
    }

    fn skip_counters(&self, db: &Database) -> KvResult<()> {
        for _ in 0..COUNTERS_TO_SKIP {
            let mut batch = db.batch().durability(None);
            batch.insert(&self.rows, SEAL_KEY, b"");
            batch
                .commit()
                .map_err(|error| convert(KvOperation::Open, error))?;
        }
        Ok(())
    }

    fn remove_orphans(&mut self, db: &Database, numbers: &BTreeMap<Vec<u8>, u64>) -> KvResult<()> {
        let named: Vec<String> = numbers.values().copied().map(physical).collect();
        let mut removed = false;
        for text in db.list_keyspace_names() {
            if &*text == CATALOG || named.iter().any(|name| name.as_str() == &*text) {
                continue;
            }
            let Some(number) = number(&text) else {
                return Err(unknown_format(
                    "the directory holds a keyspace that another program made",
                ));
            };
            let handle = make(db, &text, KvOperation::Open)?;
            db.delete_keyspace(handle)
                .map_err(|error| convert(KvOperation::Open, error))?;
            self.next = self.next.max(number.saturating_add(1));
            removed = true;
        }
        if removed {
            self.seal(db, KvOperation::Open)
        } else {
            Ok(())
        }
    }
}

/// Returns the number that the next keyspace gets (0: the catalog is new), and the numbers of those that exist.
fn read(rows: &Keyspace) -> KvResult<(u64, BTreeMap<Vec<u8>, u64>)> {
    let mut account = Account::default();
    for row in rows.iter() {
        let (key, value) = row
            .into_inner()
            .map_err(|error| convert(KvOperation::Open, error))?;
        account.take(&key, &value)?;
    }
    account.finish()
}

/// What the rows of the catalog say, row by row.
#[derive(Debug, Default)]
pub(crate) struct Account {
    format: Option<u8>,
    next: u64,
    numbers: BTreeMap<Vec<u8>, u64>,
}

impl Account {
    /// Takes a row.
    pub(crate) fn take(&mut self, key: &[u8], value: &[u8]) -> KvResult<()> {
        match key {
            FORMAT_KEY => self.format = value.first().copied(),
            NEXT_KEY => self.next = parse(value)?,
            SEAL_KEY => {}
            [NAME_PREFIX, name @ ..] => {
                self.numbers.insert(name.to_vec(), parse(value)?);
            }
            _ => return Err(unknown_format("the catalog has a row of a later version")),
        }
        Ok(())
    }

    /// Returns the next number (0: the catalog is new) and the numbers of keyspaces, once all rows were taken.
    pub(crate) fn finish(self) -> KvResult<(u64, BTreeMap<Vec<u8>, u64>)> {
        match self.format {
            Some(FORMAT) => {}
            // A crash between making the catalog and writing to it.
            None if self.numbers.is_empty() => return Ok((0, self.numbers)),
            _ => return Err(unknown_format("the catalog is of another version")),
        }
        let next = self.next.max(1);
        // Two names of one number, or a number that is given again, would mix the rows of two keyspaces.
        let given: BTreeSet<u64> = self.numbers.values().copied().collect();
        if given.len() < self.numbers.len() || given.last().is_some_and(|last| *last >= next) {
            return Err(corrupt("the catalog gives a number twice"));
        }
        Ok((next, self.numbers))
    }
}

/// The rows that say this, as they are written.
#[cfg(any(test, fuzzing))]
pub(crate) fn account_rows(next: u64, numbers: &BTreeMap<Vec<u8>, u64>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let fixed = [
        (FORMAT_KEY.to_vec(), vec![FORMAT]),
        (NEXT_KEY.to_vec(), next.to_be_bytes().to_vec()),
    ];
    let names = numbers
        .iter()
        .map(|(name, number)| (entry(name), number.to_be_bytes().to_vec()));
    fixed.into_iter().chain(names).collect()
}

fn open_named(db: &Database, numbers: BTreeMap<Vec<u8>, u64>) -> KvResult<Keyspaces> {
    let mut keyspaces = Keyspaces::new();
    for (name, number) in numbers {
        let text = physical(number);
        if !db.keyspace_exists(&text) {
            let error = KvError::new(KvErrorKind::Corrupt, KvOperation::Open).in_keyspace(&name);
            return Err(error.caused_by("its files are missing"));
        }
        keyspaces.insert(name, make(db, &text, KvOperation::Open)?);
    }
    Ok(keyspaces)
}

/// Makes a keyspace of fjall, or opens the one of that name.
fn make(db: &Database, text: &str, operation: KvOperation) -> KvResult<Keyspace> {
    let new = !db.keyspace_exists(text);
    let handle = db
        .keyspace(text, KeyspaceCreateOptions::default)
        .map_err(|error| convert_write(operation, error))?;
    if let Some(parent) = handle.path().parent().filter(|_| new) {
        // fjall syncs the keyspace's own directory, not the one that names it.
        sync_directory(parent).map_err(|error| convert_io(operation, error).outcome_unknown())?;
    }
    Ok(handle)
}

/// The name in fjall of the keyspace of this number.
pub(crate) fn physical(number: u64) -> String {
    format!("k{number}")
}

/// The number of the keyspace of this name in fjall.
pub(crate) fn number(text: &str) -> Option<u64> {
    text.strip_prefix('k')?.parse().ok()
}

fn entry(name: &[u8]) -> Vec<u8> {
    [&[NAME_PREFIX], name].concat()
}

fn parse(value: &[u8]) -> KvResult<u64> {
    let bytes = value
        .try_into()
        .map_err(|_| corrupt("a number of the catalog has not 8 bytes"))?;
    Ok(u64::from_be_bytes(bytes))
}

fn corrupt(why: &'static str) -> KvError {
    KvError::new(KvErrorKind::Corrupt, KvOperation::Open).caused_by(why)
}

fn unknown_format(why: &'static str) -> KvError {
    KvError::new(KvErrorKind::UnknownFormat, KvOperation::Open).caused_by(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &std::path::Path) -> Database {
        Database::builder(dir).worker_threads(1).open().unwrap()
    }

    #[test]
    fn what_a_crash_left_beside_the_catalog_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let db = open(dir.path());
        let (mut catalog, _) = Catalog::open(&db).unwrap();
        catalog.create(&db, b"a").unwrap();
        // As if the process had died after fjall made the keyspace, and before the catalog named it.
        make(&db, &physical(2), KvOperation::CreateKeyspace).unwrap();
        drop((catalog, db));

        let db = open(dir.path());
        let (mut catalog, keyspaces) = Catalog::open(&db).unwrap();
        assert_eq!(keyspaces.keys().collect::<Vec<_>>(), [b"a"]);
        assert!(!db.keyspace_exists(&physical(2)));
        catalog.create(&db, b"b").unwrap();
        assert!(db.keyspace_exists(&physical(3)), "a number is never used twice");
    }

    #[test]
    fn a_keyspace_whose_files_are_missing_is_corrupt_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let db = open(dir.path());
        let (mut catalog, _) = Catalog::open(&db).unwrap();
        let handle = catalog.create(&db, b"a").unwrap();
        db.delete_keyspace(handle).unwrap();
        drop((catalog, db));
        let refused = Catalog::open(&open(dir.path())).err().unwrap();
        assert_eq!(
            (refused.kind(), refused.keyspace()),
            (&KvErrorKind::Corrupt, Some(&b"a"[..]))
        );
    }

    #[test]
    fn a_directory_of_another_program_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let db = open(dir.path());
        db.keyspace("items", KeyspaceCreateOptions::default).unwrap();
        assert_eq!(
            Catalog::open(&db).err().unwrap().kind(),
            &KvErrorKind::UnknownFormat
        );
    }

    #[test]
    fn a_catalog_that_gives_a_number_twice_is_corrupt() {
        for (next, second) in [(9_u64, 1_u64), (2, 2), (1, 0)] {
            let mut account = Account::default();
            let numbers = [(b"a".to_vec(), 1), (b"b".to_vec(), second)].into();
            for (key, value) in account_rows(next, &numbers) {
                account.take(&key, &value).unwrap();
            }
            let refused = account.finish().unwrap_err();
            assert_eq!(
                refused.kind(),
                &KvErrorKind::Corrupt,
                "next {next}, second {second}"
            );
        }
    }

    #[test]
    fn a_catalog_of_another_version_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let db = open(dir.path());
        let (catalog, _) = Catalog::open(&db).unwrap();
        catalog
            .write(&db, KvOperation::Open, &[(FORMAT_KEY, Some(&[2]))])
            .unwrap();
        drop(catalog);
        assert_eq!(
            Catalog::open(&db).err().unwrap().kind(),
            &KvErrorKind::UnknownFormat
        );
    }
}
