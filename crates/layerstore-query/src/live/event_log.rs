use std::collections::VecDeque;

use layerstore_record::Key;

use super::subscription::{LiveChange, LiveEvent};

/// The newest events, numbered from 1.
#[derive(Debug)]
pub(super) struct EventLog {
    events: VecDeque<(Key, LiveChange)>,
    /// The number of the oldest event that is kept, or of the next one where there is none.
    first: u64,
    max: usize,
}

/// What there is to read at a number.
#[derive(Debug)]
pub(super) enum Read {
    Event(LiveEvent),
    /// The events before this number are gone.
    Gone {
        until: u64,
    },
    Nothing,
}

impl EventLog {
    pub(super) fn new(max: usize) -> Self {
        Self {
            events: VecDeque::new(),
            first: 1,
            max,
        }
    }

    pub(super) fn next_number(&self) -> u64 {
        self.first + self.kept()
    }

    pub(super) fn push(&mut self, key: Key, change: LiveChange) {
        self.events.push_back((key, change));
        if self.events.len() > self.max {
            self.events.pop_front();
            self.first += 1;
        }
    }

    /// Drops everything and leaves a number out, so that everybody misses something.
    pub(super) fn skip(&mut self) {
        self.first = self.next_number() + 1;
        self.events.clear();
    }

    pub(super) fn read(&self, number: u64) -> Read {
        if number < self.first {
            return Read::Gone { until: self.first };
        }
        let place = usize::try_from(number - self.first).unwrap_or(usize::MAX);
        match self.events.get(place) {
            Some((key, change)) => Read::Event(LiveEvent {
                number,
                key: key.clone(),
                change: change.clone(),
            }),
            None => Read::Nothing,
        }
    }

    fn kept(&self) -> u64 {
        u64::try_from(self.events.len()).unwrap_or(u64::MAX)
    }
}
