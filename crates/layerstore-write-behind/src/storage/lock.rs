//! One opener a directory, and directories that survive a power cut.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use super::StorageError;

/// The lock file. It is never removed: removing it would let two openers lock two files of one name.
pub(super) const LOCK_FILE: &str = "layerstore.lock";

/// Longest lock file content that is read: a process number.
const MAX_PID_LEN: u64 = 20;

/// Holds the directory until dropped. The operating system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    file: File,
}

impl DirectoryLock {
    /// Creates the directory where it is missing, and locks it.
    pub(super) fn acquire(dir: &Path) -> Result<Self, StorageError> {
        let fail = |source| StorageError::Io {
            path: dir.to_path_buf(),
            source: Arc::new(source),
        };
        create_durably(dir).map_err(fail)?;
        let mut file = open_lock_file(dir).map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StorageError::AlreadyOpen {
                    path: dir.to_path_buf(),
                    pid: read_pid(&mut file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(fail(error)),
        }
        write_pid(&mut file).map_err(fail)?;
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
pub(super) fn sync_directory(dir: &Path) -> io::Result<()> {
    // Windows cannot open a directory as a file, and makes names durable by itself.
    if cfg!(windows) {
        Ok(())
    } else {
        File::open(dir)?.sync_all()
    }
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
