//! The short way of a write that is alone in its call and goes into the log: it takes the lock of the queue twice.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use layerstore_data_store::{Write, WriteResult};
use layerstore_record::Key;

use crate::STORE;
use crate::accept::reject;
use crate::log::NewEntry;
use crate::queue::{Arrival, Place, Room};
use crate::shared::Shared;

/// A write at its key, with its room; both are given back when it is dropped.
struct Held<'a> {
    shared: &'a Shared,
    call: u64,
    place: Place,
    key: &'a Key,
    room: Room,
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
        let entry = NewEntry::from(write).encode().ok()?;
        let held = self.hold(write, &arrival)?;
        match self.append_once(log, vec![entry]).await {
            Ok(appended) => arrival.sequence = Some(appended.first.0),
            // Nothing was appended: the long way waits for room, or does what else the options say.
            Err(error) if error.is_full() => return None,
            Err(error) => return Some(reject(write, error.into_store_error(STORE, "apply"))),
        }
        let needless = self.queue().accept(held.place, held.key, arrival, self.now());
        drop(held);
        self.done(needless);
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
            room,
        })
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut queue = self.shared.queue();
        queue.release(self.room);
        queue.leave_key(self.call, self.place, self.key);
        self.shared.tell_worker(queue);
        self.shared.moved.notify_waiters();
    }
}
