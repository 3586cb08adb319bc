//! The store: callers' side of the committer and of reads.

#[cfg(feature = "fjall")]
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use layerstore_data_store::{
    CloseReport, ErrorKind, FlushError, Limits, MapClaim, MapDataStore, RestateRecords, ScanPage,
    ScanRequest, StoreError, VerifyReport, Write, WriteResult,
};
use layerstore_kv::{Batch, Durability, KvBackend, KvRead, KvSnapshot};
use layerstore_record::codec::MAX_RECORD_BYTES;
use layerstore_record::{Key, MapName, Millis, Record, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use crate::committer::{Command, CommitterThread};
use crate::convert::{STORE, closed, from_kv, late};
use crate::group::{AS_RESTATEMENT, AS_WRITE, Judge};
use crate::keyspaces::META;
use crate::meta::{FORMAT_KEY, STORE_FORMAT, format_row, read_format};
use crate::options::EmbeddedOptions;
use crate::reader;
use crate::verify::verify;

/// How long dropping the store waits for what is queued. `close` takes a deadline of the caller's.
const DROP_DEADLINE: Duration = Duration::from_secs(5);

/// Keeps records in an embedded key-value store.
///
/// What is acknowledged is durable: a write is answered after the sync that covers it, and many callers share one.
/// Needs a Tokio runtime with time enabled, of either flavour.
pub struct KvDataStore {
    options: EmbeddedOptions,
    limits: Limits,
    /// Bounds the reads under way, each of which occupies a blocking thread.
    reads: Arc<Semaphore>,
    /// Empty once the store is closed.
    open: Mutex<Option<Open>>,
}

struct Open {
    kv: Arc<dyn KvBackend>,
    commands: mpsc::Sender<Command>,
    thread: CommitterThread,
}

impl KvDataStore {
    /// Opens a directory on fjall, creating it where it is missing.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyOpen`] with the process that has it, [`ErrorKind::UnknownFormat`], [`ErrorKind::Corrupt`],
    /// [`ErrorKind::Full`] or [`ErrorKind::Forbidden`].
    #[cfg(feature = "fjall")]
    pub async fn open(dir: impl AsRef<Path>, options: EmbeddedOptions) -> Result<Self, StoreError> {
        let dir = dir.as_ref().to_path_buf();
        let opened = tokio::task::spawn_blocking(move || {
            let kv = layerstore_kv_fjall::FjallKv::open(dir, options.fjall.clone());
            Self::over(Arc::new(kv.map_err(|error| from_kv("open", error))?), options)
        });
        opened.await.unwrap_or_else(|_| Err(closed("open")))
    }

    /// Tells whether a directory holds a store, or what is left of one, without touching it: opening would make one there.
    #[cfg(feature = "fjall")]
    pub fn is_at(dir: impl AsRef<Path>) -> bool {
        layerstore_kv_fjall::FjallKv::is_at(dir)
    }

    /// Opens a store over any key-value store. Blocks while it reads and, at first, writes its format.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownFormat`] when a newer version wrote there, or what the key-value store says.
    pub fn over(kv: Arc<dyn KvBackend>, options: EmbeddedOptions) -> Result<Self, StoreError> {
        check_format(&*kv)?;
        let mut limits = Limits::default();
        limits.record_bytes = MAX_RECORD_BYTES.min(kv.limits().max_value_len);
        let (commands, queue) = mpsc::channel(options.queue_len.max(1));
        let thread = CommitterThread::start(
            Arc::clone(&kv),
            Arc::clone(&options.clock),
            options.group_records.max(1),
            queue,
        );
        let thread = thread.map_err(|error| {
            StoreError::new(
                ErrorKind::Unavailable,
                STORE,
                "open",
                "no thread could be started",
            )
            .because(error)
        })?;
        let reads = Arc::new(Semaphore::new(options.reads.max(1)));
        Ok(Self {
            options,
            limits,
            reads,
            open: Mutex::new(Some(Open { kv, commands, thread })),
        })
    }

    /// Reads everything that is stored, and reports what is there and what cannot be read.
    ///
    /// Takes as long as reading all of it; other calls go on meanwhile.
    ///
    /// # Errors
    /// When the list of maps cannot be read, or the store is closed. What a map does not give is in its report.
    pub async fn verify(&self) -> Result<VerifyReport, StoreError> {
        // A read as the others, so that closing waits for it; but as long as it takes.
        let turn = self.turn("verify").await?;
        let kv = self.kv("verify")?;
        let now = self.now();
        let task = tokio::task::spawn_blocking(move || {
            let report = state_of(&*kv, "verify").and_then(|state| verify(&*state, now));
            drop(kv);
            drop(turn);
            report
        });
        task.await.unwrap_or_else(|_| Err(closed("verify")))
    }

    fn now(&self) -> Millis {
        self.options.clock.now()
    }

    /// The lock is held only to clone or take what is inside.
    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kv(&self, operation: &'static str) -> Result<Arc<dyn KvBackend>, StoreError> {
        self.lock()
            .as_ref()
            .map(|open| Arc::clone(&open.kv))
            .ok_or_else(|| closed(operation))
    }

    fn commands(&self, operation: &'static str) -> Result<mpsc::Sender<Command>, StoreError> {
        self.lock()
            .as_ref()
            .map(|open| open.commands.clone())
            .ok_or_else(|| closed(operation))
    }

    /// A barrier has nothing to wait for, but a closed store does not know of what is below it any more.
    fn flush(&self, operation: &'static str) -> Result<(), FlushError> {
        match self.kv(operation) {
            Ok(_) => Ok(()),
            Err(closed) => Err(FlushError {
                pending: Vec::new(),
                source: Some(closed),
            }),
        }
    }

    /// Asks the committer, and waits for its answer up to the deadline.
    async fn ask<T>(
        &self,
        operation: &'static str,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let commands = self.commands(operation)?;
        let late = || late(operation, self.options.deadline.as_secs());
        let queued = timeout(self.options.deadline, commands.send(command(reply))).await;
        // Not queued: nothing has happened.
        queued.map_err(|_| late())?.map_err(|_| closed(operation))?;
        drop(commands);
        match timeout(self.options.deadline, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            // The committer ended between taking the command and answering.
            Ok(Err(_)) => Err(closed(operation).with_unknown_outcome()),
            Err(_) => Err(late().with_unknown_outcome()),
        }
    }

    /// Has the committer make writes, judged in one of the two ways.
    async fn write(&self, writes: Vec<Write>, judge: Judge) -> Vec<WriteResult> {
        let places: Vec<_> = writes
            .iter()
            .map(|write| (write.map.clone(), write.key.clone()))
            .collect();
        let made = self.ask("apply", |reply| Command::Apply { writes, judge, reply });
        match made.await {
            Ok(answers) => answers,
            Err(error) => places
                .iter()
                .map(|(map, key)| WriteResult::Rejected(error.clone().in_map(map).at_key(key)))
                .collect(),
        }
    }

    /// Waits until fewer reads than the bound are under way.
    async fn turn(&self, operation: &'static str) -> Result<OwnedSemaphorePermit, StoreError> {
        let turn = timeout(self.options.deadline, Arc::clone(&self.reads).acquire_owned()).await;
        turn.map_err(|_| late(operation, self.options.deadline.as_secs()))?
            .map_err(|_| closed(operation))
    }

    /// Runs a read on a blocking thread, when fewer than the bound are under way.
    async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        read: impl FnOnce(&dyn KvRead) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = self.turn(operation).await?;
        let kv = self.kv(operation)?;
        let task = tokio::task::spawn_blocking(move || {
            let answer = state_of(&*kv, operation).and_then(|state| read(&*state));
            drop(kv);
            drop(turn);
            answer
        });
        match timeout(self.options.deadline, task).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(closed(operation)),
            Err(_) => Err(late(operation, self.options.deadline.as_secs())),
        }
    }
}

#[async_trait]
impl MapDataStore for KvDataStore {
    fn name(&self) -> &'static str {
        STORE
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    async fn claim(&self, map: &MapName) -> Result<MapClaim, StoreError> {
        let map = map.clone();
        self.ask("claim", |reply| Command::Claim { map, reply }).await?
    }

    async fn apply(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        self.write(writes, AS_WRITE).await
    }

    fn restating(&self) -> Option<&dyn RestateRecords> {
        Some(self)
    }

    async fn load(&self, map: &MapName, key: &Key) -> Result<Option<Record>, StoreError> {
        let records = self.load_all(map, std::slice::from_ref(key)).await?;
        Ok(records.into_iter().next().flatten())
    }

    async fn load_all(&self, map: &MapName, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        let (map, keys, now) = (map.clone(), keys.to_vec(), self.now());
        self.read("load", move |state| reader::load_all(state, &map, &keys, now))
            .await
    }

    async fn scan_page(&self, map: &MapName, request: ScanRequest) -> Result<ScanPage, StoreError> {
        let (map, now) = (map.clone(), self.now());
        self.read("scan", move |state| reader::scan_page(state, &map, &request, now))
            .await
    }

    async fn list_maps(&self) -> Result<Vec<MapName>, StoreError> {
        self.read("list maps", reader::list_maps).await
    }

    async fn clear(&self, map: &MapName, up_to: Version) -> Result<(), StoreError> {
        let map = map.clone();
        let dropped = self
            .ask("clear", |reply| Command::Clear { map, up_to, reply })
            .await?;
        dropped.map(|_| ())
    }

    async fn purge(&self, map: &MapName, horizon: Version) -> Result<u64, StoreError> {
        let map = map.clone();
        self.ask("purge", |reply| Command::Purge { map, horizon, reply })
            .await?
    }

    /// Every acknowledged write is durable already.
    async fn hard_flush(&self) -> Result<(), FlushError> {
        self.flush("hard_flush")
    }

    /// Every acknowledged write is durable already.
    async fn flush_key(&self, _map: &MapName, _key: &Key) -> Result<(), FlushError> {
        self.flush("flush_key")
    }

    async fn close(&self, deadline: Duration) -> CloseReport {
        let Some(open) = self.lock().take() else {
            return CloseReport::default();
        };
        match timeout(deadline, end(open, &self.reads, self.options.reads, deadline)).await {
            Ok(true) => CloseReport::default(),
            _ => CloseReport {
                pending: Vec::new(),
                error: Some(late("close", deadline.as_secs())),
            },
        }
    }
}

#[async_trait]
impl RestateRecords for KvDataStore {
    async fn restate(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        self.write(writes, AS_RESTATEMENT).await
    }
}

/// One state, which a read reads from.
fn state_of(kv: &dyn KvBackend, operation: &'static str) -> Result<Box<dyn KvSnapshot>, StoreError> {
    kv.snapshot().map_err(|error| from_kv(operation, error))
}

/// Ends the committer, then waits for the reads under way, so that the files are closed when it returns.
async fn end(open: Open, reads: &Semaphore, permits: usize, deadline: Duration) -> bool {
    let Open { kv, commands, thread } = open;
    // A full queue makes room as the committer works it off; a committer that has ended needs no telling.
    let _ = commands.send(Command::Close).await;
    drop(commands);
    let joined = tokio::task::spawn_blocking(move || thread.join(deadline).is_ok()).await;
    let permits = u32::try_from(permits.max(1)).unwrap_or(u32::MAX);
    let _idle = reads.acquire_many(permits).await;
    // Closing files, or saying goodbye to a service, blocks.
    let closed = tokio::task::spawn_blocking(move || drop(kv)).await;
    joined.unwrap_or(false) && closed.is_ok()
}

impl Drop for KvDataStore {
    fn drop(&mut self) {
        let Some(Open { kv, commands, thread }) = self.lock().take() else {
            return;
        };
        // Without a sender the committer works off its queue and ends.
        drop((kv, commands));
        if thread.join(DROP_DEADLINE).is_err() {
            tracing::warn!(
                store = STORE,
                "dropped while writes were under way: they go on, unobserved; use close()"
            );
        }
    }
}

fn check_format(kv: &dyn KvBackend) -> Result<(), StoreError> {
    let fail = |error| from_kv("open", error);
    kv.create_keyspace(META).map_err(fail)?;
    match read_format(kv)? {
        Some(STORE_FORMAT) => Ok(()),
        Some(format) => {
            let what = format!(
                "the store has format {format}, this version knows {STORE_FORMAT}: use the newer one"
            );
            Err(StoreError::new(ErrorKind::UnknownFormat, STORE, "open", what))
        }
        None => {
            let mut batch = Batch::new();
            batch.put(META, FORMAT_KEY, format_row(STORE_FORMAT));
            kv.commit(&batch, Durability::Sync).map(|_| ()).map_err(fail)
        }
    }
}
