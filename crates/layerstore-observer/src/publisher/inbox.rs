use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use layerstore_record::{Cost, Millis};

use super::builder::QueueBounds;
use super::fault::{SubscriberFault, SubscriberStatus};
use super::subscriber::{Published, PublishedItem};
use crate::owned::OwnedMutation;
use crate::topic::Topic;

/// The queue of one subscriber.
#[derive(Debug)]
pub(super) struct Inbox {
    name: String,
    topic: Topic,
    bounds: QueueBounds,
    /// Guards everything that changes, for a handful of steps: no waker, record or handler of others is touched under it.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Queued>,
    cost: Cost,
    /// How many events have come in all: the number of the newest.
    newest: u64,
    /// The numbers from this one on, up to the oldest in the queue, were missed.
    missed_from: Option<u64>,
    missed: u64,
    failures: u64,
    panics: u64,
    last_fault: Option<SubscriberFault>,
    /// Since when it has taken nothing, though there was something.
    waiting_since: Option<Millis>,
    /// Whether this stall was reported.
    stall_reported: bool,
    waker: Option<Waker>,
    closed: bool,
}

#[derive(Debug)]
struct Queued {
    mutation: Arc<OwnedMutation>,
    cost: Cost,
}

impl Inbox {
    pub(super) fn new(name: String, topic: Topic, bounds: QueueBounds) -> Self {
        Self {
            name,
            topic,
            bounds,
            state: Mutex::default(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Appends an event, losing the oldest where there is no room.
    pub(super) fn push(&self, mutation: Arc<OwnedMutation>, now: Millis, stall_after: Duration) {
        let cost = mutation.cost();
        let mut state = self.lock();
        if state.closed {
            return;
        }
        state.newest += 1;
        state.cost += cost;
        state.queue.push_back(Queued { mutation, cost });
        let left = state.shed(self.bounds);
        let is_new_lag = !left.is_empty() && state.missed_from.is_none();
        if let Some(oldest) = state.oldest_number().filter(|_| is_new_lag) {
            state.missed_from = Some(oldest - u64::try_from(left.len()).unwrap_or(u64::MAX));
            state.last_fault = Some(SubscriberFault::FellBehind);
        }
        let stalled = state.note_waiting(now, stall_after);
        let waker = state.waker.take();
        drop(state);
        // Records and wakers run code of others: not under the lock.
        drop(left);
        if is_new_lag {
            tracing::warn!(subscriber = %self.name, "a subscriber falls behind: it loses its oldest events");
        }
        if let Some(stalled) = stalled {
            tracing::warn!(subscriber = %self.name, ?stalled, "a subscriber has stalled");
        }
        waker.into_iter().for_each(Waker::wake);
    }

    /// Takes the next item, or leaves a waker behind; `Err` when there is none and none will come.
    pub(super) fn take(&self, now: Millis, waker: Option<Waker>) -> Result<Option<PublishedItem>, ()> {
        let mut state = self.lock();
        state.stall_reported = false;
        if let Some(from) = state.missed_from.take() {
            state.waiting_since = (!state.queue.is_empty()).then_some(now);
            let to = state.oldest_number().unwrap_or(state.newest + 1) - 1;
            return Ok(Some(PublishedItem::Lagged { from, to }));
        }
        let number = state.oldest_number();
        let taken = state.queue.pop_front();
        state.waiting_since = (!state.queue.is_empty()).then_some(now);
        let (Some(number), Some(taken)) = (number, taken) else {
            if state.closed {
                return Err(());
            }
            let replaced = std::mem::replace(&mut state.waker, waker);
            drop(state);
            drop(replaced);
            return Ok(None);
        };
        state.cost = state.cost.minus(taken.cost);
        Ok(Some(PublishedItem::Event(Published {
            number,
            mutation: taken.mutation,
        })))
    }

    /// Notes that its handler failed or panicked.
    pub(super) fn note(&self, fault: SubscriberFault) {
        let mut state = self.lock();
        match &fault {
            SubscriberFault::Panicked => state.panics += 1,
            _ => state.failures += 1,
        }
        tracing::warn!(subscriber = %self.name, ?fault, "the handler of a subscriber failed; it goes on with the next event");
        state.last_fault = Some(fault);
    }

    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    pub(super) fn status(&self, now: Millis, stall_after: Duration) -> SubscriberStatus {
        let mut state = self.lock();
        let _ = state.note_waiting(now, stall_after);
        let waited = state.waited(now);
        SubscriberStatus {
            name: self.name.clone(),
            queued: state.queue.len(),
            missed: state.missed,
            failures: state.failures,
            panics: state.panics,
            stalled: waited.filter(|waited| *waited > stall_after),
            last_fault: state.last_fault.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Hands out the oldest events that do not fit, which may be all.
    fn shed(&mut self, bounds: QueueBounds) -> Vec<Queued> {
        let mut left = Vec::new();
        while self.queue.len() > bounds.events || self.cost > bounds.cost {
            let Some(oldest) = self.queue.pop_front() else {
                break;
            };
            self.cost = self.cost.minus(oldest.cost);
            self.missed += 1;
            left.push(oldest);
        }
        left
    }

    /// Returns the number of the oldest event in the queue; where it is empty, the next one's.
    fn oldest_number(&self) -> Option<u64> {
        let queued = u64::try_from(self.queue.len()).ok()?;
        Some(self.newest + 1 - queued)
    }

    /// Notes that something waits; returns for how long, the first time that it is too long.
    fn note_waiting(&mut self, now: Millis, stall_after: Duration) -> Option<Duration> {
        if self.queue.is_empty() && self.missed_from.is_none() {
            return None;
        }
        self.waiting_since.get_or_insert(now);
        let waited = self.waited(now).filter(|waited| *waited > stall_after)?;
        if std::mem::replace(&mut self.stall_reported, true) {
            return None;
        }
        self.last_fault = Some(SubscriberFault::Stalled(waited));
        Some(waited)
    }

    fn waited(&self, now: Millis) -> Option<Duration> {
        let since = self.waiting_since?;
        Some(Duration::from_millis(now.since(since)))
    }
}
