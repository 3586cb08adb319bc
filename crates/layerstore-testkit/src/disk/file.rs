use std::io::{self, ErrorKind};

use layerstore_write_behind::StorageFile;

use super::SimulatedDisk;

#[derive(Debug)]
pub(super) struct SimulatedFile {
    disk: SimulatedDisk,
    id: usize,
}

impl SimulatedFile {
    pub(super) fn new(disk: SimulatedDisk, id: usize) -> Self {
        Self { disk, id }
    }
}

impl StorageFile for SimulatedFile {
    fn len(&mut self) -> io::Result<u64> {
        let state = self.disk.lock();
        state.check()?;
        let file = state.files.get(self.id).ok_or(ErrorKind::NotFound)?;
        Ok(file.seen.len() as u64)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.lock();
        let end = state.files.get(self.id).ok_or(ErrorKind::NotFound)?.seen.len();
        state.write(self.id, end, bytes)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(|_| ErrorKind::InvalidInput)?;
        self.disk.lock().write(self.id, offset, bytes)
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.disk.lock();
        state.check()?;
        let file = state.files.get(self.id).ok_or(ErrorKind::NotFound)?;
        let offset = usize::try_from(offset).map_err(|_| ErrorKind::InvalidInput)?;
        let rest = file.seen.get(offset..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(read)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.lock().sync(self.id)
    }
}
