//! The short way of a write that is alone in its call and goes into the log: it takes the lock of the queue twice.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

use layerstore_data_store::{Write, WriteResult};
use layerstore_record::Key;

use crate::STORE;
use crate::accept::reject;
use crate::log::{EncodedEntry, Entries};
use crate::queue::{Arrival, Place, Queue, Room};
use crate::shared::Shared;

/// A write at its key, with its room; both are given back when it is dropped.
struct Held<'a> {
    shared: &'a Shared,
    call: u64,
    place: Place,
    key: &'a Key,
    /// None once both are given back.
    room: Option<Room>,
}

impl Shared {
    /// Makes a write that nothing stands in the way of and that has room. Returns none, with nothing done, where it has to go the long way.
    pub(crate) async fn apply_alone(&self, write: &Write) -> Option<WriteResult> {
        let log = self.log.as_ref()?;
        let mut arrival = Arrival::of(&write.key, Arc::clone(&write.record), None);
        let is_plain = write.expect.is_none() && self.check_size(write, arrival.cost).is_ok();
        if !is_plain || self.closed.load(Ordering::Acquire) {
            return None;
        }
        let entry = EncodedEntry::of_write(write, log.buffer()).ok()?;
        let held = self.hold(write, &arrival)?;
        match self.append_once(log, Entries::One(entry)).await {
            Ok(appended) => arrival.sequence = Some(appended.first.0),
            // Nothing was appended: the long way waits for room, or does what else the options say.
            Err(error) if error.is_full() => return None,
            Err(error) => return Some(reject(write, error.into_store_error(STORE, "apply"))),
        }
        self.done(held.accept(arrival));
        Some(WriteResult::Applied)
    }

    fn hold<'a>(&'a self, write: &'a Write, arrival: &Arrival) -> Option<Held<'a>> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let mut queue = self.queue();
        let place = queue.place(&write.map);
        let room = queue.hold(call, place, &write.key, arrival)?;
        Some(Held {
            shared: self,
            call,
            place,
            key: &write.key,
            room: Some(room),
        })
    }
}

impl Held<'_> {
    /// Puts the write into the queue; returns the sequences of the log that it makes needless.
    fn accept(mut self, arrival: Arrival) -> Vec<u64> {
        let now = self.shared.now();
        let mut queue = self.shared.queue();
        let held = (self.call, self.room.take().unwrap_or_default());
        let needless = queue.accept_held(held, self.place, self.key, arrival, now);
        self.tell(queue);
        needless
    }

    fn tell(&self, queue: MutexGuard<'_, Queue>) {
        self.shared.tell_worker(queue);
        self.shared.moved.notify_waiters();
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let Some(room) = self.room.take() else { return };
        let mut queue = self.shared.queue();
        queue.release(room);
        queue.leave_key(self.call, self.place, self.key);
        self.tell(queue);
    }
}
