//! The writer of one map: a task that does what callers ask one after another, and their writes in groups.

use std::collections::VecDeque;
use std::sync::Arc;

use layerstore_data_store::{ErrorKind, MapClaim, StoreError, Write, WriteResult};
use layerstore_record::MapName;
use tokio::sync::{mpsc, oneshot};

use crate::convert::{STORE, closed};
use crate::group::{self, take_turn};
use crate::head::Head;
use crate::held::{Held, KnownKeys};
use crate::key_writes::{OPERATION, Rules};
use crate::settle::settle_all;
use crate::shared::{Facts, Shared};
use crate::sweep::{Sweep, SweepKind};
use crate::turn::{self, fenced};

/// What callers ask of a map's writer. An answer whose asker has gone is dropped; the work is done all the same.
pub(crate) enum Command {
    /// Claim the map, with this number to tell the claim by.
    Claim {
        owner: u64,
        reply: oneshot::Sender<Result<MapClaim, StoreError>>,
    },
    /// Make writes.
    Apply {
        writes: Vec<Write>,
        rules: Rules,
        reply: oneshot::Sender<Vec<WriteResult>>,
    },
    /// Drop records; the answer tells how many.
    Sweep {
        kind: SweepKind,
        reply: oneshot::Sender<Result<u64, StoreError>>,
    },
    /// Make an end of what may still arrive.
    Settle {
        reply: oneshot::Sender<Result<(), StoreError>>,
    },
}

/// The writer of a map.
pub(crate) struct MapWriter {
    shared: Arc<Shared>,
    map: MapName,
    facts: Arc<Facts>,
    state: State,
    sweeps: VecDeque<Sweep>,
}

enum State {
    Unclaimed,
    Held(Box<Held>),
    Fenced,
}

impl MapWriter {
    pub(crate) fn new(shared: Arc<Shared>, map: MapName, facts: Arc<Facts>) -> Self {
        Self {
            shared,
            map,
            facts,
            state: State::Unclaimed,
            sweeps: VecDeque::new(),
        }
    }

    /// Works until nobody can ask any more, then ends what is queued.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(next) = self.next(&mut commands).await {
            let mut next = next;
            while let Some(command) = next.take() {
                next = self.handle(command, &mut commands).await;
            }
            self.sweep().await;
        }
        for sweep in self.sweeps.drain(..) {
            sweep.abandon(closed("sweep"));
        }
        self.leave_nothing_open().await;
    }

    /// Waits for a command while there is nothing to sweep. `Some(None)`: none now; `None`: none ever again.
    async fn next(&self, commands: &mut mpsc::Receiver<Command>) -> Option<Option<Command>> {
        if self.sweeps.is_empty() {
            return commands.recv().await.map(Some);
        }
        match commands.try_recv() {
            Ok(command) => Some(Some(command)),
            Err(mpsc::error::TryRecvError::Empty) => Some(None),
            Err(mpsc::error::TryRecvError::Disconnected) => None,
        }
    }

    /// Does what was asked; may return the command after it.
    async fn handle(&mut self, command: Command, commands: &mut mpsc::Receiver<Command>) -> Option<Command> {
        match command {
            Command::Claim { owner, reply } => {
                let _ = reply.send(self.claim(owner).await);
            }
            Command::Apply { writes, rules, reply } => {
                return self.apply(writes, rules, reply, commands).await;
            }
            Command::Sweep { kind, reply } => self.begin_sweep(kind, reply).await,
            Command::Settle { reply } => {
                let _ = reply.send(self.settle().await);
            }
        }
        None
    }

    async fn claim(&mut self, owner: u64) -> Result<MapClaim, StoreError> {
        self.set(State::Unclaimed);
        let (head, tag) = turn::claim(&self.shared, &self.map, owner).await?;
        // From here on nobody else begins a write. What earlier writers had begun is ended before the claim is known.
        let (stamp, version) = (head.stamp(), head.high_water);
        settle_all(&self.shared, &self.map, head.intents.clone(), stamp, version).await?;
        let floors = head.floors;
        // A clock that resumes below a floor would make nothing but stale writes.
        let resume_above = head.high_water.max(floors.cleared).max(floors.purged);
        let claim = MapClaim::new(head.epoch, resume_above, floors.cleared, floors.purged);
        self.set(State::Held(Box::new(Held {
            head,
            tag,
            keys: KnownKeys::new(self.shared.known_keys),
            news: Default::default(),
            unresolved: Default::default(),
        })));
        Ok(claim)
    }

    /// Makes the writes of a call, and those of calls that wait behind it, in one group where they fit.
    async fn apply(
        &mut self,
        writes: Vec<Write>,
        rules: Rules,
        reply: oneshot::Sender<Vec<WriteResult>>,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Option<Command> {
        let mut calls = vec![(writes.len(), reply)];
        let (mut all, mut next) = (writes, None);
        while all.len() < self.shared.group_records {
            match commands.try_recv() {
                Ok(Command::Apply {
                    writes,
                    rules: same,
                    reply,
                }) if same == rules => {
                    calls.push((writes.len(), reply));
                    all.extend(writes);
                }
                Ok(other) => {
                    next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        let mut answers = Vec::with_capacity(all.len());
        for part in group::parts(all, self.shared.group_records) {
            answers.extend(self.commit(rules, part).await);
        }
        let mut answers = answers.into_iter();
        for (len, reply) in calls {
            let _ = reply.send(answers.by_ref().take(len).collect());
        }
        next
    }

    async fn commit(&mut self, rules: Rules, writes: Vec<Write>) -> Vec<WriteResult> {
        let places: Vec<_> = writes.iter().map(|write| write.key.clone()).collect();
        let committed = match held(&mut self.state, OPERATION, &self.map) {
            Ok(held) => group::commit(&self.shared, &self.map, held, &self.facts, rules, writes).await,
            Err(error) => Err(error),
        };
        committed.unwrap_or_else(|error| {
            self.note(&error);
            let refused = |key| WriteResult::Rejected(error.clone().in_map(&self.map).at_key(key));
            places.iter().map(refused).collect()
        })
    }

    /// Raises the floor of a clear or purge; what it drops goes later, between groups of writes.
    async fn begin_sweep(&mut self, kind: SweepKind, reply: oneshot::Sender<Result<u64, StoreError>>) {
        match self.raise_floor(kind).await {
            Ok(kind) => self.sweeps.push_back(Sweep::new(self.map.clone(), kind, reply)),
            Err(error) => {
                self.note(&error);
                let _ = reply.send(Err(error));
            }
        }
    }

    async fn raise_floor(&mut self, kind: SweepKind) -> Result<SweepKind, StoreError> {
        let held = held(&mut self.state, kind.operation(), &self.map)?;
        let mut next = Head {
            intents: group::intents(&self.shared, held, std::iter::empty()),
            ..held.head.clone()
        };
        let kind = match kind {
            SweepKind::Clear { up_to, .. } => {
                next.floors.cleared = next.floors.cleared.max(up_to);
                let everything = next.high_water <= up_to;
                SweepKind::Clear { up_to, everything }
            }
            SweepKind::Purge { horizon } => {
                next.floors.purged = next.floors.purged.max(horizon);
                kind
            }
        };
        // The floor is durable before any object goes: a crash between the two leaves objects that no reader sees.
        take_turn(&self.shared, kind.operation(), &self.map, held, next).await?;
        self.facts.set_floors(Some(held.head.floors));
        Ok(kind)
    }

    async fn sweep(&mut self) {
        let Some(sweep) = self.sweeps.pop_front() else {
            return;
        };
        match held(&mut self.state, "sweep", &self.map) {
            Err(error) => sweep.abandon(error),
            Ok(held) => {
                if let Some(more) = sweep.step(&self.shared, held).await {
                    self.sweeps.push_back(more);
                }
            }
        }
    }

    async fn settle(&mut self) -> Result<(), StoreError> {
        // Who was fenced out has nothing under way that could still arrive: the later claim saw to it.
        if let State::Held(held) = &mut self.state {
            let keys = held.unresolved.iter().cloned().collect();
            group::resolve(&self.shared, &self.map, held, &self.facts, keys).await;
        }
        if self.facts.has_unresolved() {
            let what =
                "whether an earlier write still arrives is not known: try again when the service works";
            return Err(StoreError::new(ErrorKind::Unavailable, STORE, "load", what).in_map(&self.map));
        }
        Ok(())
    }

    /// Takes the intents out of the head, so that the next claim has nothing to settle.
    async fn leave_nothing_open(&mut self) {
        if let State::Held(held) = &mut self.state
            && held.unresolved.is_empty()
            && !held.head.intents.is_empty()
        {
            let next = Head {
                intents: Vec::new(),
                ..held.head.clone()
            };
            if let Err(error) = take_turn(&self.shared, "close", &self.map, held, next).await {
                tracing::debug!(error = %error, "the next claim of the map settles what this one wrote last");
            }
        }
    }

    fn note(&mut self, error: &StoreError) {
        if error.kind() == ErrorKind::Fenced {
            self.set(State::Fenced);
        }
    }

    fn set(&mut self, state: State) {
        self.facts.set_floors(match &state {
            State::Held(held) => Some(held.head.floors),
            State::Unclaimed | State::Fenced => None,
        });
        if !matches!(state, State::Held(_)) {
            self.facts.set_unresolved(&Default::default());
        }
        self.state = state;
    }
}

/// Returns what is known of the map, if this store holds its claim.
fn held<'a>(
    state: &'a mut State,
    operation: &'static str,
    map: &MapName,
) -> Result<&'a mut Held, StoreError> {
    match state {
        State::Held(held) => Ok(held),
        State::Fenced => Err(fenced(operation, map)),
        State::Unclaimed => Err(not_claimed(operation, map)),
    }
}

/// Says that a map must be claimed first.
pub(crate) fn not_claimed(operation: &'static str, map: &MapName) -> StoreError {
    let what = "claim the map before writing to it";
    StoreError::new(ErrorKind::NotClaimed, STORE, operation, what).in_map(map)
}
