//! A disk that tells when a sync of a segment has returned.

use std::io;

use layerstore_write_behind::{DiskStorage, Storage, StorageFile};

use crate::moment::Moment;
use crate::told::Told;

#[derive(Debug)]
pub(crate) struct WatchedStorage(pub(crate) DiskStorage);

#[derive(Debug)]
struct WatchedFile {
    file: Box<dyn StorageFile>,
    is_segment: bool,
}

impl WatchedStorage {
    fn watch(name: &str, file: Box<dyn StorageFile>) -> Box<dyn StorageFile> {
        let is_segment = name.contains("segment");
        Box::new(WatchedFile { file, is_segment })
    }
}

impl Storage for WatchedStorage {
    fn place(&self) -> String {
        self.0.place()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        Ok(Self::watch(name, self.0.open(name)?))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        Ok(Self::watch(name, self.0.create(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        self.0.unlink(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.0.sync_dir()
    }
}

impl StorageFile for WatchedFile {
    fn len(&mut self) -> io::Result<u64> {
        self.file.len()
    }

    fn is_empty(&mut self) -> io::Result<bool> {
        self.file.is_empty()
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.append(bytes)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, buffer)
    }

    fn sync(&mut self) -> io::Result<()> {
        let begun = Moment::now();
        self.file.sync()?;
        if self.is_segment {
            let at = Moment::now();
            Told::Synced { begun, at }.tell();
        }
        Ok(())
    }
}
