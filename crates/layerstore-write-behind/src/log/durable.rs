use std::sync::Arc;
use std::time::Duration;

use layerstore_record::Clock;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::timeout;
use tracing::warn;

use super::buffers::Buffers;
use super::entry::{EncodedEntry, LogEntry, Sequence};
use super::group::group_bytes;
use super::intake::Intake;
use super::opening::Recovered;
use super::sequencer::{Refusal, Submission};
use super::thread::{self, Ended, Entries, LogIntake, Payload, Receipt, Task};
use super::writer::Appended;
use super::{LogError, LogOptions};
use crate::storage::Storage;

/// What one permit of the queue stands for, in bytes.
const PERMIT_BYTES: u64 = 1024;

/// A log that many callers share. A thread of its own writes and syncs; appends that wait together share a sync.
///
/// Needs a Tokio runtime with time. Dropping it lets the thread write what is queued, close the log and end by itself;
/// [`DurableLog::close`] waits for that.
#[derive(Debug)]
pub struct DurableLog {
    intake: Arc<LogIntake>,
    /// Room in the queue.
    room: Arc<Semaphore>,
    permits: u32,
    buffers: Arc<Buffers>,
    options: LogOptions,
    stats: watch::Receiver<LogStats>,
    ended: watch::Receiver<Option<Ended>>,
}

/// What there is to know of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LogStats {
    /// Entries that are not done.
    pub pending: usize,
    /// Bytes of them.
    pub pending_bytes: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Segments on disk.
    pub segments: usize,
    /// Entries up to it are done.
    pub watermark: Sequence,
    /// The highest sequence so far.
    pub last: Sequence,
    /// Syncs of segments since the log was opened.
    pub syncs: u64,
    /// Whether it takes nothing more since a write or a sync failed.
    pub is_poisoned: bool,
}

/// How a log was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseReport {
    /// Entries that are not done; the next opening finds them.
    pub pending: usize,
}

impl DurableLog {
    /// Opens a log, or begins one where there is none. All of its I/O is done on the thread that this starts.
    ///
    /// # Errors
    /// As [`LogWriter::open`](crate::LogWriter::open); [`LogError::Unreadable`] where no thread can be started.
    pub async fn open(
        storage: Arc<dyn Storage>,
        options: LogOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Recovered), LogError> {
        options.check()?;
        let intake = Arc::new(Intake::new());
        let buffers = Arc::new(Buffers::default());
        let (shared, used_again) = (Arc::clone(&intake), Arc::clone(&buffers));
        let started = thread::start(storage, options.clone(), clock, shared, used_again)?;
        let recovered = started.opened.await.unwrap_or(Err(LogError::Closed))?;
        let permits = options.queue_bytes.div_ceil(PERMIT_BYTES);
        let permits = u32::try_from(permits).unwrap_or(u32::MAX);
        let log = Self {
            intake,
            room: Arc::new(Semaphore::new(
                usize::try_from(permits).unwrap_or(Semaphore::MAX_PERMITS),
            )),
            permits,
            buffers,
            options,
            stats: started.stats,
            ended: started.ended,
        };
        Ok((log, recovered))
    }

    /// Appends entries, all or none, next to each other; returns when they are as durable as the policy says. If the caller goes away,
    /// they may still be appended, and are taken for done then: nobody was told of them, and an opening may give them again.
    ///
    /// # Errors
    /// [`LogError::Busy`], [`LogError::DiskFull`], [`LogError::Full`], [`LogError::TooLarge`] and [`LogError::Poisoned`] with nothing appended;
    /// [`LogError::Failed`] and [`LogError::Timeout`] with an outcome that is not known.
    pub async fn append(&self, entries: Vec<EncodedEntry>) -> Result<Appended, LogError> {
        self.append_entries(Entries::Many(entries)).await
    }

    /// Returns memory for an entry, which is used again once the entry is written.
    pub(crate) fn buffer(&self) -> Vec<u8> {
        self.buffers.take()
    }

    /// Does what [`Self::append`] does.
    pub(crate) async fn append_entries(&self, entries: Entries) -> Result<Appended, LogError> {
        let bytes = group_bytes(entries.as_slice().iter().map(|entry| entry.payload.len()));
        let deadline = self.options.deadline;
        let permits = u32::try_from(bytes.div_ceil(PERMIT_BYTES))
            .unwrap_or(u32::MAX)
            .min(self.permits);
        // There nearly always is room: no timer is needed to find that out.
        let room = match Arc::clone(&self.room).try_acquire_many_owned(permits) {
            Ok(room) => room,
            Err(_) => {
                let room = Arc::clone(&self.room).acquire_many_owned(permits);
                let room = timeout(deadline, room).await;
                let room = room.map_err(|_| LogError::Busy(deadline))?;
                room.map_err(|_| LogError::Closed)?
            }
        };
        let (waiter, answer) = oneshot::channel();
        let payload = Payload { entries, room };
        let submission = Submission {
            payload,
            bytes,
            waiter,
        };
        self.intake
            .submit(submission)
            .map_err(|(_, refusal)| match refusal {
                Refusal::Closed => LogError::Closed,
                Refusal::Poisoned(error) => LogError::Poisoned(error),
            })?;
        let answer = timeout(deadline, answer)
            .await
            .map_err(|_| LogError::Timeout(deadline))?;
        answer.unwrap_or(Err(LogError::Closed)).map(Receipt::take)
    }

    /// Takes entries for done: they are in the final store, in a dead letter that was appended before, or superseded by a later entry that
    /// was. Does not wait; what a crash leaves undone is given again by the next opening.
    pub fn done(&self, sequences: impl IntoIterator<Item = Sequence>) {
        self.intake.done(sequences.into_iter().map(|sequence| sequence.0));
    }

    /// Returns entries that are not done, in order, from the one after a sequence on: as many as fit into `max_bytes`, at least one where
    /// there is one. Works also after a failure, and on a full disk.
    ///
    /// # Errors
    /// [`LogError::Corrupt`] when what was written does not come back; [`LogError::Unreadable`] when the disk refuses.
    pub async fn pending_after(&self, after: Sequence, max_bytes: u64) -> Result<Vec<LogEntry>, LogError> {
        self.ask(|reply| Task::Pending {
            after,
            max_bytes,
            reply,
        })
        .await
    }

    /// Makes everything durable that was appended before.
    ///
    /// # Errors
    /// [`LogError::Failed`] when the sync fails.
    pub async fn sync(&self) -> Result<(), LogError> {
        self.ask(Task::Sync).await
    }

    /// Makes what was taken for done before stay done: no later opening gives it again. Without this an opening may, as long as something
    /// older is pending. Copies what is pending.
    ///
    /// # Errors
    /// [`LogError::Failed`] when the disk refuses; [`LogError::DiskFull`] when there is no room for the copies.
    pub async fn forget_done(&self) -> Result<(), LogError> {
        self.ask(Task::Forget).await
    }

    /// Does so by itself, before the log is closed.
    pub(crate) fn forget_done_soon(&self) {
        let (reply, _) = oneshot::channel();
        // A log that takes nothing more gives again what it holds, as after a crash.
        drop(self.intake.ask(Task::Forget(reply)));
    }

    async fn ask<R>(
        &self,
        task: impl FnOnce(oneshot::Sender<Result<R, LogError>>) -> Task,
    ) -> Result<R, LogError> {
        let (reply, answer) = oneshot::channel();
        self.intake.ask(task(reply)).map_err(|_| LogError::Closed)?;
        let deadline = self.options.deadline;
        let answer = timeout(deadline, answer)
            .await
            .map_err(|_| LogError::Timeout(deadline))?;
        answer.unwrap_or(Err(LogError::Closed))
    }

    /// Returns what there is to know now.
    #[must_use]
    pub fn stats(&self) -> LogStats {
        *self.stats.borrow()
    }

    /// Returns what tells of each change of that: to wait for room, for example.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<LogStats> {
        self.stats.clone()
    }

    /// Takes nothing more, answers everyone who waits, syncs, and closes the log. Whoever calls it again gets the same report.
    ///
    /// # Errors
    /// [`LogError::Timeout`] when it does not end in time: it goes on by itself. Any other when the log is not sealed: the next opening
    /// finds it as after a crash.
    pub async fn close(&self, deadline: Duration) -> Result<CloseReport, LogError> {
        self.intake.close();
        let mut ended = self.ended.clone();
        let ended = timeout(deadline, ended.wait_for(Option::is_some)).await;
        let ended = ended.map_err(|_| LogError::Timeout(deadline))?;
        let ended = ended.map_err(|_| LogError::Closed)?;
        ended.clone().unwrap_or(Err(LogError::Closed))
    }
}

impl Drop for DurableLog {
    fn drop(&mut self) {
        if self.ended.borrow().is_none() {
            let pending = self.stats().pending;
            if pending > 0 {
                warn!(
                    pending,
                    "the log was dropped and not closed: it closes by itself, and the next opening finds what is pending"
                );
            }
            self.intake.close();
        }
    }
}
