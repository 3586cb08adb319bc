use std::collections::VecDeque;
use std::sync::Arc;

use layerstore_record::Cost;

use crate::owned::OwnedMutation;
use crate::topic::Topic;

/// How many changes a read looks at, so that a topic that lets little pass does not hold the writer up.
const READ_AT_ONCE: usize = 64;

/// The newest changes within two bounds; their numbers follow from the first one's.
#[derive(Debug)]
pub(super) struct Ring {
    slots: VecDeque<Slot>,
    /// The number of the first slot, or of the next change when there is no slot.
    first: u64,
    cost: Cost,
    max_records: usize,
    max_cost: Cost,
}

/// A change that has left the ring, for the caller to drop where it holds no lock.
pub(super) type Left = Arc<OwnedMutation>;

#[derive(Debug)]
struct Slot {
    mutation: Arc<OwnedMutation>,
    cost: Cost,
}

/// What there is to read from a number on.
#[derive(Debug)]
pub(super) enum Read {
    /// The changes from there up to (not including) this number are gone.
    Gone { until: u64 },
    /// A change that passes.
    Found {
        number: u64,
        mutation: Arc<OwnedMutation>,
    },
    /// Nothing passes up to (not including) this number, but there is more to look at.
    Skipped { until: u64 },
    /// Nothing more: the next change gets this number.
    End { next: u64 },
}

impl Ring {
    pub(super) fn new(first: u64, max_records: usize, max_cost: Cost) -> Self {
        Self {
            slots: VecDeque::new(),
            first,
            cost: Cost::ZERO,
            max_records,
            max_cost,
        }
    }

    /// Appends a change and hands out what no longer fits, which may be the change itself.
    pub(super) fn push(&mut self, mutation: Arc<OwnedMutation>, cost: Cost) -> Vec<Left> {
        self.slots.push_back(Slot { mutation, cost });
        self.cost += cost;
        let mut left = Vec::new();
        while self.slots.len() > self.max_records || self.cost > self.max_cost {
            let Some(oldest) = self.slots.pop_front() else {
                break;
            };
            self.first = self.first.saturating_add(1);
            self.cost = self.cost.minus(oldest.cost);
            left.push(oldest.mutation);
        }
        left
    }

    /// Looks for the first change from number `from` on that passes.
    pub(super) fn read(&self, from: u64, topic: &Topic) -> Read {
        if from < self.first {
            return Read::Gone { until: self.first };
        }
        let start = usize::try_from(from - self.first).unwrap_or(usize::MAX);
        let mut number = from;
        for slot in self.slots.iter().skip(start).take(READ_AT_ONCE) {
            if topic.passes(&slot.mutation.as_mutation()) {
                let mutation = Arc::clone(&slot.mutation);
                return Read::Found { number, mutation };
            }
            number += 1;
        }
        if number < self.next_number() {
            Read::Skipped { until: number }
        } else {
            Read::End { next: number }
        }
    }

    pub(super) fn first_number(&self) -> u64 {
        self.first
    }

    pub(super) fn next_number(&self) -> u64 {
        let held = u64::try_from(self.slots.len()).unwrap_or(u64::MAX);
        self.first.saturating_add(held)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn cost(&self) -> Cost {
        self.cost
    }
}
