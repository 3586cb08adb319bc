use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Orders of writes, with when each was accepted. Orders come one after the other and go from the first on but for a few, so that most lie in a
/// row without gaps; what stays behind the others is kept apart.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    /// Those that the row has passed, or that came back.
    stragglers: BTreeMap<u64, Duration>,
    /// The order of the first place of the row.
    first: u64,
    row: VecDeque<Option<Duration>>,
    /// How many places of the row are taken.
    in_row: usize,
}

/// A row may be so many times as long as what is in it, before what holds it back is kept apart.
const SPARSE: usize = 4;

/// A row that is shorter is left alone.
const SHORT: usize = 1_024;

impl Unsettled {
    pub(super) fn insert(&mut self, order: u64, accepted: Duration) {
        // Kept apart it stays there: it must not be in both.
        if let Some(known) = self.stragglers.get_mut(&order) {
            *known = accepted;
            return;
        }
        if self.row.is_empty() {
            self.first = order;
        }
        let Some(at) = self.place(order) else {
            self.stragglers.insert(order, accepted);
            return;
        };
        // Orders that were never to be settled leave gaps: a few, or else the row begins anew.
        if at > self.row.len() + SHORT {
            self.keep_apart(usize::MAX);
            return self.insert(order, accepted);
        }
        if at >= self.row.len() {
            self.row.resize(at + 1, None);
        }
        if let Some(place) = self.row.get_mut(at)
            && place.replace(accepted).is_none()
        {
            self.in_row += 1;
        }
    }

    pub(super) fn remove(&mut self, order: &u64) {
        let place = self.place(*order).and_then(|at| self.row.get_mut(at));
        match place.and_then(Option::take) {
            Some(_) => self.in_row -= 1,
            None => drop(self.stragglers.remove(order)),
        }
        self.shorten();
        if self.row.len() > SHORT && self.row.len() > SPARSE * self.in_row {
            self.keep_apart(self.row.len() / 2);
            self.shorten();
        }
    }

    pub(super) fn contains_key(&self, order: &u64) -> bool {
        let place = self.place(*order).and_then(|at| self.row.get(at));
        place.is_some_and(Option::is_some) || self.stragglers.contains_key(order)
    }

    /// Returns the lowest order, and when it was accepted.
    pub(super) fn first(&self) -> Option<(u64, Duration)> {
        // The row begins with one that is there.
        let row = self.row.front().copied().flatten();
        let row = row.map(|accepted| (self.first, accepted));
        let straggler = self.stragglers.first_key_value();
        let straggler = straggler.map(|(order, accepted)| (*order, *accepted));
        straggler.into_iter().chain(row).min()
    }

    fn place(&self, order: u64) -> Option<usize> {
        usize::try_from(order.checked_sub(self.first)?).ok()
    }

    /// Takes places at the front away that nothing is in.
    fn shorten(&mut self) {
        while self.row.front().is_some_and(Option::is_none) {
            self.row.pop_front();
            self.first += 1;
        }
        if self.row.is_empty() && self.row.capacity() > SHORT {
            self.row = VecDeque::new();
        }
    }

    /// Moves what is in the first places out of the row.
    fn keep_apart(&mut self, places: usize) {
        for accepted in self.row.drain(..places.min(self.row.len())) {
            if let Some(accepted) = accepted {
                self.stragglers.insert(self.first, accepted);
                self.in_row -= 1;
            }
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_with_stragglers_is_as_a_sorted_map() {
        let seed = layerstore_testkit::proof::seed();
        let mut rng = fastrand::Rng::with_seed(seed);
        for _ in 0..50 {
            let (mut unsettled, mut sorted) = (Unsettled::default(), BTreeMap::new());
            let mut next = 1_u64;
            // With few of them it is empty again and again.
            let new = rng.u8(4..12);
            for _ in 0..5_000 {
                match rng.u8(0..20) {
                    roll if roll < new => {
                        next += if rng.u8(0..100) == 0 { rng.u64(1..3_000) } else { 1 };
                        unsettled.insert(next, Duration::from_millis(next));
                        sorted.insert(next, Duration::from_millis(next));
                    }
                    // Something of long ago comes back.
                    18 | 19 => {
                        let order = rng.u64(1..=next);
                        unsettled.insert(order, Duration::ZERO);
                        sorted.insert(order, Duration::ZERO);
                    }
                    _ => {
                        let near = rng.usize(0..sorted.len().clamp(1, 40));
                        let order = sorted.keys().nth(near).copied().unwrap_or(next);
                        unsettled.remove(&order);
                        sorted.remove(&order);
                    }
                }
                let first = sorted.first_key_value().map(|(order, at)| (*order, *at));
                assert_eq!(unsettled.first(), first, "LAYERSTORE_SEED={seed}");
                let any = rng.u64(1..=next);
                assert_eq!(unsettled.contains_key(&any), sorted.contains_key(&any));
            }
        }
    }
}
