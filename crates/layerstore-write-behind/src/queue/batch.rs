use std::sync::Arc;
use std::time::Duration;

use layerstore_record::{Key, Record, Version};

use super::agenda::Kind;
use super::{Place, Queue};

/// Writes that go to the final store together.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Rises from batch to batch.
    pub(crate) number: u64,
    pub(crate) items: Vec<Item>,
    /// Whether all of them failed before.
    pub(crate) is_retry: bool,
}

/// A write on its way.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) place: Place,
    pub(crate) key: Key,
    pub(crate) version: Version,
    /// None where the log alone has it.
    pub(crate) record: Option<Arc<Record>>,
    pub(crate) sequence: Option<u64>,
}

impl Queue {
    /// Takes what of a kind is due, as many writes and bytes as given, and at least one where there is one. What failed goes apart from what
    /// did not, in smaller batches each time, down to one: whatever makes a whole batch fail is soon alone.
    pub(crate) fn take(&mut self, kind: Kind, now: Duration, most: usize, most_bytes: u64) -> Option<Batch> {
        let items = self.fill(kind, now, most, most_bytes);
        if items.is_empty() {
            return None;
        }
        self.agenda.had_turn(kind);
        self.batches += 1;
        self.in_flight += items.len();
        Some(Batch {
            number: self.batches,
            items,
            is_retry: kind == Kind::Retry,
        })
    }

    fn fill(&mut self, kind: Kind, now: Duration, most: usize, most_bytes: u64) -> Vec<Item> {
        let (mut items, mut bytes) = (Vec::new(), 0_u64);
        let whole = most.max(1);
        let mut most = whole;
        while items.len() < most {
            let Some(ticket) = self.agenda.pop(kind, now) else {
                break;
            };
            let map = &mut self.maps[ticket.place.0];
            let Some(slot) = map.slots.get_mut(&ticket.key) else {
                continue;
            };
            let is_current = slot
                .waiting
                .front()
                .is_some_and(|first| first.order == ticket.order);
            // What waits behind a write on its way gets a ticket when that has arrived.
            if !is_current || slot.in_flight.is_some() || map.fenced.is_some() {
                continue;
            }
            most = most.min(share(whole, slot.failed));
            let cost = slot.waiting.front().map_or(0, |first| first.cost);
            bytes = bytes.saturating_add(cost);
            if !items.is_empty() && (bytes > most_bytes || items.len() >= most) {
                self.agenda.put_back(kind, now, ticket);
                break;
            }
            let Some(first) = slot.waiting.pop_front() else {
                continue;
            };
            items.push(Item {
                place: ticket.place,
                key: ticket.key,
                version: first.version,
                record: first.record.clone(),
                sequence: first.sequence,
            });
            slot.in_flight = Some(Box::new(first));
        }
        items
    }

    /// Returns both kinds of batches, first the one whose turn it is.
    pub(crate) fn turns(&self) -> [Kind; 2] {
        self.agenda.turns()
    }

    /// Tells, once, whether something may have come that is due before all that had come before.
    pub(crate) fn was_sooner(&mut self) -> bool {
        self.agenda.was_sooner()
    }

    /// Returns when something of a kind is due next.
    pub(crate) fn next_due(&self, kind: Kind) -> Option<Duration> {
        self.agenda.next_due(kind)
    }
}

/// How many writes a batch holds with one that failed so often.
fn share(most: usize, failed: u32) -> usize {
    most.checked_shr(failed.saturating_mul(2)).unwrap_or(0).max(1)
}
