//! The log's thread: it takes turns, each with one write and one sync for everyone who waits.

use std::sync::Arc;
use std::time::Duration;

use layerstore_record::Clock;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};
use tracing::error;

use super::buffers::Buffers;
use super::durable::{CloseReport, LogStats};
use super::entry::{EncodedEntry, LogEntry, Sequence};
use super::intake::Intake;
use super::opening::Recovered;
use super::sequencer::Submission;
use super::writer::{Appended, LogWriter};
use super::{LogError, LogOptions, SyncPolicy};
use crate::storage::Storage;

pub(crate) type Waiter = oneshot::Sender<Result<Receipt, LogError>>;
pub(crate) type LogIntake = Intake<Payload, Waiter, Task, Arc<LogError>>;
pub(crate) type Ended = Result<CloseReport, LogError>;

/// What a caller appends, with its room in the queue.
#[derive(Debug)]
pub(crate) struct Payload {
    pub(crate) entries: Entries,
    pub(crate) room: OwnedSemaphorePermit,
}

/// What is appended next to each other: nearly always one entry, which needs no memory of its own for that.
#[derive(Debug)]
pub(crate) enum Entries {
    One(EncodedEntry),
    Many(Vec<EncodedEntry>),
}

impl Entries {
    pub(crate) fn as_slice(&self) -> &[EncodedEntry] {
        match self {
            Self::One(entry) => std::slice::from_ref(entry),
            Self::Many(entries) => entries,
        }
    }

    fn move_to(self, all: &mut Vec<EncodedEntry>) {
        match self {
            Self::One(entry) => all.push(entry),
            Self::Many(entries) => all.extend(entries),
        }
    }
}

/// What was appended for a caller. Where nobody takes it the caller has gone away: nothing was acknowledged, and nobody would ever say that it
/// is done.
#[derive(Debug)]
pub(crate) struct Receipt {
    appended: Appended,
    intake: Option<Arc<LogIntake>>,
}

impl Receipt {
    fn new(appended: Appended, intake: &Arc<LogIntake>) -> Self {
        Self {
            appended,
            intake: Some(Arc::clone(intake)),
        }
    }

    pub(crate) fn take(mut self) -> Appended {
        self.intake = None;
        self.appended
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(intake) = self.intake.take() {
            intake.done(self.appended.first.0..=self.appended.last.0);
        }
    }
}

/// What else the thread does.
#[derive(Debug)]
pub(crate) enum Task {
    /// Read what is pending.
    Pending {
        after: Sequence,
        max_bytes: u64,
        reply: oneshot::Sender<Result<Vec<LogEntry>, LogError>>,
    },
    /// Sync.
    Sync(oneshot::Sender<Result<(), LogError>>),
    /// Let what is done stay done.
    Forget(oneshot::Sender<Result<(), LogError>>),
}

/// A thread that was started.
pub(crate) struct Started {
    pub(crate) opened: oneshot::Receiver<Result<Recovered, LogError>>,
    pub(crate) stats: watch::Receiver<LogStats>,
    pub(crate) ended: watch::Receiver<Option<Ended>>,
}

pub(crate) fn start(
    storage: Arc<dyn Storage>,
    options: LogOptions,
    clock: Arc<dyn Clock>,
    intake: Arc<LogIntake>,
    buffers: Arc<Buffers>,
) -> Result<Started, LogError> {
    let place = storage.place();
    let (opens, opened) = oneshot::channel();
    let (stats_sender, stats) = watch::channel(LogStats::default());
    let (ends, ended) = watch::channel(None);
    let run = move || {
        // Whatever ends the thread, nobody waits for it afterwards.
        let intake = EndOnDrop(intake);
        let (log, recovered) = match LogWriter::open(storage, options.clone(), clock.now()) {
            Ok(opened) => opened,
            Err(error) => {
                let _ = opens.send(Err(error));
                return;
            }
        };
        stats_sender.send_replace(log.stats());
        // Whoever opened it may have gone away: then the log is closed with the next turn.
        let is_wanted = opens.send(Ok(recovered)).is_ok();
        if !is_wanted {
            intake.0.close();
        }
        let report = Turns {
            log,
            intake: &intake.0,
            options,
            clock,
            stats: stats_sender,
            buffers,
            entries: Vec::new(),
        }
        .run();
        drop(intake);
        ends.send_replace(Some(report));
    };
    let spawned = std::thread::Builder::new()
        .name("layerstore-log".to_owned())
        .spawn(run);
    spawned.map_err(|source| LogError::Unreadable {
        file: place,
        source: Arc::new(source),
    })?;
    Ok(Started { opened, stats, ended })
}

/// Refuses whoever comes, and lets go of whoever waits.
struct EndOnDrop(Arc<LogIntake>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        drop(self.0.end());
    }
}

struct Turns<'a> {
    log: LogWriter,
    intake: &'a Arc<LogIntake>,
    options: LogOptions,
    clock: Arc<dyn Clock>,
    stats: watch::Sender<LogStats>,
    buffers: Arc<Buffers>,
    /// Nothing between turns: its memory is used again.
    entries: Vec<EncodedEntry>,
}

impl Turns<'_> {
    fn run(mut self) -> Ended {
        let most = self.options.group_bytes.min(self.options.segment_bytes / 2);
        loop {
            let turn = self.intake.next(most, self.patience());
            self.append_all(turn.group);
            if !turn.done.is_empty() {
                let done: Vec<Sequence> = turn.done.into_iter().map(Sequence).collect();
                let removed = self.log.done(&done);
                self.note(&removed);
            }
            for task in turn.tasks {
                self.do_task(task);
            }
            let ticked = self.log.tick(self.clock.now());
            self.note(&ticked);
            self.tell();
            if turn.is_last {
                break;
            }
        }
        let pending = self.log.pending();
        let closed = self.log.close(self.clock.now());
        closed.map(|()| CloseReport { pending })
    }

    /// How long to wait for work: until the next sync is due, where there is something to sync.
    fn patience(&self) -> Option<Duration> {
        match self.options.sync {
            SyncPolicy::Interval(interval) if self.log.is_dirty() => Some(interval),
            _ => None,
        }
    }

    fn append_all(&mut self, group: Vec<Submission<Payload, Waiter>>) {
        if group.is_empty() {
            return;
        }
        let mut entries = std::mem::take(&mut self.entries);
        let mut waiters = Vec::with_capacity(group.len());
        let mut all_room: Option<OwnedSemaphorePermit> = None;
        for submission in group {
            let Payload { entries: own, room } = submission.payload;
            waiters.push((own.as_slice().len(), submission.waiter));
            own.move_to(&mut entries);
            match &mut all_room {
                None => all_room = Some(room),
                Some(all_room) => all_room.merge(room),
            }
        }
        let appended = self.log.append(&entries, self.clock.now());
        // All of the room at once, and before anyone is told that there is some.
        drop(all_room);
        match appended {
            Ok(appended) => {
                // Whoever has its answer finds it in the statistics.
                self.tell();
                self.answer(waiters, appended);
            }
            // Some of them may fit, where all together do not.
            Err(error) if error.is_full() && waiters.len() > 1 => self.append_each(waiters, &entries),
            Err(error) => {
                self.note::<()>(&Err(error.clone()));
                self.tell();
                for (_, waiter) in waiters {
                    let _ = waiter.send(Err(error.clone()));
                }
            }
        }
        self.buffers
            .give_back(entries.drain(..).map(|entry| entry.payload));
        self.entries = entries;
    }

    fn append_each(&mut self, waiters: Vec<(usize, Waiter)>, entries: &[EncodedEntry]) {
        let mut rest = entries;
        for (count, waiter) in waiters {
            let (own, others) = rest.split_at(count.min(rest.len()));
            rest = others;
            let appended = self.log.append(own, self.clock.now());
            self.note(&appended);
            self.tell();
            let _ = waiter.send(appended.map(|appended| Receipt::new(appended, self.intake)));
        }
    }

    /// Gives each caller its part of what was appended together.
    fn answer(&self, waiters: Vec<(usize, Waiter)>, appended: Appended) {
        let mut first = appended.first.0;
        for (count, waiter) in waiters {
            let next = first + count as u64;
            let own = Appended {
                first: Sequence(first),
                last: Sequence(next - 1),
            };
            first = next;
            // What a caller does not take who has gone away is done.
            let _ = waiter.send(Ok(Receipt::new(own, self.intake)));
        }
    }

    /// Says what there is to know now, where it has changed.
    fn tell(&self) {
        let stats = self.log.stats();
        self.stats
            .send_if_modified(|told| std::mem::replace(told, stats) != stats);
    }

    fn do_task(&mut self, task: Task) {
        match task {
            Task::Pending {
                after,
                max_bytes,
                reply,
            } => {
                let _ = reply.send(self.log.pending_after(after, max_bytes));
            }
            Task::Sync(reply) => {
                let synced = self.log.sync(self.clock.now());
                self.note(&synced);
                let _ = reply.send(synced);
            }
            Task::Forget(reply) => {
                let forgotten = self.log.forget_done(self.clock.now());
                self.note(&forgotten);
                let _ = reply.send(forgotten);
            }
        }
    }

    /// After an error that poisons the log, whoever waits is told.
    fn note<R>(&mut self, result: &Result<R, LogError>) {
        let Err(error @ LogError::Failed { .. }) = result else {
            return;
        };
        error!(
            error = error as &dyn std::error::Error,
            pending = self.log.pending(),
            "the log takes nothing more, and must be opened again"
        );
        let error = Arc::new(error.clone());
        for waiter in self.intake.poison(Arc::clone(&error)) {
            let _ = waiter.send(Err(LogError::Poisoned(Arc::clone(&error))));
        }
    }
}
