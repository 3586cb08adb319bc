//! One opener a directory, and directories that survive a power cut.

use std::fs::{DirEntry, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use layerstore_kv::{KvError, KvErrorKind, KvOperation, KvResult};

use crate::convert::convert_io;

/// Our lock file. It is never removed: removing it would let two openers lock two files of one name.
const LOCK_FILE: &str = "layerstore.lock";

/// Longest lock file content that is read: a process number.
const MAX_PID_LEN: u64 = 20;

/// Holds the directory until dropped. The operating system lets go of it when the process ends, however it ends.
pub(crate) struct DirectoryLock {
    file: File,
}

impl DirectoryLock {
    /// Creates the directory where it is missing, and locks it.
    pub(crate) fn acquire(dir: &Path) -> KvResult<Self> {
        create_durably(dir).map_err(|error| convert_io(KvOperation::Open, error))?;
        let mut file = open_lock_file(dir).map_err(|error| convert_io(KvOperation::Open, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let kind = KvErrorKind::AlreadyOpen {
                    path: dir.to_path_buf(),
                    pid: read_pid(&mut file),
                };
                return Err(KvError::new(kind, KvOperation::Open));
            }
            Err(TryLockError::Error(error)) => return Err(convert_io(KvOperation::Open, error)),
        }
        write_pid(&mut file).map_err(|error| convert_io(KvOperation::Open, error))?;
        Ok(Self { file })
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing alone would not do: a process that another thread is starting right now holds a copy of the file,
        // and with it the lock, until it has become its program. Should this fail, closing does the rest.
        let _ = self.file.unlock();
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(dir: &Path) -> io::Result<()> {
    // Windows cannot open a directory as a file, and makes names durable by itself.
    if cfg!(windows) {
        Ok(())
    } else {
        File::open(dir)?.sync_all()
    }
}

/// Takes away what a creation left that a crash or a full disk cut short: fjall would neither finish it nor open it.
///
/// fjall writes its version last; before that there is a journal without entries, and no keyspace. Anything else is left
/// alone.
pub(crate) fn clear_unfinished(dir: &Path) -> KvResult<()> {
    clear_unfinished_files(dir).map_err(|error| convert_io(KvOperation::Open, error))
}

fn clear_unfinished_files(dir: &Path) -> io::Result<()> {
    let is_finished = std::fs::metadata(dir.join("version")).is_ok_and(|version| version.len() > 0);
    if is_finished || !entries(&dir.join("keyspaces"))?.is_empty() {
        return Ok(());
    }
    for name in ["0.jnl", "version"] {
        match std::fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    sync_directory(dir)
}

/// Refuses names that fjall would panic over, and then abort the process: folders of keyspaces that are no numbers
/// (as `lost+found`), and journals that are no files.
pub(crate) fn check_names(dir: &Path) -> KvResult<()> {
    let fail = |error| convert_io(KvOperation::Open, error);
    for entry in entries(&dir.join("keyspaces")).map_err(fail)? {
        let is_number = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.parse::<u64>().is_ok());
        if entry.file_type().map_err(fail)?.is_dir() && !is_number {
            return Err(stranger(&entry.path()));
        }
    }
    for entry in entries(dir).map_err(fail)? {
        if is_journal(&entry.path()) && !entry.file_type().map_err(fail)?.is_file() {
            return Err(stranger(&entry.path()));
        }
    }
    Ok(())
}

/// Tells whether fjall takes this for a journal.
pub(crate) fn is_journal(path: &Path) -> bool {
    path.extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("jnl"))
}

/// Refuses a directory whose keyspaces fjall would forget: where its own account of them has no current version, it begins a new
/// one, and removes the keyspaces that are not in it.
pub(crate) fn check_account(dir: &Path) -> KvResult<()> {
    let fail = |error| convert_io(KvOperation::Open, error);
    let keyspaces = dir.join("keyspaces");
    let account = keyspaces.join("0/current");
    let others = entries(&keyspaces).map_err(fail)?;
    let is_other = |entry: &DirEntry| entry.file_name() != "0";
    if others.iter().any(is_other) && !account.try_exists().map_err(fail)? {
        let what = format!("{} is missing: without it no record is found", account.display());
        return Err(KvError::new(KvErrorKind::Corrupt, KvOperation::Open).caused_by(what));
    }
    Ok(())
}

/// Tells whether a directory holds a store or what is left of one, going by names alone. One that cannot be read may.
pub(crate) fn holds_store(dir: &Path) -> bool {
    let Ok(entries) = entries(dir) else {
        return true;
    };
    entries.iter().any(|entry| {
        let name = entry.file_name();
        name == LOCK_FILE || name == "version" || name == "keyspaces" || is_journal(&entry.path())
    })
}

/// Lists a directory; one that is not there has nothing.
pub(crate) fn entries(dir: &Path) -> io::Result<Vec<DirEntry>> {
    match std::fs::read_dir(dir) {
        Ok(entries) => entries.collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn stranger(path: &Path) -> KvError {
    let what = format!("{} does not belong there: move it away", path.display());
    KvError::new(KvErrorKind::Corrupt, KvOperation::Open).caused_by(what)
}

/// Creates a directory and those above it, and makes their names durable: without that, a power cut can take a
/// directory away with everything that was synced inside it.
fn create_durably(dir: &Path) -> io::Result<()> {
    let dir = std::path::absolute(dir)?;
    let missing: Vec<_> = dir
        .ancestors()
        .take_while(|ancestor| !ancestor.exists())
        .collect();
    std::fs::create_dir_all(&dir)?;
    for parent in missing.iter().filter_map(|created| created.parent()) {
        sync_directory(parent)?;
    }
    Ok(())
}

fn open_lock_file(dir: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(dir.join(LOCK_FILE))
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    write!(file, "{}", std::process::id())
}

/// The holder may be about to write it: then it is not known.
fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(MAX_PID_LEN).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_opener_is_told_who_has_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/er");
        let held = DirectoryLock::acquire(&path).unwrap();
        let Err(refused) = DirectoryLock::acquire(&path) else {
            panic!("two openers")
        };
        let expected = KvErrorKind::AlreadyOpen {
            path: path.clone(),
            pid: Some(std::process::id()),
        };
        assert_eq!(refused.kind(), &expected);
        drop(held);
        assert!(DirectoryLock::acquire(&path).is_ok());
    }

    #[test]
    fn a_directory_holds_a_store_as_long_as_anything_is_left_of_it() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!holds_store(&dir.path().join("missing")) && !holds_store(dir.path()));
        std::fs::write(dir.path().join("mine.txt"), "kept").unwrap();
        assert!(!holds_store(dir.path()));
        for name in [LOCK_FILE, "version", "keyspaces", "7.jnl"] {
            std::fs::write(dir.path().join(name), "").unwrap();
            assert!(holds_store(dir.path()), "{name}");
            std::fs::remove_file(dir.path().join(name)).unwrap();
        }
        // Opening it says what is wrong.
        assert!(holds_store(&dir.path().join("mine.txt")));
    }

    #[test]
    fn what_a_creation_left_that_was_cut_short_is_taken_away_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir(path("keyspaces")).unwrap();
        std::fs::write(path("0.jnl"), [0; 64]).unwrap();
        std::fs::write(path("version"), "").unwrap();
        std::fs::write(path("mine.txt"), "kept").unwrap();
        clear_unfinished(dir.path()).unwrap();
        assert!(!path("0.jnl").exists() && !path("version").exists() && path("mine.txt").exists());
        // A finished store is left alone, and so is one with keyspaces that has lost its version.
        std::fs::write(path("0.jnl"), [0; 64]).unwrap();
        std::fs::write(path("version"), "FJL").unwrap();
        clear_unfinished(dir.path()).unwrap();
        std::fs::remove_file(path("version")).unwrap();
        std::fs::create_dir(path("keyspaces/0")).unwrap();
        clear_unfinished(dir.path()).unwrap();
        assert!(path("0.jnl").exists());
    }

    #[test]
    fn a_lock_file_left_by_a_dead_process_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(LOCK_FILE), "12345678901234567890 nonsense").unwrap();
        let held = DirectoryLock::acquire(dir.path());
        assert!(held.is_ok());
        let text = std::fs::read_to_string(dir.path().join(LOCK_FILE)).unwrap();
        assert_eq!(text, std::process::id().to_string());
    }
}
