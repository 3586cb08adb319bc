//! The list of tables that each keyspace has, checked before fjall believes it.
//!
//! fjall keeps such a list in a file of its own, a *version*, and names the current one in a file `current`, with its checksum. It
//! does not look at that checksum when it opens (lsm-tree 3.1 has it as a plan): a list with one bit changed opens without the
//! tables that it names no longer, or asks for as much memory as its numbers say. So the list is compared here first.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use layerstore_kv::{KvError, KvErrorKind, KvOperation, KvResult};
use xxhash_rust::xxh3::xxh3_128;

use crate::convert::convert_io;
use crate::directory::entries;

/// What `current` is made of: the number of the version (8 bytes), its checksum (16), the kind of checksum (1), little-endian.
const CURRENT_LEN: usize = 25;

/// The kind of checksum that is known: XXH3, 128 bits.
const XXH3: u8 = 0;

/// Compares the current version of every keyspace with its checksum. A keyspace without a current version is fjall's to judge.
///
/// # Errors
/// [`KvErrorKind::Corrupt`] with the file that is not what it was, or whatever kept it from being read.
pub(crate) fn check_versions(dir: &Path) -> KvResult<()> {
    let fail = |error| convert_io(KvOperation::Open, error);
    for keyspace in entries(&dir.join("keyspaces")).map_err(fail)? {
        let keyspace = keyspace.path();
        let Some(current) = read(&keyspace.join("current")).map_err(fail)? else {
            continue;
        };
        let Some((version, checksum)) = parse(&current) else {
            return Err(changed(&keyspace.join("current")));
        };
        let version: PathBuf = keyspace.join(format!("v{version}"));
        let bytes = read(&version).map_err(fail)?;
        if bytes.is_none_or(|bytes| xxh3_128(&bytes) != checksum) {
            return Err(changed(&version));
        }
    }
    Ok(())
}

/// Reads the number of the current version, and its checksum.
fn parse(current: &[u8]) -> Option<(u64, u128)> {
    if current.len() != CURRENT_LEN || current.last() != Some(&XXH3) {
        return None;
    }
    let (number, rest) = current.split_first_chunk()?;
    let checksum = rest.first_chunk()?;
    Some((u64::from_le_bytes(*number), u128::from_le_bytes(*checksum)))
}

/// Reads a file that may not be there. Versions are small: some forty bytes a table.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

fn changed(path: &Path) -> KvError {
    let what = format!(
        "{} is not as it was written, or not there, and records would be missing without it: restore the store from a backup",
        path.display()
    );
    KvError::new(KvErrorKind::Corrupt, KvOperation::Open).caused_by(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store whose records lie in tables; returns the version files that are current.
    fn tables(dir: &Path) -> Vec<PathBuf> {
        {
            let db = fjall::Database::builder(dir).open().unwrap();
            let keyspace = db.keyspace("k", fjall::KeyspaceCreateOptions::default).unwrap();
            keyspace.insert("key", "value").unwrap();
            keyspace.rotate_memtable_and_wait().unwrap();
        }
        let keyspaces = entries(&dir.join("keyspaces")).unwrap().into_iter();
        let current = keyspaces.filter_map(|keyspace| {
            let current = read(&keyspace.path().join("current")).unwrap()?;
            Some(keyspace.path().join(format!("v{}", parse(&current)?.0)))
        });
        current.collect()
    }

    #[test]
    fn no_bit_of_a_list_of_tables_changes_unnoticed() {
        let dir = tempfile::tempdir().unwrap();
        let versions = tables(dir.path());
        assert!(!versions.is_empty());
        check_versions(dir.path()).unwrap();
        for version in versions {
            let names = [version.clone(), version.with_file_name("current")];
            for path in names {
                let whole = std::fs::read(&path).unwrap();
                for bit in 0..whole.len() * 8 {
                    let mut bytes = whole.clone();
                    bytes[bit / 8] ^= 1 << (bit % 8);
                    std::fs::write(&path, bytes).unwrap();
                    let error = check_versions(dir.path()).unwrap_err();
                    assert!(matches!(error.kind(), KvErrorKind::Corrupt), "bit {bit}: {error}");
                }
                std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
                assert!(check_versions(dir.path()).is_err());
                std::fs::write(&path, whole).unwrap();
            }
        }
        check_versions(dir.path()).unwrap();
    }
}
