//! One store at a time, where the service itself cannot keep a second writer out and is within reach of a lock.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use layerstore_data_store::{ErrorKind, StoreError};
use opendal::OperatorInfo;

use crate::convert::STORE;

/// Never removed: removing it would let two openers lock two files of one name.
const LOCK_FILE: &str = "layerstore.lock";

/// The longest process number that is read.
const MAX_PID_LEN: u64 = 20;

/// The places in the memory of this process that are open. Locked for a look or a change, never across an await.
static IN_MEMORY: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Holds a place until dropped.
#[derive(Debug)]
pub(crate) enum Exclusive {
    /// A directory, by a lock that the operating system lets go of when the process ends, however it ends.
    Directory(File),
    /// A place in the memory of this process.
    Memory(String),
}

impl Exclusive {
    /// Takes the place of an operator; `None` where no lock reaches. Blocks.
    pub(crate) fn acquire(info: &OperatorInfo) -> Result<Option<Self>, StoreError> {
        match info.scheme() {
            "fs" => lock_directory(&PathBuf::from(info.root())).map(Some),
            "memory" => {
                let place = format!("{}{}", info.name(), info.root());
                if in_memory().insert(place.clone()) {
                    Ok(Some(Self::Memory(place)))
                } else {
                    Err(taken("this place in memory is open already".to_owned()))
                }
            }
            _ => Ok(None),
        }
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        match self {
            // Closing alone would not do: a process that is being started holds a copy of the file until it runs.
            Self::Directory(file) => drop(file.unlock()),
            Self::Memory(place) => drop(in_memory().remove(place)),
        }
    }
}

fn in_memory() -> MutexGuard<'static, BTreeSet<String>> {
    IN_MEMORY.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lock_directory(root: &Path) -> Result<Exclusive, StoreError> {
    let fail = |error: std::io::Error| {
        let what = format!("the directory {} cannot be locked", root.display());
        StoreError::new(ErrorKind::Forbidden, STORE, "open", what).because(error)
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(root.join(LOCK_FILE))
        .map_err(fail)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let by = match read_pid(&mut file) {
                Some(pid) => format!("process {pid} has"),
                None => "another process has".to_owned(),
            };
            return Err(taken(format!("{by} {} open", root.display())));
        }
        Err(TryLockError::Error(error)) => return Err(fail(error)),
    }
    write_pid(&mut file).map_err(fail)?;
    Ok(Exclusive::Directory(file))
}

fn taken(what: String) -> StoreError {
    StoreError::new(ErrorKind::AlreadyOpen, STORE, "open", what)
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(MAX_PID_LEN).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    write!(file, "{}", std::process::id())
}
