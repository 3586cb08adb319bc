//! A disk in memory that loses power: what was not synced is dropped, torn or written out of order, syncs fail, space runs out.
//!
//! Every change is a step. A disk that is [cut](SimulatedDisk::cut_at) at a step fails there and ever after; [`SimulatedDisk::after`] is
//! what a machine finds when it starts again. The same seed gives the same image.
//!
//! ```
//! use layerstore_testkit::disk::{Restart, SimulatedDisk};
//! use layerstore_write_behind::Storage;
//!
//! let disk = SimulatedDisk::new();
//! let mut file = disk.create("a")?;
//! file.append(b"synced")?;
//! file.sync()?;
//! disk.sync_dir()?;
//! file.append(b", and not")?;
//! assert_eq!(disk.after(Restart::Drop, 7).contents("a").unwrap(), b"synced");
//! assert_eq!(disk.after(Restart::Keep, 7).contents("a").unwrap(), b"synced, and not");
//! # Ok::<(), std::io::Error>(())
//! ```

mod file;
mod restart;
mod state;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use layerstore_write_behind::{Storage, StorageFile};

use file::SimulatedFile;
use state::{NameChange, State};

pub use restart::Restart;
pub use state::SECTOR;

/// A disk in memory. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

impl SimulatedDisk {
    /// Makes an empty disk without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns this disk as it is now, going its own way from here, without its faults.
    #[must_use]
    pub fn fork(&self) -> Self {
        let mut state = self.lock().clone();
        state.faults = state::Faults::default();
        Self::of(state)
    }

    /// Returns the disk that a machine finds after a stop. Random choices come from the seed.
    #[must_use]
    pub fn after(&self, restart: Restart, seed: u64) -> Self {
        Self::of(restart.image(&self.lock(), seed))
    }

    /// Returns how many changes there were, failed ones included.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.lock().steps
    }

    /// Returns how many syncs there were, of files and of the directory, failed ones included.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// Takes the power away at a step: that change is under way, and every later call fails. Steps count from 1.
    pub fn cut_at(&self, step: u64) {
        self.lock().faults.cut_at = Some(step);
    }

    /// Lets a sync fail. What was to be synced can be read until the next restart, is lost then, and later syncs succeed without it.
    /// Syncs count from 1.
    pub fn fail_sync_at(&self, sync: u64) {
        self.lock().faults.fail_sync_at = Some(sync);
    }

    /// Bounds what all files may hold together, in bytes; more fails for want of space after a part of it was written.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock().faults.capacity = bytes;
    }

    /// Returns what all files hold together, in bytes.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.lock().used()
    }

    /// Returns the names of all files, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.lock().names.keys().cloned().collect()
    }

    /// Returns what a file holds, none where there is no such file.
    #[must_use]
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.lock();
        state.file(name).map(|file| file.seen.to_vec())
    }

    /// Changes a file behind the back of its owner, durably: what a bad disk does. Makes it where there is none.
    pub fn damage(&self, name: &str, contents: Vec<u8>) {
        self.lock().replace(name, contents);
    }

    /// Takes a file away behind the back of its owner, durably.
    pub fn lose(&self, name: &str) {
        self.lock().lose(name);
    }

    fn of(state: State) -> Self {
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// No lock is held while anything can panic but an assertion of this module.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_file(&self, id: usize) -> Box<dyn StorageFile> {
        Box::new(SimulatedFile::new(self.clone(), id))
    }
}

impl Storage for SimulatedDisk {
    fn place(&self) -> String {
        "simulated disk".to_owned()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let state = self.lock();
        state.check()?;
        Ok(state.names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        let state = self.lock();
        state.check()?;
        let id = state.id(name)?;
        drop(state);
        Ok(self.open_file(id))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        let mut state = self.lock();
        let id = state.create(name)?;
        drop(state);
        Ok(self.open_file(id))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock();
        let id = state.id(from)?;
        state.change_names(NameChange {
            removed: Some(from.to_owned()),
            given: Some((to.to_owned(), id)),
        })
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.id(name)?;
        state.change_names(NameChange {
            removed: Some(name.to_owned()),
            given: None,
        })
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.lock().sync_names()
    }
}
