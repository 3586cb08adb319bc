//! Reads: what memory knows at once, the rest through a load that all who miss the key share (clauses S4 and S5).

use std::sync::Arc;

use layerstore_engine::{ColdRecord, Lookup};
use layerstore_record::{Key, Millis, Record};
use tokio::time::Instant;

use crate::core::Core;
use crate::counters::count;
use crate::error::{RecordErrorKind, RecordStoreError};
use crate::eviction_run::Room;
use crate::expiry::is_live;
use crate::install::Reading;
use crate::loads::{Full, Joined, Loaded, Ticket, Waiting};
use crate::outcome::TryGet;

/// Loads of one call that run together.
#[derive(Default)]
struct Slice {
    /// The loads that are this call's to make.
    tickets: Vec<Ticket>,
    /// Every load that it waits for, by the place of its key.
    waiting: Vec<(usize, Waiting)>,
}

impl Core {
    /// Answers from memory, counting a hit.
    pub(crate) fn try_get(&self, key: &Key) -> TryGet {
        let (seen, now) = self.look(key);
        match &seen {
            TryGet::Hit(record) => self.touch(key, record, now),
            TryGet::Absent | TryGet::NeedsLoad => count(&self.counters.misses),
        }
        seen
    }

    /// Answers from memory, and leaves no trace.
    pub(crate) fn peek(&self, key: &Key) -> TryGet {
        self.look(key).0
    }

    /// Does the same, and tells at what time.
    fn look(&self, key: &Key) -> (TryGet, Millis) {
        if self.tasks.is_closed() || self.is_fenced() {
            return (TryGet::NeedsLoad, Millis::default());
        }
        match self.memory.engine.lookup(key) {
            Lookup::Hit(record) => {
                let now = self.time_of_reading(&record);
                let is_live = is_live(&record, now);
                (
                    if is_live {
                        TryGet::Hit(record)
                    } else {
                        TryGet::Absent
                    },
                    now,
                )
            }
            Lookup::Cold(_) => (TryGet::NeedsLoad, Millis::default()),
            Lookup::Miss => {
                let now = self.now();
                let is_absent = self.is_null || self.absent.remembers(key, now);
                (
                    if is_absent {
                        TryGet::Absent
                    } else {
                        TryGet::NeedsLoad
                    },
                    now,
                )
            }
        }
    }

    /// Returns the time at which a record is read: about, where it only says when that was.
    fn time_of_reading(&self, record: &Record) -> Millis {
        if record.never_expires() {
            self.hlc.coarse_now()
        } else {
            self.now()
        }
    }

    /// Lets a reader see a record in place, counting a hit.
    pub(crate) fn read_in_place(&self, key: &Key, reader: &mut dyn FnMut(&Arc<Record>)) -> TryGet<()> {
        if self.tasks.is_closed() || self.is_fenced() {
            return TryGet::NeedsLoad;
        }
        let mut found = None;
        let mut moved = false;
        self.memory.engine.read(key, &mut |record| {
            let now = self.time_of_reading(record);
            found = Some(is_live(record, now));
            if found == Some(true) {
                moved = self.touch_record(record, now);
                reader(record);
            }
        });
        if moved {
            self.note_moved(key);
        }
        match found {
            Some(true) => TryGet::Hit(()),
            Some(false) => TryGet::Absent,
            None => match self.look(key) {
                (TryGet::Hit(record), now) => {
                    self.touch(key, &record, now);
                    reader(&record);
                    TryGet::Hit(())
                }
                (TryGet::Absent, _) => TryGet::Absent,
                (TryGet::NeedsLoad, _) => TryGet::NeedsLoad,
            },
        }
    }

    /// Reads a record, loading it when memory does not know.
    pub(crate) async fn get(self: &Arc<Self>, key: &Key) -> Loaded {
        match self.try_get(key) {
            TryGet::Hit(record) => Ok(Some(record)),
            TryGet::Absent => Ok(None),
            TryGet::NeedsLoad => {
                let loaded = self.load_shared(key, Reading::Now, "get").await?;
                Ok(loaded.filter(|record| is_live(record, self.now())))
            }
        }
    }

    /// Loads a record together with all who miss it; a tombstone comes back as such.
    pub(crate) async fn load_shared(
        self: &Arc<Self>,
        key: &Key,
        reading: Reading,
        operation: &'static str,
    ) -> Loaded {
        self.check_open(operation)?;
        let Joined { waiting, ticket } = self.join(key, operation)?;
        if let Some(ticket) = ticket {
            let core = Arc::clone(self);
            // Nobody waits for the task itself: what it finds reaches all readers through the ticket.
            drop(
                self.tasks
                    .spawn(async move { core.run_loads(vec![ticket], reading).await }),
            );
        }
        self.arrive(waiting, operation).await
    }

    /// Loads several records with one call, or with one a slice where they are more than may wait to be loaded at once;
    /// those that are being loaded already are waited for.
    pub(crate) async fn get_all(
        self: &Arc<Self>,
        keys: &[Key],
    ) -> Result<Vec<Option<Arc<Record>>>, RecordStoreError> {
        self.check_open("get_all")?;
        let mut found = vec![None; keys.len()];
        let mut slice = Slice::default();
        for (at, key) in keys.iter().enumerate() {
            let known = self.try_get(key);
            if known != TryGet::NeedsLoad {
                found[at] = known.hit();
                continue;
            }
            let joined = match self.loads.join(key) {
                Ok(joined) => joined,
                // Others fill the queue: the store is busy.
                Err(Full) if slice.tickets.is_empty() => return Err(self.busy(key, "get_all")),
                Err(Full) => {
                    // This call has filled it: what it wants next waits for what it wanted first.
                    self.load_slice(std::mem::take(&mut slice), &mut found).await?;
                    self.join(key, "get_all")?
                }
            };
            slice.tickets.extend(joined.ticket);
            slice.waiting.push((at, joined.waiting));
        }
        self.load_slice(slice, &mut found).await?;
        Ok(found)
    }

    /// Loads a slice and puts what comes of it in its places.
    async fn load_slice(
        self: &Arc<Self>,
        slice: Slice,
        found: &mut [Option<Arc<Record>>],
    ) -> Result<(), RecordStoreError> {
        let Slice { tickets, waiting } = slice;
        if !tickets.is_empty() {
            let core = Arc::clone(self);
            drop(
                self.tasks
                    .spawn(async move { core.run_loads(tickets, Reading::Now).await }),
            );
        }
        for (at, waiting) in waiting {
            let loaded = self.arrive(waiting, "get_all").await?;
            found[at] = loaded.filter(|record| is_live(record, self.now()));
        }
        Ok(())
    }

    fn join(&self, key: &Key, operation: &'static str) -> Result<Joined, RecordStoreError> {
        self.loads.join(key).map_err(|Full| self.busy(key, operation))
    }

    fn busy(&self, key: &Key, operation: &'static str) -> RecordStoreError {
        self.error(RecordErrorKind::Busy, operation).at_key(key)
    }

    async fn arrive(&self, mut waiting: Waiting, operation: &'static str) -> Loaded {
        let gone = || self.error(RecordErrorKind::Closed, operation);
        let arrived = waiting.wait_for(Option::is_some).await.map_err(|_| gone())?;
        arrived.clone().unwrap_or_else(|| Err(gone()))
    }

    /// Loads what the tickets ask for, brings it into memory, and tells all who wait.
    async fn run_loads(self: Arc<Self>, tickets: Vec<Ticket>, reading: Reading) {
        let found = tokio::time::timeout(self.config.load_deadline, self.find(&tickets)).await;
        let late = || self.late("load", self.config.load_deadline, "its turn or the data store");
        match found.unwrap_or_else(|_| Err(late())) {
            Err(error) => {
                for ticket in tickets {
                    let error = error.clone().at_key(&ticket.key);
                    ticket.tell(Err(error));
                }
            }
            Ok(found) => {
                let mut overtaken = Vec::new();
                for (ticket, found) in tickets.into_iter().zip(found) {
                    match self.settle(&ticket, found, reading) {
                        Some(found) => ticket.tell(Ok(found)),
                        None => overtaken.push(ticket),
                    }
                }
                // However many there are: who waits for the last waits no longer than who waits for the first.
                let end = Instant::now() + self.config.load_deadline;
                for ticket in overtaken {
                    let load = tokio::time::timeout_at(end, self.load_behind_gate(&ticket.key, reading));
                    let loaded = load.await.unwrap_or_else(|_| Err(late().at_key(&ticket.key)));
                    ticket.tell(loaded);
                }
            }
        }
    }

    /// Reads from the engine's disk tier or from the data store, in turn.
    async fn find(&self, tickets: &[Ticket]) -> Result<Vec<Option<Arc<Record>>>, RecordStoreError> {
        let closed = || self.error(RecordErrorKind::Closed, "load");
        let _turn = self.loads.permits.acquire().await.map_err(|_| closed())?;
        let mut found = vec![None; tickets.len()];
        let mut below = Vec::new();
        for (at, ticket) in tickets.iter().enumerate() {
            if let Some(cold) = self.cold(&ticket.key) {
                found[at] = self.thaw(cold, "load").await?;
            }
            // It may have left the disk tier meanwhile: that says nothing of what the data store has.
            if found[at].is_none() {
                below.push(at);
            }
        }
        if below.is_empty() || self.is_null {
            return Ok(found);
        }
        let keys: Vec<_> = below.iter().map(|at| tickets[*at].key.clone()).collect();
        let records = self.load_now(&keys, "load").await?;
        for (at, record) in below.into_iter().zip(records) {
            found[at] = record.map(Arc::new);
        }
        Ok(found)
    }

    fn cold(&self, key: &Key) -> Option<Box<dyn ColdRecord>> {
        match self.memory.engine.lookup(key) {
            Lookup::Cold(cold) => Some(cold),
            Lookup::Hit(_) | Lookup::Miss => None,
        }
    }

    /// Brings what was found into memory unless a mutation came between; returns what readers are told, `None` where the
    /// data store has to be asked again.
    fn settle(
        &self,
        ticket: &Ticket,
        found: Option<Arc<Record>>,
        reading: Reading,
    ) -> Option<Option<Arc<Record>>> {
        // A writer at the gate will poison this load: nothing to install, and nothing to wait for.
        let pass = self.gates.try_pass(&ticket.key).ok();
        if let Some(pass) = pass.filter(|_| !ticket.is_poisoned()) {
            let (found, _) = self.install(&pass, found, reading, Room::Make);
            // Before the gate opens: who comes after the next writer must not join this load.
            ticket.land();
            return Some(found);
        }
        count(&self.counters.loads_poisoned);
        // Before memory is looked at: who joins after somebody has seen a newer record in memory would not be told of it.
        ticket.land();
        // What was read may be a write that is stored and not in memory yet. Who is told of it must not hear of something
        // older from memory afterwards: while memory knows, readers are told what memory knows.
        if let Some(known) = self.committed(&ticket.key, reading) {
            return Some(known);
        }
        // A write that ended during the read leaves open whether the read saw it, the one before or the one after, and a
        // load that began later may have seen less.
        if ticket.is_poisoned() {
            return None;
        }
        if let Some(record) = &found {
            self.prepare_loaded(&ticket.key, record, reading);
        }
        Some(found)
    }

    /// Reads a record behind the gate of its key: no write comes between the read and the installation.
    async fn load_behind_gate(&self, key: &Key, reading: Reading) -> Loaded {
        let pass = self.pass(key, "load").await?;
        if let Some(known) = self.committed(key, reading) {
            return Ok(known);
        }
        if let Some(cold) = self.cold(key)
            && let Some(record) = self.thaw(cold, "load").await?
        {
            return Ok(Some(record));
        }
        if self.is_null {
            return Ok(None);
        }
        let found = self.load_now(std::slice::from_ref(key), "load").await?;
        let found = found.into_iter().next().flatten().map(Arc::new);
        Ok(self.install(&pass, found, reading, Room::Make).0)
    }

    /// Returns what memory knows of a key, as long as memory is the truth: its record, or that there is none.
    fn committed(&self, key: &Key, reading: Reading) -> Option<Option<Arc<Record>>> {
        if self.is_fenced() {
            return None;
        }
        match self.memory.record(key) {
            Some(held) => {
                self.note_reading(key, &held, reading);
                Some(Some(held))
            }
            None => self.absent.remembers(key, self.now()).then_some(None),
        }
    }

    /// Keeps a record alive that was read, and that the reader found in memory only after it had asked for more.
    pub(crate) fn note_reading(&self, key: &Key, record: &Record, reading: Reading) {
        let now = self.now();
        if reading == Reading::Now && is_live(record, now) {
            record.access().touch(now);
            if self.has_moved(record) {
                self.note_moved(key);
            }
        }
    }

    fn touch(&self, key: &Key, record: &Record, now: Millis) {
        if self.touch_record(record, now) {
            self.note_moved(key);
        }
    }

    /// Counts a hit; tells whether the idle deadline is to be persisted.
    fn touch_record(&self, record: &Record, now: Millis) -> bool {
        record.access().touch(now);
        self.counters.hit();
        self.has_moved(record)
    }

    fn has_moved(&self, record: &Record) -> bool {
        !record.never_expires()
            && !self.is_null
            && record.expiry().max_idle.is_some()
            && record.expiry().has_moved(record.access().last_access())
    }
}
