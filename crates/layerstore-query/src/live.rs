mod build;
mod event_log;
mod outcome_set;
mod settings;
mod subscription;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, Weak};

use layerstore_observer::{Effect, Mutation, MutationObserver, ObserverError};
use layerstore_record::{Clock, Key, MapName, Millis, Record};
use layerstore_record_store::{Partition, RecordStore, TryGet};
use tokio::sync::watch;

use crate::error::QueryError;
use crate::index::{Generation, Phase, Window, lock};
use crate::order::Place;
use crate::pages::Found;
use crate::query::Query;
use event_log::EventLog;
use outcome_set::OutcomeSet;

pub use settings::{DEFAULT_MAX_EVENTS, DEFAULT_MAX_RECORDS, LiveQueryBuilder};
pub use subscription::{LiveChange, LiveEnded, LiveEvent, LiveItem, LiveSubscription, ResumeError};

/// Keeps the answer of a query and tells subscribers how it changes: what entered, what changed, what left.
///
/// One observer for all partitions of its map. It is over all records, wherever they are, and holds those that it means: eviction
/// takes nothing from it. It is of use once it was [built](Self::build) from the records that were there before it.
///
/// # Contract
/// **V1**: at every moment what a subscriber was given first, with every event applied that it was told since, is what the query
/// returns: its order and its limit included, and nothing that has ended, swept or not.
/// **V2**: events are numbered without a gap. A subscriber that does not keep up is told once which numbers it missed, and may then
/// [take the result anew](LiveSubscription::refresh); one that was away resumes by number.
/// **V3**: bounded in records and events, and no writer waits for a subscriber. A query that comes to mean more records than it may hold says
/// so, by its name, to the writer and to every subscriber, instead of showing some of them.
///
/// After a write of unknown outcome nobody is told what the key holds until it is read. After a reset, which forgets writes that were told
/// of, subscribers are told that they missed something, and there is no result until it was built anew.
pub struct LiveQuery {
    name: String,
    map: MapName,
    query: Query,
    clock: Arc<dyn Clock>,
    max_records: usize,
    /// Guards everything that changes, for the time of one change, or of copying the result for a subscriber that comes.
    state: Mutex<State>,
    /// Wakes those who wait for an event.
    changed: watch::Sender<()>,
    /// Where it looks whether reads have kept a record alive. Weak: the stores hold their observers.
    stores: OnceLock<Box<[Weak<dyn RecordStore>]>>,
}

struct State {
    outcome: OutcomeSet,
    events: EventLog,
    window: Window,
    phase: Phase,
    generation: Generation,
    /// The partitions that will tell nothing more.
    destroyed: BTreeSet<u32>,
    /// Whether nothing will come any more.
    ended: bool,
}

impl State {
    /// Tells whether what is told counts: not before it was built, nor when it has to be built anew.
    fn is_kept_up(&self) -> bool {
        matches!(self.phase, Phase::Building | Phase::Ready)
    }
}

impl LiveQuery {
    /// Starts a live query with default bounds; the scope of the query is always all records.
    pub fn builder(name: impl Into<String>, map: MapName, query: Query) -> LiveQueryBuilder {
        LiveQueryBuilder::new(name.into(), map, query)
    }

    fn new(builder: LiveQueryBuilder) -> Self {
        Self {
            state: Mutex::new(State {
                outcome: OutcomeSet::new(builder.query.limit),
                events: EventLog::new(builder.max_events),
                window: Window::default(),
                phase: Phase::New,
                generation: Generation::default(),
                destroyed: BTreeSet::new(),
                ended: false,
            }),
            name: builder.name,
            map: builder.map,
            query: builder.query,
            clock: builder.clock,
            max_records: builder.max_records,
            changed: watch::Sender::new(()),
            stores: OnceLock::new(),
        }
    }

    /// Returns the query.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Returns the map.
    #[must_use]
    pub fn map(&self) -> &MapName {
        &self.map
    }

    /// Returns whether it has a result, and why not.
    #[must_use]
    pub fn phase(&self) -> Phase {
        lock(&self.state).phase
    }

    /// Returns how many records it means now, those beyond the limit included.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.state).outcome.len()
    }

    /// Tells whether it means no record now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Subscribes: gives the result now, and every change of it from here on.
    ///
    /// # Errors
    /// [`QueryError::Doubtful`] where it was not built, or has to be built anew.
    pub fn subscribe(self: &Arc<Self>) -> Result<LiveSubscription, QueryError> {
        let (first, next) = self.result()?;
        Ok(LiveSubscription::new(Arc::clone(self), first, next))
    }

    /// Goes on with the event of this number, the first that was not seen, without a result at first. What is not kept
    /// any more comes as a lag.
    ///
    /// # Errors
    /// [`ResumeError`] for a number that was never given out.
    pub fn resume(self: &Arc<Self>, number: u64) -> Result<LiveSubscription, ResumeError> {
        let next = lock(&self.state).events.next_number();
        if number > next {
            return Err(ResumeError { asked: number, next });
        }
        Ok(LiveSubscription::new(Arc::clone(self), Vec::new(), number))
    }

    /// Ends it: subscribers read what is left and come to the end.
    pub fn close(&self) {
        lock(&self.state).ended = true;
        self.changed.send_replace(());
    }

    /// Copies the result, with the number of the next event.
    fn result(&self) -> Result<(Found, u64), QueryError> {
        let mut state = lock(&self.state);
        self.end_due(&mut state);
        match state.phase {
            Phase::Ready => Ok((state.outcome.shown(), state.events.next_number())),
            Phase::Doubtful(why) => Err(self.doubtful(why)),
            Phase::New | Phase::Building => Err(self.doubtful("it was not built yet")),
        }
    }

    fn doubtful(&self, why: &'static str) -> QueryError {
        QueryError::Doubtful {
            name: self.name.clone(),
            why,
        }
    }

    /// Lets leave what has ended by now.
    fn end_due(&self, state: &mut State) {
        if !state.outcome.has_ends() {
            return;
        }
        let now = self.clock.now();
        let changes = state.outcome.end_due(now, |key| self.peek(key));
        self.tell(state, changes);
    }

    /// Asks memory for a record without being a reader of it.
    fn peek(&self, key: &Key) -> TryGet {
        let Some(stores) = self.stores.get() else {
            return TryGet::NeedsLoad;
        };
        let count = u32::try_from(stores.len()).unwrap_or(u32::MAX);
        let place = usize::try_from(Partition::index_of(key, count)).unwrap_or_default();
        let store = stores.get(place).and_then(Weak::upgrade);
        store.map_or(TryGet::NeedsLoad, |store| store.peek(key))
    }

    fn tell(&self, state: &mut State, changes: Vec<(Key, LiveChange)>) {
        // While it is built nobody follows it: who subscribes afterwards is given the result.
        if changes.is_empty() || state.phase != Phase::Ready {
            return;
        }
        for (key, change) in changes {
            state.events.push(key, change);
        }
        self.changed.send_replace(());
    }

    fn set(&self, key: &Key, partition: u32, record: &Arc<Record>) -> Result<(), ObserverError> {
        // Judged before the lock: writers of other keys do not wait for it.
        let place = self.place(key, record);
        let mut state = lock(&self.state);
        if !state.is_kept_up() {
            return Ok(());
        }
        state.window.note(key);
        self.take_over(&mut state, key, place.map(|place| (place, partition, record)));
        self.check_bound(&mut state)
    }

    fn place(&self, key: &Key, record: &Record) -> Option<Place> {
        let is_meant = self.query.predicate.holds(record);
        is_meant.then(|| Place::of(self.query.order.as_ref(), key, record))
    }

    fn take_over(&self, state: &mut State, key: &Key, held: Option<(Place, u32, &Arc<Record>)>) {
        let changes = match held {
            Some((place, partition, record)) => state.outcome.set(key, place, partition, record),
            None => state.outcome.remove(key),
        };
        self.tell(state, changes);
        self.end_due(state);
    }

    /// Gives up on a query that means too much.
    fn check_bound(&self, state: &mut State) -> Result<(), ObserverError> {
        if state.outcome.len() <= self.max_records {
            return Ok(());
        }
        self.doubt(state, "it means more records than it may hold");
        let error = QueryError::TooMany {
            name: self.name.clone(),
            max: self.max_records,
        };
        Err(ObserverError::new(&self.name, error.to_string()))
    }

    /// Forgets everything; subscribers are told that they missed something.
    fn doubt(&self, state: &mut State, why: &'static str) {
        state.phase = Phase::Doubtful(why);
        state.generation.rise();
        state.outcome.clear();
        state.events.skip();
        self.changed.send_replace(());
    }

    fn evict(&self, key: &Key, record: &Arc<Record>) {
        let mut state = lock(&self.state);
        state.outcome.evicted(key, record);
    }

    fn remove(&self, key: &Key) {
        let mut state = lock(&self.state);
        state.window.note(key);
        self.take_over(&mut state, key, None);
    }

    fn clear(&self, partition: u32) {
        let mut state = lock(&self.state);
        state.window.note_clear(partition);
        let changes = state.outcome.clear_partition(partition);
        self.tell(&mut state, changes);
    }

    /// Takes note of the end of a partition: with the last of them all comes to its end.
    fn end(&self, partition: u32) {
        let partitions = self.stores.get().map_or(1, |stores| stores.len());
        let mut state = lock(&self.state);
        state.destroyed.insert(partition);
        let is_last = state.destroyed.len() >= partitions;
        drop(state);
        if is_last {
            self.close();
        }
    }

    /// Returns in how long something may end by itself.
    fn next_end(&self) -> Option<std::time::Duration> {
        let Millis(end) = lock(&self.state).outcome.next_end()?;
        let left = end.saturating_sub(self.clock.now().0).max(1);
        Some(std::time::Duration::from_millis(left))
    }
}

impl MutationObserver for LiveQuery {
    fn name(&self) -> &str {
        &self.name
    }

    fn on_mutation(&self, mutation: &Mutation<'_>) -> Result<(), ObserverError> {
        if *mutation.map != self.map {
            return Ok(());
        }
        match mutation.event.effect() {
            Effect::Holds { key, record } => return self.set(key, mutation.partition, record),
            Effect::Gone { key, .. } => self.remove(key),
            Effect::Evicted { key, record } => self.evict(key, record),
            Effect::Emptied => self.clear(mutation.partition),
            Effect::Unknown => {
                self.doubt(&mut lock(&self.state), "a reset forgot writes: build it anew");
            }
            Effect::Ended => self.end(mutation.partition),
        }
        Ok(())
    }
}

impl fmt::Debug for LiveQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveQuery")
            .field("name", &self.name)
            .field("map", &self.map)
            .field("query", &self.query)
            .field("phase", &self.phase())
            .finish_non_exhaustive()
    }
}
