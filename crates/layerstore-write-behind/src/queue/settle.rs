use std::time::Duration;

use layerstore_data_store::StoreError;
use layerstore_record::{Key, Version};

use super::agenda::Ticket;
use super::batch::Item;
use super::dead::Dead;
use super::pending::Pending;
use super::{Place, Queue};

/// What the final store made of a write.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// It has it, or something newer.
    Stored,
    /// It may take it later.
    Later,
    /// It takes it when the map is claimed.
    Unclaimed,
    /// Another process has claimed the map.
    Fenced(StoreError),
    /// It never takes it.
    Never,
}

/// What is left to do after an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Nothing, but for sequences of the log that are done.
    Done(Vec<u64>),
    /// It is tried again.
    Again,
    /// It is to be made a dead letter: [`Queue::bury`].
    Bury,
}

impl Queue {
    /// Takes note of what became of a write that was on its way.
    pub(crate) fn settle(
        &mut self,
        item: &Item,
        answer: Answer,
        now: Duration,
        rng: &mut fastrand::Rng,
    ) -> Settled {
        let is_void = {
            let slot = self.maps[item.place.0].slots.get(&item.key);
            let in_flight = slot.and_then(|slot| slot.in_flight.as_ref());
            match in_flight.filter(|pending| pending.version == item.version) {
                None => return Settled::Done(Vec::new()),
                Some(pending) => pending.is_void,
            }
        };
        match answer {
            Answer::Stored => Settled::Done(self.arrived(item)),
            // Nobody wants one that is void.
            _ if is_void => Settled::Done(self.give_up(item, Duration::ZERO)),
            // A newer write of the key will do as well.
            Answer::Later if self.bounds.coalesces && self.has_newer(item) => {
                let until = self.back_off(item, now, rng);
                Settled::Done(self.give_up(item, until))
            }
            Answer::Never if self.has_newer(item) => Settled::Done(self.give_up(item, Duration::ZERO)),
            Answer::Later => {
                self.again(item, true, now, rng);
                Settled::Again
            }
            Answer::Unclaimed => {
                self.unclaimed(item.place);
                self.again(item, false, now, rng);
                Settled::Again
            }
            Answer::Fenced(error) => {
                self.fence(item.place, error);
                self.again(item, false, now, rng);
                Settled::Again
            }
            Answer::Never => Settled::Bury,
        }
    }

    /// Makes a dead letter of a write that is on its way, with its new place in the log. Returns the sequences that are done by it.
    pub(crate) fn bury(&mut self, item: &Item, reason: String, sequence: Option<u64>) -> Vec<u64> {
        let Some(mut pending) = self.land(item) else {
            return sequence.into_iter().collect();
        };
        let mut done = Vec::new();
        if sequence.is_some() {
            done.extend(pending.sequence);
            pending.sequence = sequence;
        }
        if pending.is_void || self.has_newer(item) {
            done.extend(self.drop_landed(item, pending, Duration::ZERO));
            return done;
        }
        self.unsettled.remove(pending.order);
        if let Some(slot) = self.maps[item.place.0].slots.get_mut(&item.key) {
            slot.dead = Some(Box::new(Dead { pending, reason }));
            slot.failed = 0;
            slot.not_before = None;
            self.dead += 1;
        }
        done
    }

    /// Takes a write off its way: it is in the store.
    fn arrived(&mut self, item: &Item) -> Vec<u64> {
        self.knows(item.place, item.version);
        let Some(pending) = self.land(item) else {
            return Vec::new();
        };
        self.unsettled.remove(pending.order);
        self.used.remove(&pending);
        if let Some(slot) = self.maps[item.place.0].slots.get_mut(&item.key) {
            slot.failed = 0;
            slot.not_before = None;
        }
        self.follow(item.place, &item.key, Duration::ZERO);
        pending.sequence.into_iter().collect()
    }

    /// Takes a write off its way that need not be tried again.
    fn give_up(&mut self, item: &Item, until: Duration) -> Vec<u64> {
        // It may still land.
        self.knows(item.place, item.version);
        let Some(pending) = self.land(item) else {
            return Vec::new();
        };
        self.drop_landed(item, pending, until)
    }

    /// Drops a write for the sake of a newer one of its key, where there is one. That takes its place in the order, so that a flush which
    /// waits for the older waits for the newer.
    fn drop_landed(&mut self, item: &Item, pending: Pending, until: Duration) -> Vec<u64> {
        self.used.remove(&pending);
        let slot = self.maps[item.place.0].slots.get_mut(&item.key);
        let newer = slot.and_then(|slot| slot.waiting.front_mut());
        let gone = match newer {
            Some(newer) if !pending.is_void && self.unsettled.contains(pending.order) => {
                let later = newer.order;
                newer.order = pending.order;
                newer.accepted = pending.accepted;
                later
            }
            _ => pending.order,
        };
        self.unsettled.remove(gone);
        self.follow(item.place, &item.key, until);
        pending.sequence.into_iter().collect()
    }

    /// Puts a write back to the front of its key.
    fn again(&mut self, item: &Item, backs_off: bool, now: Duration, rng: &mut fastrand::Rng) {
        let Some(pending) = self.land(item) else { return };
        let until = if backs_off {
            self.back_off(item, now, rng)
        } else {
            Duration::ZERO
        };
        let map = &mut self.maps[item.place.0];
        if map.fenced.is_some() {
            self.unsettled.remove(pending.order);
        }
        if let Some(slot) = map.slots.get_mut(&item.key) {
            slot.waiting.push_front(pending);
        }
        self.follow(item.place, &item.key, until);
    }

    fn back_off(&mut self, item: &Item, now: Duration, rng: &mut fastrand::Rng) -> Duration {
        let policy = self.bounds.backoff;
        let Some(slot) = self.maps[item.place.0].slots.get_mut(&item.key) else {
            return now;
        };
        slot.failed = slot.failed.saturating_add(1);
        let ceiling = u64::try_from(policy.ceiling(slot.failed).as_nanos()).unwrap_or(u64::MAX);
        // Half of it is certain, so that a store that refuses is not asked again at once; the other half keeps keys apart.
        let wait = Duration::from_nanos(ceiling / 2 + rng.u64(0..=ceiling / 2));
        let until = now.saturating_add(wait);
        slot.not_before = Some(until);
        until
    }

    fn land(&mut self, item: &Item) -> Option<Pending> {
        let slot = self.maps[item.place.0].slots.get_mut(&item.key)?;
        let landed = slot
            .in_flight
            .take_if(|pending| pending.version == item.version)?;
        self.in_flight -= 1;
        Some(*landed)
    }

    /// Gives what waits next for a key its ticket, unless it waits behind a write on its way or is held back.
    pub(super) fn follow(&mut self, place: Place, key: &Key, until: Duration) {
        let map = &mut self.maps[place.0];
        if let Some(slot) = map.slots.get(key)
            && let Some(next) = slot.waiting.front()
            && slot.in_flight.is_none()
            && map.fenced.is_none()
        {
            let ticket = Ticket {
                order: next.order,
                place,
                key: key.clone(),
            };
            // What has failed waits for its time; what has not, for its delay.
            match until {
                Duration::ZERO => self.agenda.follow(next.due, ticket),
                until => self.agenda.retry(until, ticket),
            }
        }
        map.tidy(key);
    }

    fn has_newer(&self, item: &Item) -> bool {
        let slot = self.maps[item.place.0].slots.get(&item.key);
        slot.is_some_and(|slot| !slot.waiting.is_empty())
    }

    /// Holds what waits in a map back: nothing of it can be written until the map is claimed again.
    pub(crate) fn fence(&mut self, place: Place, error: StoreError) {
        let map = &mut self.maps[place.0];
        if map.fenced.is_some() {
            return;
        }
        map.fenced = Some(error);
        map.is_writable = false;
        for pending in map.slots.values().flat_map(|slot| slot.waiting.iter()) {
            self.unsettled.remove(pending.order);
        }
    }

    /// Lets what was held back go again.
    pub(super) fn release_held(&mut self, place: Place) {
        let slots = &self.maps[place.0].slots;
        for pending in slots.values().flat_map(|slot| slot.waiting.iter()) {
            self.unsettled.insert(pending.order, pending.accepted);
        }
        let keys: Vec<Key> = slots.keys().cloned().collect();
        for key in keys {
            self.follow(place, &key, Duration::ZERO);
        }
    }

    /// Takes note that a write went past the queue into the final store. Returns the sequences of older ones that are done by it.
    pub(crate) fn overtaken(&mut self, place: Place, key: &Key, version: Version) -> Vec<u64> {
        self.knows(place, version);
        self.drop_older(place, key, version)
    }
}
