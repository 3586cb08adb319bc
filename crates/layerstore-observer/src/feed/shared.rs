use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use super::ring::Ring;
use super::subscription::FeedClosed;
use crate::owned::{OwnedEvent, OwnedMutation};
use crate::sources::Sources;

/// What a feed and its subscriptions share.
pub(super) struct Shared {
    /// Guards everything. Held for a bounded handful of steps, never while a record is measured or dropped, a
    /// subscriber is woken, or anything waits.
    state: Mutex<State>,
    max_subscriptions: usize,
}

pub(super) struct State {
    pub(super) ring: Ring,
    pub(super) closed: bool,
    pub(super) subscriptions: usize,
    next_id: u64,
    /// Those who wait for the next change, by the id of their subscription: at most one each.
    waiting: HashMap<u64, Waker>,
    /// Who tells of changes.
    sources: Sources,
}

impl Shared {
    pub(super) fn new(ring: Ring, sources: Option<usize>, max_subscriptions: usize) -> Self {
        Self {
            state: Mutex::new(State {
                ring,
                closed: false,
                subscriptions: 0,
                next_id: 0,
                waiting: HashMap::new(),
                sources: Sources::expecting(sources),
            }),
            max_subscriptions,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a change and wakes those who wait for it.
    pub(super) fn append(&self, mutation: OwnedMutation) -> Result<(), FeedClosed> {
        let cost = mutation.cost();
        let (map, partition) = (mutation.map.clone(), mutation.partition);
        let is_destroy = matches!(mutation.event, OwnedEvent::Destroy { .. });
        let mutation = Arc::new(mutation);
        let mut state = self.lock();
        if state.closed {
            return Err(FeedClosed);
        }
        let left = state.ring.push(mutation, cost);
        if is_destroy {
            state.closed = state.sources.end(map, partition);
        } else {
            state.sources.note(map, partition);
        }
        let waiting = state.take_waiting();
        drop(state);
        // Records and wakers run code of others: not under the lock.
        drop(left);
        wake(waiting);
        Ok(())
    }

    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let waiting = state.take_waiting();
        drop(state);
        wake(waiting);
    }

    /// Takes a place for a subscription and returns its id, or how many places there are when none is free.
    pub(super) fn enter(&self, state: &mut State) -> Result<u64, usize> {
        if state.subscriptions >= self.max_subscriptions {
            return Err(self.max_subscriptions);
        }
        state.subscriptions += 1;
        state.next_id += 1;
        Ok(state.next_id)
    }

    pub(super) fn leave(&self, id: u64) {
        let mut state = self.lock();
        state.subscriptions -= 1;
        let waker = state.waiting.remove(&id);
        drop(state);
        drop(waker);
    }
}

impl State {
    /// Notes whom to wake at the next change; returns the waker that it replaces, to be dropped without the lock.
    pub(super) fn wait(&mut self, id: u64, waker: Waker) -> Option<Waker> {
        self.waiting.insert(id, waker)
    }

    fn take_waiting(&mut self) -> Vec<Waker> {
        self.waiting.drain().map(|(_, waker)| waker).collect()
    }
}

fn wake(waiting: Vec<Waker>) {
    for waker in waiting {
        waker.wake();
    }
}
