//! The files of a log: which there are, how they are read, and how new ones come to be.

use std::io;
use std::sync::Arc;

use layerstore_record::codec::CodecError;

use super::LogError;
use super::error::is_full;
use super::segment::{UNFINISHED, segment_of};
use super::sidecar::SIDECAR_FILE;
use crate::failpoints::{Failpoint, Failpoints};
use crate::storage::{Storage, StorageFile};

/// How much is read at once.
const CHUNK: usize = 1 << 20;

#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) failpoints: Failpoints,
}

/// What a directory holds of a log.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) has_sidecar: bool,
    /// In rising order.
    pub(crate) segments: Vec<u64>,
    /// Files that did not get their names before a crash.
    pub(crate) unfinished: Vec<String>,
}

/// A file operation that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    operation: &'static str,
    name: String,
    source: io::Error,
}

impl Failure {
    /// Tells whether the disk only has no space: then what was written before stands, and the same may work later. A sync
    /// that fails says nothing of the kind, whatever its error.
    fn is_for_now(&self) -> bool {
        is_full(&self.source) && self.operation != SYNC
    }
}

const SYNC: &str = "sync";

impl Files {
    /// Returns the name of a file with its folder, for messages.
    pub(crate) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.storage.place())
    }

    pub(crate) fn list(&self) -> Result<Listing, LogError> {
        let passed = self.failpoints.pass(Failpoint::RecoverList);
        let names = passed.and_then(|()| self.storage.list());
        let names = names.map_err(|error| self.unreadable("", error))?;
        let mut listing = Listing::default();
        for name in names {
            if name == SIDECAR_FILE {
                listing.has_sidecar = true;
            } else if let Some(segment) = segment_of(&name) {
                listing.segments.push(segment);
            } else if is_unfinished(&name) {
                listing.unfinished.push(name);
            }
        }
        listing.segments.sort_unstable();
        Ok(listing)
    }

    pub(crate) fn open(&self, name: &str) -> Result<Box<dyn StorageFile>, LogError> {
        self.storage
            .open(name)
            .map_err(|error| self.unreadable(name, error))
    }

    /// Reads a file from its start, at most `limit` bytes.
    pub(crate) fn read(&self, name: &str, limit: usize) -> Result<Vec<u8>, LogError> {
        let passed = self.failpoints.pass(Failpoint::RecoverRead);
        passed.map_err(|error| self.unreadable(name, error))?;
        let mut file = self.open(name)?;
        let mut bytes = Vec::new();
        while bytes.len() < limit {
            let (at, step) = (bytes.len(), CHUNK.min(limit - bytes.len()));
            bytes.resize(at + step, 0);
            let buffer = bytes.get_mut(at..).unwrap_or_default();
            let read = file
                .read_at(at as u64, buffer)
                .map_err(|error| self.unreadable(name, error))?;
            bytes.truncate(at + read);
            if read < step {
                break;
            }
        }
        Ok(bytes)
    }

    /// Writes a file whole, and gives it its name only then: a crash leaves all of it or none.
    pub(crate) fn create(&self, name: &str, bytes: &[u8]) -> Result<Box<dyn StorageFile>, Failure> {
        let unfinished = format!("{name}{UNFINISHED}");
        let made = self.create_unfinished(&unfinished, bytes);
        let file = match made {
            Ok(file) => file,
            Err(failure) => {
                // It holds space that is short, or is of no use. If it stays, the next opening takes it away.
                let _ = self.storage.unlink(&unfinished);
                return Err(failure);
            }
        };
        let passed = self.failpoints.pass(Failpoint::FileRename);
        let renamed = passed.and_then(|()| self.storage.rename(&unfinished, name));
        renamed.map_err(|source| failure("rename", name, source))?;
        let passed = self.failpoints.pass(Failpoint::FileRenamed);
        let synced = passed.and_then(|()| self.storage.sync_dir());
        let synced = synced.and_then(|()| self.failpoints.pass(Failpoint::FileNamed));
        synced.map_err(|source| failure(SYNC, "", source))?;
        Ok(file)
    }

    fn create_unfinished(&self, name: &str, bytes: &[u8]) -> Result<Box<dyn StorageFile>, Failure> {
        let passed = self.failpoints.pass(Failpoint::FileCreate);
        let created = passed.and_then(|()| self.storage.create(name));
        let mut file = created.map_err(|source| failure("create", name, source))?;
        let passed = self.failpoints.pass(Failpoint::FileWrite);
        let written = passed.and_then(|()| file.append(bytes));
        written.map_err(|source| failure("write", name, source))?;
        let passed = self.failpoints.pass(Failpoint::FileSync);
        let synced = passed.and_then(|()| file.sync());
        synced.map_err(|source| failure(SYNC, name, source))?;
        Ok(file)
    }

    /// Passes a step that is no call of the storage by itself.
    pub(crate) fn pass(&self, operation: &'static str, name: &str, at: Failpoint) -> Result<(), Failure> {
        self.failpoints
            .pass(at)
            .map_err(|source| failure(operation, name, source))
    }

    /// Takes files away; one that is gone already is as wanted.
    pub(crate) fn unlink(&self, names: impl IntoIterator<Item = String>) -> Result<(), Failure> {
        for name in names {
            match self.storage.unlink(&name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failure("remove", &name, error));
                }
                _ => {}
            }
            let passed = self.failpoints.pass(Failpoint::Unlinked);
            passed.map_err(|source| failure("remove", &name, source))?;
        }
        self.storage
            .sync_dir()
            .map_err(|source| failure(SYNC, "", source))
    }

    pub(crate) fn unreadable(&self, name: &str, source: io::Error) -> LogError {
        LogError::Unreadable {
            file: self.path(name),
            source: Arc::new(source),
        }
    }

    pub(crate) fn corrupt(&self, name: &str, offset: usize, what: &'static str) -> LogError {
        LogError::Corrupt {
            file: self.path(name),
            segment: segment_of(name).unwrap_or(0),
            offset: offset as u64,
            what,
        }
    }

    /// What an envelope at the start of a file says when it is not read.
    pub(crate) fn refused(&self, name: &str, error: CodecError) -> LogError {
        match error {
            CodecError::UnknownVersion { found, newest } => LogError::UnknownFormat {
                file: self.path(name),
                found,
                newest,
            },
            _ => self.corrupt(name, 0, "the header is not what was written"),
        }
    }

    /// Turns a failure into an error; the flag says whether what was written before still stands.
    pub(crate) fn error(&self, failure: Failure) -> (LogError, bool) {
        let file = self.path(&failure.name);
        if failure.is_for_now() {
            return (LogError::DiskFull { file }, true);
        }
        let error = LogError::Failed {
            operation: failure.operation,
            file,
            source: Arc::new(failure.source),
        };
        (error, false)
    }
}

pub(crate) fn failure(operation: &'static str, name: &str, source: io::Error) -> Failure {
    Failure {
        operation,
        name: name.to_owned(),
        source,
    }
}

/// Makes a failure of a sync.
pub(crate) fn sync_failure(name: &str, source: io::Error) -> Failure {
    failure(SYNC, name, source)
}

fn is_unfinished(name: &str) -> bool {
    name.strip_suffix(UNFINISHED)
        .is_some_and(|name| name == SIDECAR_FILE || segment_of(name).is_some())
}
