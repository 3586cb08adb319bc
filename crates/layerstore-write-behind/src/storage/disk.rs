use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::lock::{DirectoryLock, LOCK_FILE, sync_directory};
use super::{Storage, StorageError, StorageFile};

/// A directory of the file system, locked for as long as this lives; or one that is only read.
#[derive(Debug)]
pub struct DiskStorage {
    dir: PathBuf,
    /// Nothing is changed without it.
    lock: Option<DirectoryLock>,
}

impl DiskStorage {
    /// Opens a directory, which is created where it is missing, and locks it.
    ///
    /// # Errors
    /// [`StorageError::AlreadyOpen`] when somebody has it; [`StorageError::Io`] when the disk refuses.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, StorageError> {
        let dir = dir.into();
        let lock = Some(DirectoryLock::acquire(&dir)?);
        Ok(Self { dir, lock })
    }

    /// Opens a directory to look at it, also while somebody else has it. Every change is refused.
    #[must_use]
    pub fn read_only(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            lock: None,
        }
    }

    /// Returns the directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn for_change(&self) -> io::Result<()> {
        match self.lock {
            Some(_) => Ok(()),
            None => Err(io::Error::new(
                ErrorKind::PermissionDenied,
                "the directory was opened to be read only",
            )),
        }
    }
}

impl Storage for DiskStorage {
    fn place(&self) -> String {
        self.dir.display().to_string()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let entries = std::fs::read_dir(&self.dir)?.collect::<io::Result<Vec<_>>>()?;
        let names = entries
            .iter()
            .filter_map(|entry| entry.file_name().into_string().ok());
        Ok(names.filter(|name| name != LOCK_FILE).collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(self.lock.is_some())
            .open(self.dir.join(name))?;
        Ok(Box::new(DiskFile::new(file)))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        self.for_change()?;
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(true);
        Ok(Box::new(DiskFile::new(options.open(self.dir.join(name))?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.for_change()?;
        std::fs::rename(self.dir.join(from), self.dir.join(to))
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        self.for_change()?;
        std::fs::remove_file(self.dir.join(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.for_change()?;
        sync_directory(&self.dir)
    }
}

#[derive(Debug)]
struct DiskFile {
    file: File,
    /// Nothing but appends since the file was last moved to its end.
    is_at_end: bool,
}

impl DiskFile {
    fn new(file: File) -> Self {
        Self {
            file,
            is_at_end: false,
        }
    }

    fn seek(&mut self, to: SeekFrom) -> io::Result<()> {
        self.is_at_end = false;
        self.file.seek(to).map(drop)
    }
}

impl StorageFile for DiskFile {
    fn len(&mut self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.is_at_end {
            self.seek(SeekFrom::End(0))?;
        }
        let written = self.file.write_all(bytes);
        // Wherever a write that failed has left off, the next goes to the end.
        self.is_at_end = written.is_ok();
        written
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.seek(SeekFrom::Start(offset))?;
        self.file.write_all(bytes)
    }

    fn read_at(&mut self, offset: u64, mut buffer: &mut [u8]) -> io::Result<usize> {
        self.seek(SeekFrom::Start(offset))?;
        let mut total = 0;
        while !buffer.is_empty() {
            match self.file.read(buffer) {
                Ok(0) => break,
                Ok(read) => {
                    total += read;
                    buffer = buffer.split_at_mut(read).1;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(total)
    }

    fn sync(&mut self) -> io::Result<()> {
        // The length goes with the data; times need not.
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_opener_is_told_who_has_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/er");
        let held = DiskStorage::open(&path).unwrap();
        let Err(StorageError::AlreadyOpen { path: refused, pid }) = DiskStorage::open(&path) else {
            panic!("two openers")
        };
        assert_eq!((refused, pid), (path.clone(), Some(std::process::id())));
        drop(held);
        assert!(DiskStorage::open(&path).is_ok());
    }

    #[test]
    fn files_are_written_read_renamed_and_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let storage = DiskStorage::open(dir.path()).unwrap();
        let mut file = storage.create("a.new").unwrap();
        assert!(file.is_empty().unwrap());
        file.append(b"hello").unwrap();
        file.write_at(1, b"ipp").unwrap();
        file.append(b"!").unwrap();
        file.sync().unwrap();
        storage.rename("a.new", "a").unwrap();
        storage.sync_dir().unwrap();
        assert_eq!(storage.list().unwrap(), ["a"]);
        let mut buffer = [0; 8];
        let mut again = storage.open("a").unwrap();
        assert_eq!(again.read_at(1, &mut buffer).unwrap(), 5);
        assert_eq!((&buffer[..5], again.len().unwrap()), (&b"ippo!"[..], 6));
        assert_eq!(storage.open("b").unwrap_err().kind(), ErrorKind::NotFound);
        storage.unlink("a").unwrap();
        assert!(storage.list().unwrap().is_empty());
    }

    #[test]
    fn what_is_opened_to_be_read_is_not_changed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "kept").unwrap();
        let storage = DiskStorage::read_only(dir.path());
        assert!(storage.open("a").unwrap().append(b"x").is_err());
        for refused in [
            storage.create("b").map(drop),
            storage.unlink("a"),
            storage.rename("a", "b"),
            storage.sync_dir(),
        ] {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::PermissionDenied);
        }
        assert_eq!(std::fs::read(dir.path().join("a")).unwrap(), b"kept");
        assert_eq!(storage.list().unwrap(), ["a"]);
    }
}
