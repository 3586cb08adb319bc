//! The store: callers' side of the writers of maps and of reads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use layerstore_data_store::{
    CloseReport, ErrorKind, FlushError, Limits, MapClaim, MapDataStore, RestateRecords, ScanPage,
    ScanRequest, StoreError, Write, WriteResult,
};
use layerstore_record::{Key, MapName, Record, Version};
use opendal::Operator;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::convert::{STORE, closed, late};
use crate::group;
use crate::key_writes::Rules;
use crate::open::{Opened, open};
use crate::options::OpendalOptions;
use crate::probe::ProbeReport;
use crate::reader::{self, Listings};
use crate::service::operator;
use crate::shared::{Facts, Shared};
use crate::sweep::SweepKind;
use crate::writer::{Command, MapWriter, not_claimed};

/// Keeps each record as an object of a service that OpenDAL knows.
///
/// What is acknowledged is in the service: its durability is the service's. Where the service keeps conditions, a later
/// claim fences an earlier writer out, whatever is still under way; elsewhere the store opens only as the single writer
/// (see [`ProbeReport`] and `docs/object-stores.md`). Needs a Tokio runtime with time enabled, of either flavour.
///
/// ```
/// # #[cfg(feature = "memory")]
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use layerstore_data_store::MapDataStore;
/// use layerstore_opendal::{OpendalDataStore, OpendalOptions};
/// use layerstore_record::MapName;
///
/// let store = OpendalDataStore::open("memory", [], OpendalOptions::default()).await?;
/// let claim = store.claim(&MapName::new("users")?).await?;
/// println!("epoch {} of a {} store", claim.epoch, store.report().service);
/// # Ok(())
/// # }
/// ```
pub struct OpendalDataStore {
    options: OpendalOptions,
    limits: Limits,
    report: ProbeReport,
    listings: Listings,
    /// Draws the numbers by which claims are told apart.
    rng: Mutex<fastrand::Rng>,
    /// Empty once the store is closed. Locked only to look up or change what is inside.
    open: Mutex<Option<Open>>,
}

struct Open {
    shared: Arc<Shared>,
    writers: HashMap<MapName, Writer>,
}

struct Writer {
    commands: mpsc::Sender<Command>,
    facts: Arc<Facts>,
    task: JoinHandle<()>,
}

impl OpendalDataStore {
    /// Opens a service: `memory`, `fs`, `s3`, `gcs` or `azblob`, each a feature of this crate, with its settings by
    /// OpenDAL's names (`bucket`, `root`, `endpoint`, `region`, …). A name that the service does not have is an error.
    ///
    /// Before it returns, it tries on an object of its own what the service really does.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] when the settings are not right, when the service cannot keep a second writer out and
    /// [`single_writer`](OpendalOptions::single_writer) does not say that there is none, or when it does not show what was
    /// just written; [`ErrorKind::Forbidden`] without the rights to read, write, list and delete;
    /// [`ErrorKind::AlreadyOpen`] when another store has the directory or the place in memory;
    /// [`ErrorKind::UnknownFormat`] when a newer version wrote there; [`ErrorKind::Unavailable`] or
    /// [`ErrorKind::Timeout`] when the service cannot be reached.
    pub async fn open(
        service: &str,
        settings: impl IntoIterator<Item = (String, String)>,
        options: OpendalOptions,
    ) -> Result<Self, StoreError> {
        Self::over(operator(service, settings.into_iter().collect())?, options).await
    }

    /// Makes the operator that [`open`](Self::open) would, for those who put layers of their own around it and open
    /// [`over`](Self::over) it.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] when the settings are not right, or the service is left out of this build.
    pub fn operator(
        service: &str,
        settings: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Operator, StoreError> {
        operator(service, settings.into_iter().collect())
    }

    /// Opens the place of an operator, which must have no retries or timeouts of its own: those of `options` are put around
    /// it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn over(operator: Operator, options: OpendalOptions) -> Result<Self, StoreError> {
        let mut rng = fastrand::Rng::with_seed(options.seed);
        let Opened {
            shared,
            report,
            limits,
        } = open(operator, &options, &mut rng).await?;
        Ok(Self {
            options,
            limits,
            report,
            listings: Listings::default(),
            rng: Mutex::new(rng),
            open: Mutex::new(Some(Open {
                shared: Arc::new(shared),
                writers: HashMap::new(),
            })),
        })
    }

    /// Returns what the service was seen to do when the store was opened.
    #[must_use]
    pub fn report(&self) -> &ProbeReport {
        &self.report
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what a read of a map needs.
    fn reading(
        &self,
        operation: &'static str,
        map: Option<&MapName>,
    ) -> Result<(Arc<Shared>, Option<Arc<Facts>>), StoreError> {
        let open = self.lock();
        let open = open.as_ref().ok_or_else(|| closed(operation))?;
        let writer = map.and_then(|map| open.writers.get(map));
        Ok((
            Arc::clone(&open.shared),
            writer.map(|writer| Arc::clone(&writer.facts)),
        ))
    }

    /// Returns the way to the writer of a map; `None` if the map was never claimed here.
    fn writer(
        &self,
        operation: &'static str,
        map: &MapName,
    ) -> Result<Option<mpsc::Sender<Command>>, StoreError> {
        let open = self.lock();
        let open = open.as_ref().ok_or_else(|| closed(operation))?;
        Ok(open.writers.get(map).map(|writer| writer.commands.clone()))
    }

    fn writer_or_new(
        &self,
        operation: &'static str,
        map: &MapName,
    ) -> Result<mpsc::Sender<Command>, StoreError> {
        let mut open = self.lock();
        let open = open.as_mut().ok_or_else(|| closed(operation))?;
        if let Some(writer) = open.writers.get(map) {
            return Ok(writer.commands.clone());
        }
        let (commands, queue) = mpsc::channel(self.options.queue_len.max(1));
        let facts = Arc::new(Facts::default());
        let writer = MapWriter::new(Arc::clone(&open.shared), map.clone(), Arc::clone(&facts));
        let task = tokio::spawn(writer.run(queue));
        let way = commands.clone();
        open.writers.insert(
            map.clone(),
            Writer {
                commands,
                facts,
                task,
            },
        );
        Ok(way)
    }

    /// Asks a writer, and waits for its answer up to the deadline.
    async fn ask<T>(
        &self,
        operation: &'static str,
        commands: mpsc::Sender<Command>,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, StoreError> {
        let deadline = self.options.call_deadline();
        let (reply, answer) = oneshot::channel();
        let mut is_queued = false;
        let asked = async {
            commands
                .send(command(reply))
                .await
                .map_err(|_| closed(operation))?;
            is_queued = true;
            drop(commands);
            // The writer ended between taking the command and answering.
            answer.await.map_err(|_| closed(operation).with_unknown_outcome())
        };
        match timeout(deadline, asked).await {
            Ok(answer) => answer,
            Err(_) if is_queued => Err(late(operation, deadline).with_unknown_outcome()),
            Err(_) => Err(late(operation, deadline)),
        }
    }

    /// Limits the time of a read.
    async fn within<T>(
        &self,
        operation: &'static str,
        read: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let deadline = self.options.call_deadline();
        timeout(deadline, read)
            .await
            .unwrap_or_else(|_| Err(late(operation, deadline)))
    }

    /// Splits writes by map, and puts the answers together again.
    async fn apply_by(&self, rules: Rules, writes: Vec<Write>) -> Vec<WriteResult> {
        let mut answers: Vec<Option<WriteResult>> = writes.iter().map(|_| None).collect();
        let mut by_map: Vec<(MapName, Vec<usize>, Vec<Write>)> = Vec::new();
        for (place, write) in writes.into_iter().enumerate() {
            if let Some(error) = self.too_large("apply", &write.map, Some(&write.key)) {
                if let Some(answer) = answers.get_mut(place) {
                    *answer = Some(WriteResult::Rejected(error));
                }
                continue;
            }
            match by_map.iter_mut().find(|(map, ..)| *map == write.map) {
                Some((_, places, writes)) => {
                    places.push(place);
                    writes.push(write);
                }
                None => by_map.push((write.map.clone(), vec![place], vec![write])),
            }
        }
        let asked = by_map
            .into_iter()
            .map(|(map, places, writes)| async move { (places, self.apply_to(map, rules, writes).await) });
        for (places, made) in futures::future::join_all(asked).await {
            for (place, answer) in places.into_iter().zip(made) {
                if let Some(slot) = answers.get_mut(place) {
                    *slot = Some(answer);
                }
            }
        }
        answers.into_iter().flatten().collect()
    }

    /// Answers the writes of one map, a group at a time. What comes behind a group that the service did not answer is not
    /// tried: it would be waited for as long again.
    async fn apply_to(&self, map: MapName, rules: Rules, writes: Vec<Write>) -> Vec<WriteResult> {
        let mut answers = Vec::with_capacity(writes.len());
        let mut silence = None;
        for group in group::parts(writes, self.options.group_records.max(1)) {
            let made = match silence {
                Some(kind) => not_tried(kind, &map, &group),
                None => self.apply_group(&map, rules, group).await,
            };
            silence = silence_of(&made);
            answers.extend(made);
        }
        answers
    }

    async fn apply_group(&self, map: &MapName, rules: Rules, writes: Vec<Write>) -> Vec<WriteResult> {
        let keys: Vec<Key> = writes.iter().map(|write| write.key.clone()).collect();
        let asked = async {
            let commands = self.writer("apply", map)?;
            let commands = commands.ok_or_else(|| not_claimed("apply", map))?;
            self.ask("apply", commands, |reply| Command::Apply { writes, rules, reply })
                .await
        };
        asked.await.unwrap_or_else(|error: StoreError| {
            let refused = |key| WriteResult::Rejected(error.clone().in_map(map).at_key(key));
            keys.iter().map(refused).collect()
        })
    }

    /// Refuses what a path cannot hold.
    fn too_large(&self, operation: &'static str, map: &MapName, key: Option<&Key>) -> Option<StoreError> {
        let parts = [
            ("map name", map.as_str().len(), self.limits.map_name_bytes),
            (
                "key",
                key.map_or(0, |key| key.as_bytes().len()),
                self.limits.key_bytes,
            ),
        ];
        let (part, bytes, limit) = parts.into_iter().find(|(_, bytes, limit)| bytes > limit)?;
        let what =
            format!("a {part} of {bytes} bytes is above the {limit} that fit into a path of this service");
        let error = StoreError::new(ErrorKind::TooLarge, STORE, operation, what).in_map(map);
        Some(match key {
            Some(key) => error.at_key(key),
            None => error,
        })
    }

    async fn sweep(&self, map: &MapName, kind: SweepKind) -> Result<u64, StoreError> {
        let operation = kind.operation();
        let commands = self.writer(operation, map)?;
        let commands = commands.ok_or_else(|| not_claimed(operation, map))?;
        self.ask(operation, commands, |reply| Command::Sweep { kind, reply })
            .await?
    }

    /// Makes an end of writes that may still arrive, before a read might see the state from before them.
    async fn settled(&self, map: &MapName, keys: &[Key], facts: Option<&Facts>) -> Result<(), StoreError> {
        if !facts.is_some_and(|facts| facts.is_unresolved(keys)) {
            return Ok(());
        }
        match self.writer("load", map)? {
            Some(commands) => {
                self.ask("load", commands, |reply| Command::Settle { reply })
                    .await?
            }
            None => Ok(()),
        }
    }

    /// A barrier has nothing to wait for, but a closed store does not know of what is below it any more.
    fn flush(&self, operation: &'static str) -> Result<(), FlushError> {
        self.reading(operation, None)
            .map(drop)
            .map_err(|closed| FlushError {
                pending: Vec::new(),
                source: Some(closed),
            })
    }
}

#[async_trait]
impl MapDataStore for OpendalDataStore {
    fn name(&self) -> &'static str {
        STORE
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    async fn claim(&self, map: &MapName) -> Result<MapClaim, StoreError> {
        let operation = "claim";
        let commands = self.writer_or_new(operation, map)?;
        if let Some(error) = self.too_large(operation, map, None) {
            return Err(error);
        }
        let owner = self.rng.lock().unwrap_or_else(PoisonError::into_inner).u64(..);
        self.ask(operation, commands, |reply| Command::Claim { owner, reply })
            .await?
    }

    async fn apply(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        self.apply_by(Rules::Write, writes).await
    }

    async fn load(&self, map: &MapName, key: &Key) -> Result<Option<Record>, StoreError> {
        let records = self.load_all(map, std::slice::from_ref(key)).await?;
        Ok(records.into_iter().next().flatten())
    }

    async fn load_all(&self, map: &MapName, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        let (shared, facts) = self.reading("load", Some(map))?;
        // What no path holds was never written, and some services fail when they are asked for it.
        let fits = |key: &&Key| self.too_large("load", map, Some(key)).is_none();
        let held: Vec<Key> = keys.iter().filter(fits).cloned().collect();
        let mut found = Vec::with_capacity(held.len());
        for group in held.chunks(self.options.group_records.max(1)) {
            let loaded = self.within("load", async {
                self.settled(map, group, facts.as_deref()).await?;
                reader::load_all(&shared, facts.as_deref(), map, group).await
            });
            found.extend(loaded.await?);
        }
        let mut found = found.into_iter();
        let records = keys.iter().map(|key| fits(&key).then(|| found.next().flatten()));
        Ok(records.map(Option::flatten).collect())
    }

    async fn scan_page(&self, map: &MapName, request: ScanRequest) -> Result<ScanPage, StoreError> {
        let (shared, facts) = self.reading("scan_page", Some(map))?;
        self.within("scan_page", async {
            reader::scan_page(&shared, facts.as_deref(), &self.listings, map, &request).await
        })
        .await
    }

    async fn list_maps(&self) -> Result<Vec<MapName>, StoreError> {
        let (shared, _) = self.reading("list_maps", None)?;
        self.within("list_maps", reader::list_maps(&shared)).await
    }

    async fn clear(&self, map: &MapName, up_to: Version) -> Result<(), StoreError> {
        let everything = false;
        self.sweep(map, SweepKind::Clear { up_to, everything })
            .await
            .map(drop)
    }

    async fn purge(&self, map: &MapName, horizon: Version) -> Result<u64, StoreError> {
        self.sweep(map, SweepKind::Purge { horizon }).await
    }

    /// Every acknowledged write is in the service already.
    async fn hard_flush(&self) -> Result<(), FlushError> {
        self.flush("hard_flush")
    }

    /// Every acknowledged write is in the service already.
    async fn flush_key(&self, _map: &MapName, _key: &Key) -> Result<(), FlushError> {
        self.flush("flush_key")
    }

    fn restating(&self) -> Option<&dyn RestateRecords> {
        Some(self)
    }

    async fn close(&self, deadline: Duration) -> CloseReport {
        let Some(Open { shared, writers }) = self.lock().take() else {
            return CloseReport::default();
        };
        drop(shared);
        // Without anyone who could ask, a writer works off its queue and ends.
        let mut tasks: Vec<JoinHandle<()>> = writers.into_values().map(|writer| writer.task).collect();
        let ended = timeout(deadline, futures::future::join_all(&mut tasks)).await;
        if ended.is_ok() {
            return CloseReport::default();
        }
        for task in &tasks {
            task.abort();
        }
        CloseReport {
            pending: Vec::new(),
            error: Some(late("close", deadline).with_unknown_outcome()),
        }
    }
}

#[async_trait]
impl RestateRecords for OpendalDataStore {
    async fn restate(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        self.apply_by(Rules::Restatement, writes).await
    }
}

impl Drop for OpendalDataStore {
    fn drop(&mut self) {
        let Some(open) = self.lock().take() else { return };
        let busy = open.writers.values().filter(|writer| !writer.task.is_finished());
        if busy.count() > 0 {
            tracing::warn!(
                store = STORE,
                "dropped without close(): what its writers have queued goes on, unobserved"
            );
        }
    }
}

/// Says in which way a service was silent that answered none of a group's writes.
fn silence_of(answers: &[WriteResult]) -> Option<ErrorKind> {
    let silent = |answer: &WriteResult| match answer {
        WriteResult::Rejected(error) => {
            Some(error.kind()).filter(|kind| matches!(kind, ErrorKind::Timeout | ErrorKind::Unavailable))
        }
        _ => None,
    };
    let first = answers.first().and_then(silent)?;
    answers
        .iter()
        .all(|answer| silent(answer).is_some())
        .then_some(first)
}

fn not_tried(kind: ErrorKind, map: &MapName, writes: &[Write]) -> Vec<WriteResult> {
    let what = "not tried: the service answered none of the writes before it";
    let error = StoreError::new(kind, STORE, "apply", what).in_map(map);
    let left = |write: &Write| WriteResult::Rejected(error.clone().at_key(&write.key));
    writes.iter().map(left).collect()
}
