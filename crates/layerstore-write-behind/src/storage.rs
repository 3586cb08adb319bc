//! The only way to files, so that a simulated disk can stand in for a real one.

mod disk;
mod lock;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

pub use disk::DiskStorage;

/// A folder of files, for one owner at a time. Synchronous: never call it on a thread that runs futures.
///
/// Names are plain file names. What a call did is on disk for sure only after a sync: of the file for its content, of
/// the directory for names. An error with the kind [`io::ErrorKind::StorageFull`] says that space is missing, and leaves
/// the storage usable.
pub trait Storage: fmt::Debug + Send + Sync {
    /// Says where the files are, for messages.
    fn place(&self) -> String;

    /// Returns the names of all files, in any order.
    ///
    /// # Errors
    /// Those of the disk.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Opens a file to read and write.
    ///
    /// # Errors
    /// Those of the disk; [`io::ErrorKind::NotFound`] where there is none of this name.
    fn open(&self, name: &str) -> io::Result<Box<dyn StorageFile>>;

    /// Creates an empty file, in place of one that has the name.
    ///
    /// # Errors
    /// Those of the disk.
    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>>;

    /// Gives a file another name, in place of the file that has it.
    ///
    /// # Errors
    /// Those of the disk.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Takes a file away.
    ///
    /// # Errors
    /// Those of the disk; [`io::ErrorKind::NotFound`] where there is none of this name.
    fn unlink(&self, name: &str) -> io::Result<()>;

    /// Makes names durable: what was created, renamed and taken away before the call.
    ///
    /// # Errors
    /// Those of the disk. Which names are durable is then unknown.
    fn sync_dir(&self) -> io::Result<()>;
}

/// An open file. It stays usable when its name goes.
pub trait StorageFile: fmt::Debug + Send {
    /// Returns the length in bytes.
    ///
    /// # Errors
    /// Those of the disk.
    fn len(&mut self) -> io::Result<u64>;

    /// Tells whether there is nothing in it.
    ///
    /// # Errors
    /// Those of the disk.
    fn is_empty(&mut self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Writes at the end. After an error any part of `bytes` may be there.
    ///
    /// # Errors
    /// Those of the disk.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Writes at a place. After an error any part of `bytes` may be there.
    ///
    /// # Errors
    /// Those of the disk.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Fills `buffer` from a place; returns how much was there, less than asked for only at the end of the file.
    ///
    /// # Errors
    /// Those of the disk.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Makes what was written durable.
    ///
    /// # Errors
    /// Those of the disk. What was written since the last sync may then be lost, and a later sync that succeeds says
    /// nothing about it.
    fn sync(&mut self) -> io::Result<()>;
}

/// A storage could not be opened.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum StorageError {
    /// Somebody has the directory.
    #[error("{} is open{}: close it there first", path.display(), by(*pid))]
    AlreadyOpen {
        /// The directory.
        path: PathBuf,
        /// The process that has it, where it says so.
        pid: Option<u32>,
    },
    /// The disk refuses.
    #[error("{} cannot be opened", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
}

fn by(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" in process {pid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_where_and_by_whom() {
        let path = PathBuf::from("logs/users");
        let error = StorageError::AlreadyOpen {
            path: path.clone(),
            pid: Some(7),
        };
        assert_eq!(
            error.to_string(),
            "logs/users is open in process 7: close it there first"
        );
        let error = StorageError::AlreadyOpen { path, pid: None };
        assert_eq!(error.to_string(), "logs/users is open: close it there first");
    }
}
