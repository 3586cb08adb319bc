//! The same by hand, as little as possible of it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use foldhash::fast::FixedState;
use layerstore_benches::BenchError;
use layerstore_data_store::Write;
use layerstore_record::codec::encode_record;
use layerstore_record::{Key, Record};

use crate::work::{Share, join};

/// How often the file is synced.
const INTERVAL: Duration = Duration::from_millis(10);

/// A queue, with a file where there is a log.
pub(crate) struct BareQueue {
    has_file: bool,
    inside: Mutex<Inside>,
}

struct Inside {
    pending: HashMap<Key, Arc<Record>, FixedState>,
    file: Option<BufWriter<File>>,
}

/// Syncs the file of a queue until it is dropped.
pub(crate) struct Syncing {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl BareQueue {
    pub(crate) fn new(file: Option<File>) -> Self {
        Self {
            has_file: file.is_some(),
            inside: Mutex::new(Inside {
                pending: HashMap::default(),
                file: file.map(BufWriter::new),
            }),
        }
    }

    /// Begins one with a file, and a thread that syncs it.
    pub(crate) fn with_file(path: &Path) -> Result<(Arc<Self>, Syncing), BenchError> {
        let file = File::create(path)?;
        let synced = file.try_clone()?;
        let queue = Arc::new(Self::new(Some(file)));
        let stop = Arc::new(AtomicBool::new(false));
        let syncing = Syncing {
            stop: Arc::clone(&stop),
            thread: Some(std::thread::spawn({
                let queue = Arc::clone(&queue);
                move || queue.sync(&synced, &stop)
            })),
        };
        Ok((queue, syncing))
    }

    fn sync(&self, file: &File, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            std::thread::park_timeout(INTERVAL);
            if let Some(file) = &mut self.lock().file {
                let _ = file.flush();
            }
            let _ = file.sync_data();
        }
    }

    /// Writes all shares, each in a task of its own.
    pub(crate) async fn write(self: &Arc<Self>, shares: Vec<Share>) -> Result<(), BenchError> {
        let tasks = shares.into_iter().map(|share| {
            let queue = Arc::clone(self);
            tokio::spawn(async move { share.into_iter().try_for_each(|write| queue.put(write)) })
        });
        join(tasks.collect()).await
    }

    fn put(&self, write: Write) -> Result<(), BenchError> {
        let encoded = self.has_file.then(|| encode_record(&write.record)).transpose()?;
        let mut inside = self.lock();
        if let (Some(file), Some(encoded)) = (&mut inside.file, encoded) {
            let key = write.key.as_bytes();
            file.write_all(&u32::try_from(key.len())?.to_le_bytes())?;
            file.write_all(key)?;
            file.write_all(&u32::try_from(encoded.len())?.to_le_bytes())?;
            file.write_all(&encoded)?;
        }
        inside.pending.insert(write.key, write.record);
        Ok(())
    }

    /// Takes everything out.
    pub(crate) fn empty(&self) {
        let pending = std::mem::take(&mut self.lock().pending);
        drop(pending);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Syncing {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}
