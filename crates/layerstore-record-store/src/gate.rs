//! Gates: one queue of writers a key, made on demand, and a barrier for what concerns every key (clause S1).

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, OnceLock};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use layerstore_record::Key;
use tokio::sync::oneshot;

use crate::lock::lock;
use crate::telling::{Ancestry, OpId};

/// How many locks the gates are spread over.
const SHARDS: usize = 64;

/// The gates of all keys of a store. Only keys that are being written have one.
pub(crate) struct Gates {
    /// Each lock protects the gates of the keys that hash to it, and is held for a few instructions. Made at the first write: a map that nobody
    /// writes to takes no room for them.
    shards: OnceLock<Box<[Mutex<Shard>]>>,
    hasher: RandomState,
    /// Barriers are raised one at a time.
    barrier: Arc<tokio::sync::Mutex<()>>,
}

/// Alone on its cache lines.
#[derive(Default)]
#[repr(align(64))]
struct Shard {
    /// By the hashes of their keys, which whoever passes knows already.
    held: HashTable<Gate>,
    bar: Option<Box<Bar>>,
}

struct Gate {
    name: Name,
    holder: OpId,
    waiting: VecDeque<Waiter>,
}

/// A key and its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    key: Key,
    hash: u64,
}

struct Waiter {
    op: OpId,
    grant: oneshot::Sender<Pass>,
}

/// Keeps newcomers out of a shard until those who were there have left and the barrier is lifted.
struct Bar {
    op: OpId,
    /// Whether evictions are kept out too: once no writer is anywhere, who may be waiting for what they free.
    is_closed: bool,
    drained: Option<oneshot::Sender<()>>,
    queue: VecDeque<(Name, Waiter)>,
}

/// The right to write to a key; the next in the queue has it when this is dropped.
pub(crate) struct Pass {
    gates: Arc<Gates>,
    name: Name,
    op: OpId,
    /// Whether dropping it opens the gate: not when the grant came back because nobody waits any more.
    armed: bool,
}

/// The right to write to every key, or to those of the shards that were barred so far.
pub(crate) struct Barrier {
    gates: Arc<Gates>,
    barred: usize,
    op: OpId,
    _turn: tokio::sync::OwnedMutexGuard<()>,
}

/// Why a gate cannot be passed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Somebody else is writing.
    Busy,
    /// Who is writing waits for us: an observer writes to the key that it is told of.
    Reentrant,
}

enum Entered {
    Passed(Pass),
    Waits(oneshot::Receiver<Pass>),
}

impl Gates {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            shards: OnceLock::new(),
            hasher: RandomState::default(),
            barrier: Arc::default(),
        })
    }

    /// Passes the gate of a key if nobody else is there.
    pub(crate) fn try_pass(self: &Arc<Self>, key: &Key) -> Result<Pass, Refused> {
        let name = self.name(key);
        let mut shard = lock(self.shard_of(&name));
        if shard.is_closed(&name) {
            let reentrant = shard.waits_for(&name, &Ancestry::here());
            return Err(if reentrant {
                Refused::Reentrant
            } else {
                Refused::Busy
            });
        }
        Ok(self.open(&mut shard, name, OpId::next()))
    }

    /// Passes the gate of a key if nobody else is there, to evict its record at once.
    ///
    /// A barrier that is being raised does not stand in the way: it waits for writers, who may wait for memory.
    pub(crate) fn try_pass_to_evict(self: &Arc<Self>, key: &Key) -> Result<Pass, Refused> {
        let name = self.name(key);
        let mut shard = lock(self.shard_of(&name));
        let is_closed = shard.bar.as_ref().is_some_and(|bar| bar.is_closed);
        if is_closed || shard.gate(&name).is_some() {
            return Err(Refused::Busy);
        }
        Ok(self.open(&mut shard, name, OpId::next()))
    }

    /// Passes the gate of a key in turn.
    pub(crate) async fn pass(self: &Arc<Self>, key: &Key) -> Result<Pass, Refused> {
        let name = self.name(key);
        let entered = {
            let mut shard = lock(self.shard_of(&name));
            self.enter(&mut shard, name, OpId::next(), &Ancestry::here())?
        };
        self.wait(entered).await
    }

    /// Passes the gates of several different keys, in the order of the keys given.
    ///
    /// Everybody who wants several takes them shard by shard, in the order of the shards, and all of a shard at once:
    /// no two can wait for each other, nor for a barrier, which goes the same way.
    pub(crate) async fn pass_all(self: &Arc<Self>, keys: &[Key]) -> Result<Vec<Pass>, Refused> {
        let (op, ancestry) = (OpId::next(), Ancestry::here());
        let names = keys.iter().map(|key| self.name(key)).enumerate();
        let mut order: Vec<_> = names.map(|(at, name)| (shard_index(&name), at, name)).collect();
        order.sort_unstable_by_key(|(shard, at, _)| (*shard, *at));
        let mut passes: Vec<(usize, Pass)> = Vec::with_capacity(keys.len());
        for group in order.chunk_by(|(one, ..), (other, ..)| one == other) {
            let entered: Vec<_> = {
                let mut shard = lock(&self.shards()[group[0].0]);
                let enter = |(_, at, name): &(usize, usize, Name)| {
                    let entered = self.enter(&mut shard, name.clone(), op, &ancestry);
                    (*at, entered)
                };
                // Collected before any is dropped: a pass opens its gate on drop, which takes this lock.
                group.iter().map(enter).collect()
            };
            for (at, entered) in entered {
                passes.push((at, self.wait(entered?).await?));
            }
        }
        passes.sort_unstable_by_key(|(at, _)| *at);
        Ok(passes.into_iter().map(|(_, pass)| pass).collect())
    }

    /// Passes the gates of every key there may be: waits for those who are writing, and keeps newcomers waiting.
    ///
    /// Shards are barred one after the other, so a newcomer to a later one may still pass while earlier ones wait. It comes
    /// before the barrier then, and is waited for as those who were there: once this returns nobody is writing, and every write
    /// that passed has its version already. A version drawn behind the barrier is above all of them, and below those of the
    /// writers that wait: each key has one order with what is done behind the barrier.
    pub(crate) async fn bar(self: &Arc<Self>) -> Result<Barrier, Refused> {
        // From inside an observer the barrier would wait for the write that waits for the observer.
        if !Ancestry::here().is_empty() {
            return Err(Refused::Reentrant);
        }
        let turn = Arc::clone(&self.barrier).lock_owned().await;
        let mut barrier = Barrier {
            gates: Arc::clone(self),
            barred: 0,
            op: OpId::next(),
            _turn: turn,
        };
        for shard in self.shards() {
            let drained = {
                let mut shard = lock(shard);
                let (sender, drained) = oneshot::channel();
                let sender = (!shard.held.is_empty()).then_some(sender);
                let waits = sender.is_some();
                shard.bar = Some(Box::new(Bar {
                    op: barrier.op,
                    is_closed: false,
                    drained: sender,
                    queue: VecDeque::new(),
                }));
                waits.then_some(drained)
            };
            barrier.barred += 1;
            if let Some(drained) = drained {
                drained.await.map_err(|_| Refused::Busy)?;
            }
        }
        for shard in self.shards() {
            // Who is still there evicts, waits for nothing, and has as good as left.
            loop {
                let ended = lock(shard).close();
                let Some(ended) = ended else {
                    break;
                };
                ended.await.map_err(|_| Refused::Busy)?;
            }
        }
        Ok(barrier)
    }

    /// Returns a hash of a key, the same as long as the store lives.
    pub(crate) fn hash(&self, key: &Key) -> u64 {
        self.hasher.hash_one(key)
    }

    fn name(&self, key: &Key) -> Name {
        let hash = self.hash(key);
        Name {
            key: key.clone(),
            hash,
        }
    }

    fn shards(&self) -> &[Mutex<Shard>] {
        let make = || (0..SHARDS).map(|_| Mutex::default()).collect();
        self.shards.get_or_init(make)
    }

    fn shard_of(&self, name: &Name) -> &Mutex<Shard> {
        &self.shards()[shard_index(name)]
    }

    fn enter(
        self: &Arc<Self>,
        shard: &mut Shard,
        name: Name,
        op: OpId,
        ancestry: &Ancestry,
    ) -> Result<Entered, Refused> {
        if !shard.is_closed(&name) {
            return Ok(Entered::Passed(self.open(shard, name, op)));
        }
        if shard.waits_for(&name, ancestry) {
            return Err(Refused::Reentrant);
        }
        let (grant, granted) = oneshot::channel();
        let waiter = Waiter { op, grant };
        match &mut shard.bar {
            Some(bar) => bar.queue.push_back((name, waiter)),
            None => {
                if let Some(gate) = shard.gate_mut(&name) {
                    gate.waiting.push_back(waiter);
                }
            }
        }
        Ok(Entered::Waits(granted))
    }

    async fn wait(&self, entered: Entered) -> Result<Pass, Refused> {
        match entered {
            Entered::Passed(pass) => Ok(pass),
            Entered::Waits(granted) => granted.await.map_err(|_| Refused::Busy),
        }
    }

    fn open(self: &Arc<Self>, shard: &mut Shard, name: Name, op: OpId) -> Pass {
        let gate = Gate {
            name: name.clone(),
            holder: op,
            waiting: VecDeque::new(),
        };
        shard.held.insert_unique(name.hash, gate, |gate| gate.name.hash);
        self.new_pass(name, op)
    }

    fn new_pass(self: &Arc<Self>, name: Name, op: OpId) -> Pass {
        Pass {
            gates: Arc::clone(self),
            name,
            op,
            armed: true,
        }
    }

    /// Lets the next in the queue pass, or takes the gate away.
    fn leave(self: &Arc<Self>, name: &Name) {
        let mut shard = lock(self.shard_of(name));
        let Ok(mut held) = shard.held.find_entry(name.hash, |gate| gate.name == *name) else {
            return;
        };
        let gate = held.get_mut();
        while let Some(waiter) = gate.waiting.pop_front() {
            gate.holder = waiter.op;
            match waiter.grant.send(self.new_pass(name.clone(), waiter.op)) {
                Ok(()) => return,
                // It does not wait any more: the grant came back, and the gate is still ours to give.
                Err(mut returned) => returned.armed = false,
            }
        }
        held.remove();
        shard.tell_if_drained();
    }

    /// Lets those who came during a barrier in, in the order of their coming.
    fn lift(self: &Arc<Self>, index: usize) {
        let mut shard = lock(&self.shards()[index]);
        let Some(bar) = shard.bar.take() else {
            return;
        };
        for (name, waiter) in bar.queue {
            if let Some(gate) = shard.gate_mut(&name) {
                gate.waiting.push_back(waiter);
                continue;
            }
            let pass = self.open(&mut shard, name, waiter.op);
            if let Err(mut returned) = waiter.grant.send(pass) {
                returned.armed = false;
                shard.close_gate(&returned.name);
            }
        }
    }
}

impl Shard {
    /// Tells whether a newcomer to this key has to wait.
    fn is_closed(&self, name: &Name) -> bool {
        self.bar.is_some() || self.gate(name).is_some()
    }

    fn gate(&self, name: &Name) -> Option<&Gate> {
        self.held.find(name.hash, |gate| gate.name == *name)
    }

    fn gate_mut(&mut self, name: &Name) -> Option<&mut Gate> {
        self.held.find_mut(name.hash, |gate| gate.name == *name)
    }

    fn close_gate(&mut self, name: &Name) {
        if let Ok(gate) = self.held.find_entry(name.hash, |gate| gate.name == *name) {
            gate.remove();
        }
    }

    /// Tells whether who keeps this key closed waits for one of `ancestry` itself.
    fn waits_for(&self, name: &Name, ancestry: &Ancestry) -> bool {
        let bar = self.bar.as_ref().map(|bar| bar.op);
        let holder = self.gate(name).map(|gate| gate.holder);
        [bar, holder]
            .into_iter()
            .flatten()
            .any(|op| ancestry.contains(op))
    }

    /// Keeps evictions out of a barred shard; where one is under way, returns what becomes ready when it has ended.
    fn close(&mut self) -> Option<oneshot::Receiver<()>> {
        let bar = self.bar.as_mut()?;
        if self.held.is_empty() {
            bar.is_closed = true;
            return None;
        }
        let (sender, drained) = oneshot::channel();
        bar.drained = Some(sender);
        Some(drained)
    }

    fn tell_if_drained(&mut self) {
        if let Some(bar) = &mut self.bar
            && self.held.is_empty()
            && let Some(drained) = bar.drained.take()
        {
            // A barrier that is not waited for any more is lifted by its owner's drop.
            let _ = drained.send(());
        }
    }
}

fn shard_index(name: &Name) -> usize {
    // Other bits than those by which a shard's table finds its places.
    usize::try_from((name.hash >> 32) % SHARDS as u64).unwrap_or_default()
}

impl Pass {
    /// Returns the key.
    pub(crate) fn key(&self) -> &Key {
        &self.name.key
    }

    /// Returns the hash of the key.
    pub(crate) fn hash(&self) -> u64 {
        self.name.hash
    }

    /// Returns the operation that passed.
    pub(crate) fn op(&self) -> OpId {
        self.op
    }
}

impl Barrier {
    /// Returns the operation that raised it.
    pub(crate) fn op(&self) -> OpId {
        self.op
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.armed {
            self.gates.leave(&self.name);
        }
    }
}

impl Drop for Barrier {
    fn drop(&mut self) {
        for index in 0..self.barred {
            self.gates.lift(index);
        }
    }
}
