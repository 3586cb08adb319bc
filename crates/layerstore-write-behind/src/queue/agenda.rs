//! What is to be done next: fresh writes in the order of their due times, which is that of acceptance, and what failed by when it may be
//! tried again.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use layerstore_record::Key;

use super::Place;

/// A key that something waits for. It counts only if that is still the first to wait there.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    pub(super) order: u64,
    pub(super) place: Place,
    pub(super) key: Key,
}

#[derive(Debug, Default)]
pub(super) struct Agenda {
    fresh: VecDeque<(Duration, Ticket)>,
    /// What waited behind another write of its key, or was held back: fresh as well, and out of order.
    followers: BTreeMap<(Duration, u64), Ticket>,
    retries: BTreeMap<(Duration, u64), Ticket>,
    /// What was accepted up to this order is due now.
    hurried: u64,
    /// Of which kind the last batch was.
    last: Option<Kind>,
    /// Something may have come that is due before all the rest.
    is_sooner: bool,
}

/// Which of the two kinds a batch is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Fresh,
    /// What failed before.
    Retry,
}

impl Agenda {
    /// Adds a write that was just accepted.
    pub(super) fn add(&mut self, due: Duration, ticket: Ticket) {
        match self.fresh.back() {
            // Due times rise, since all wait equally long; what would break the order goes where order is kept.
            Some((last, _)) if *last > due => self.follow(due, ticket),
            Some(_) => self.fresh.push_back((due, ticket)),
            None => {
                self.is_sooner = true;
                self.fresh.push_back((due, ticket));
            }
        }
    }

    /// Tells whether something may have come since this was last asked that is due before all the rest: whoever waits for that need not be told
    /// of anything else.
    pub(super) fn was_sooner(&mut self) -> bool {
        std::mem::take(&mut self.is_sooner)
    }

    /// Adds a write that waited for something else than its due time.
    pub(super) fn follow(&mut self, due: Duration, ticket: Ticket) {
        self.is_sooner = true;
        self.followers
            .insert((self.due(due, &ticket), ticket.order), ticket);
    }

    /// Adds a write that failed.
    pub(super) fn retry(&mut self, until: Duration, ticket: Ticket) {
        self.is_sooner = true;
        self.retries.insert((until, ticket.order), ticket);
    }

    /// Makes everything up to an order due.
    pub(super) fn hurry(&mut self, order: u64) {
        self.hurried = self.hurried.max(order);
        self.followers = at_once(&mut self.followers);
        self.retry_now();
    }

    /// Makes everything due that failed.
    pub(super) fn retry_now(&mut self) {
        self.retries = at_once(&mut self.retries);
    }

    /// Returns how many writes wait to be tried again.
    pub(super) fn retrying(&self) -> usize {
        self.retries.len()
    }

    /// Returns both kinds, first the one whose turn it is.
    pub(super) fn turns(&self) -> [Kind; 2] {
        match self.last {
            Some(Kind::Fresh) => [Kind::Retry, Kind::Fresh],
            Some(Kind::Retry) | None => [Kind::Fresh, Kind::Retry],
        }
    }

    /// Takes note that a batch of a kind was made.
    pub(super) fn had_turn(&mut self, kind: Kind) {
        self.last = Some(kind);
    }

    /// Returns when something of a kind is due next.
    pub(super) fn next_due(&self, kind: Kind) -> Option<Duration> {
        match kind {
            Kind::Fresh => {
                let fresh = self.fresh.front().map(|(due, ticket)| self.due(*due, ticket));
                fresh.into_iter().chain(first(&self.followers)).min()
            }
            Kind::Retry => first(&self.retries),
        }
    }

    /// Takes the next ticket of a kind that is due.
    pub(super) fn pop(&mut self, kind: Kind, now: Duration) -> Option<Ticket> {
        match kind {
            Kind::Fresh => pop_due(&mut self.followers, now).or_else(|| {
                let (due, ticket) = self.fresh.front()?;
                if self.due(*due, ticket) > now {
                    return None;
                }
                self.fresh.pop_front().map(|(_, ticket)| ticket)
            }),
            Kind::Retry => pop_due(&mut self.retries, now),
        }
    }

    /// Puts a ticket back that did not fit into a batch.
    pub(super) fn put_back(&mut self, kind: Kind, now: Duration, ticket: Ticket) {
        match kind {
            Kind::Fresh => self.fresh.push_front((now, ticket)),
            Kind::Retry => self.retry(now, ticket),
        }
    }

    fn due(&self, due: Duration, ticket: &Ticket) -> Duration {
        if ticket.order <= self.hurried {
            Duration::ZERO
        } else {
            due
        }
    }
}

fn first(tickets: &BTreeMap<(Duration, u64), Ticket>) -> Option<Duration> {
    tickets.keys().next().map(|(due, _)| *due)
}

fn pop_due(tickets: &mut BTreeMap<(Duration, u64), Ticket>, now: Duration) -> Option<Ticket> {
    let next = tickets.first_entry()?;
    (next.key().0 <= now).then(|| next.remove())
}

fn at_once(tickets: &mut BTreeMap<(Duration, u64), Ticket>) -> BTreeMap<(Duration, u64), Ticket> {
    let tickets = std::mem::take(tickets).into_values();
    tickets
        .map(|ticket| ((Duration::ZERO, ticket.order), ticket))
        .collect()
}
