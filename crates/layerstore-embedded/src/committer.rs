//! The one thread that writes: it collects what callers bring, and commits it in groups.

use std::collections::VecDeque;
use std::sync::{Arc, mpsc as std_mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use layerstore_data_store::{MapClaim, StoreError, Write, WriteResult};
use layerstore_kv::KvBackend;
use layerstore_record::{Clock, MapName, Version};
use tokio::sync::{mpsc, oneshot};

use crate::claims::Claims;
use crate::convert::closed;
use crate::group::{self, Call, Judge};
use crate::sweep::{self, Sweep, SweepKind};

/// What callers ask of the committer. An answer whose asker has gone is dropped; the work is done all the same.
pub(crate) enum Command {
    /// Make writes.
    Apply {
        /// The writes of one call.
        writes: Vec<Write>,
        /// How they are judged.
        judge: Judge,
        /// Where their answers go, in the same order.
        reply: oneshot::Sender<Vec<WriteResult>>,
    },
    /// Claim a map.
    Claim {
        /// The map.
        map: MapName,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<MapClaim, StoreError>>,
    },
    /// Drop everything of a map up to a version.
    Clear {
        /// The map.
        map: MapName,
        /// The floor.
        up_to: Version,
        /// Where the number of dropped rows goes.
        reply: oneshot::Sender<Result<u64, StoreError>>,
    },
    /// Drop tombstones and ended records of a map up to a version.
    Purge {
        /// The map.
        map: MapName,
        /// The floor.
        horizon: Version,
        /// Where the number of dropped rows goes.
        reply: oneshot::Sender<Result<u64, StoreError>>,
    },
    /// Take no more commands, do those that are queued, and end.
    Close,
}

/// Owns the committer's thread.
pub(crate) struct CommitterThread {
    handle: JoinHandle<()>,
    /// Disconnected when the thread ends, also by a panic.
    ended: std_mpsc::Receiver<()>,
}

impl CommitterThread {
    /// Starts it.
    pub(crate) fn start(
        kv: Arc<dyn KvBackend>,
        clock: Arc<dyn Clock>,
        group_records: usize,
        commands: mpsc::Receiver<Command>,
    ) -> std::io::Result<Self> {
        let (ends, ended) = std_mpsc::channel::<()>();
        let mut committer = Committer {
            kv,
            clock,
            group_records,
            commands,
            claims: Claims::default(),
            sweeps: VecDeque::new(),
        };
        let handle = std::thread::Builder::new()
            .name("layerstore-commit".to_owned())
            .spawn(move || {
                committer.run();
                // Files are closed before anybody is told that the thread has ended.
                drop(committer);
                drop(ends);
            })?;
        Ok(Self { handle, ended })
    }

    /// Waits for it to end; gives it back when it does not end in time. Blocks.
    pub(crate) fn join(self, deadline: Duration) -> Result<(), Self> {
        match self.ended.recv_timeout(deadline) {
            Err(std_mpsc::RecvTimeoutError::Timeout) => Err(self),
            _ => {
                // A panic of the thread has been shown by its hook; those who waited for it have been told.
                let _ = self.handle.join();
                Ok(())
            }
        }
    }
}

struct Committer {
    kv: Arc<dyn KvBackend>,
    clock: Arc<dyn Clock>,
    group_records: usize,
    commands: mpsc::Receiver<Command>,
    claims: Claims,
    sweeps: VecDeque<Sweep>,
}

impl Committer {
    fn run(&mut self) {
        while let Some(next) = self.next() {
            if let Some(command) = next {
                self.handle(command);
            }
            self.sweep();
        }
        for sweep in self.sweeps.drain(..) {
            let operation = "sweep";
            sweep.abandon(closed(operation));
        }
    }

    /// Waits for a command while there is nothing to sweep. `Some(None)`: none now; `None`: none ever again.
    fn next(&mut self) -> Option<Option<Command>> {
        if self.sweeps.is_empty() {
            return self.commands.blocking_recv().map(Some);
        }
        match self.commands.try_recv() {
            Ok(command) => Some(Some(command)),
            Err(mpsc::error::TryRecvError::Empty) => Some(None),
            Err(mpsc::error::TryRecvError::Disconnected) => None,
        }
    }

    fn handle(&mut self, command: Command) {
        let mut next = Some(command);
        while let Some(command) = next.take() {
            match command {
                Command::Apply { writes, judge, reply } => next = self.apply(Call { writes, judge }, reply),
                Command::Claim { map, reply } => {
                    let _ = reply.send(self.claims.claim(&*self.kv, &map));
                }
                Command::Clear { map, up_to, reply } => {
                    let newest = self
                        .claims
                        .get("clear", &map)
                        .map_or(Version::MAX, |claimed| claimed.high_water);
                    let everything = newest <= up_to;
                    self.begin_sweep(map, SweepKind::Clear { up_to, everything }, reply);
                }
                Command::Purge { map, horizon, reply } => {
                    self.begin_sweep(map, SweepKind::Purge { horizon }, reply);
                }
                Command::Close => self.commands.close(),
            }
        }
    }

    /// Commits these writes with those of all calls that wait behind it, and returns the first command that is no
    /// write. While the disk syncs, the next group gathers in the queue.
    fn apply(&mut self, call: Call, reply: oneshot::Sender<Vec<WriteResult>>) -> Option<Command> {
        let mut records = call.writes.len();
        let (mut calls, mut replies) = (vec![call], vec![reply]);
        let mut next = None;
        while records < self.group_records {
            match self.commands.try_recv() {
                Ok(Command::Apply { writes, judge, reply }) => {
                    records += writes.len();
                    calls.push(Call { writes, judge });
                    replies.push(reply);
                }
                Ok(other) => {
                    next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        let answers = group::commit(&*self.kv, &mut self.claims, self.clock.now(), &calls);
        for (reply, answers) in replies.into_iter().zip(answers) {
            let _ = reply.send(answers);
        }
        next
    }

    fn begin_sweep(
        &mut self,
        map: MapName,
        kind: SweepKind,
        reply: oneshot::Sender<Result<u64, StoreError>>,
    ) {
        self.sweeps
            .extend(sweep::begin(&*self.kv, &mut self.claims, map, kind, reply));
    }

    fn sweep(&mut self) {
        if let Some(sweep) = self.sweeps.pop_front() {
            let unfinished = sweep.step(&*self.kv, &mut self.claims, self.clock.now());
            self.sweeps.extend(unfinished);
        }
    }
}
