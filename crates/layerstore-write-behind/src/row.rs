//! What is found by numbers that are given one after the other and go from the first on but for a few: most of it lies in a row without gaps,
//! where a number is a place. What stays behind the others is kept apart.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

/// Values by such numbers.
#[derive(Debug)]
pub(crate) struct Row<T> {
    /// Those that the row has passed, or that came back.
    stragglers: BTreeMap<u64, T>,
    /// The number of the first place of the row.
    first: u64,
    places: VecDeque<Option<T>>,
    /// How many places of the row are taken.
    taken: usize,
}

/// A row may be so many times as long as what is in it, before what holds it back is kept apart.
const SPARSE: usize = 4;

/// A row that is shorter is left alone.
const SHORT: usize = 1_024;

impl<T> Default for Row<T> {
    fn default() -> Self {
        Self {
            stragglers: BTreeMap::new(),
            first: 0,
            places: VecDeque::new(),
            taken: 0,
        }
    }
}

impl<T: Copy> Row<T> {
    /// Puts a value in; returns the one that had its number.
    pub(crate) fn insert(&mut self, number: u64, value: T) -> Option<T> {
        // Kept apart it stays there: it must not be in both.
        if let Some(known) = self.stragglers.get_mut(&number) {
            return Some(std::mem::replace(known, value));
        }
        if self.places.is_empty() {
            self.first = number;
        }
        let Some(at) = self.place(number) else {
            return self.stragglers.insert(number, value);
        };
        if at < self.places.len() {
            let before = self.places[at].replace(value);
            self.taken += usize::from(before.is_none());
            return before;
        }
        // Numbers that were never to come leave gaps: a few, or else the row begins anew.
        if at > self.places.len() + SHORT {
            self.keep_apart(usize::MAX);
            return self.insert(number, value);
        }
        if at > self.places.len() {
            self.places.resize(at, None);
        }
        self.places.push_back(Some(value));
        self.taken += 1;
        None
    }

    /// Takes the value of a number out.
    pub(crate) fn remove(&mut self, number: u64) -> Option<T> {
        let place = self.place(number).and_then(|at| self.places.get_mut(at));
        let Some(removed) = place.and_then(Option::take) else {
            return self.stragglers.remove(&number);
        };
        self.taken -= 1;
        self.shorten();
        if self.places.len() > SHORT && self.places.len() > SPARSE * self.taken {
            self.keep_apart(self.places.len() / 2);
            self.shorten();
        }
        Some(removed)
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        let place = self.place(number).and_then(|at| self.places.get(at));
        place.is_some_and(Option::is_some) || self.stragglers.contains_key(&number)
    }

    /// Returns how many values there are.
    pub(crate) fn len(&self) -> usize {
        self.taken + self.stragglers.len()
    }

    /// Returns the value with the lowest number.
    pub(crate) fn first(&self) -> Option<(u64, T)> {
        // The row begins with one that is there.
        let row = self.places.front().copied().flatten();
        let row = row.map(|value| (self.first, value));
        let straggler = self.stragglers.first_key_value();
        let straggler = straggler.map(|(number, value)| (*number, *value));
        straggler.into_iter().chain(row).min_by_key(|(number, _)| *number)
    }

    /// Returns the values of higher numbers, in order.
    pub(crate) fn after(&self, number: u64) -> impl Iterator<Item = (u64, T)> {
        let from = number.saturating_add(1).max(self.first);
        let at = self.place(from).unwrap_or(usize::MAX).min(self.places.len());
        let row = (from..).zip(self.places.range(at..));
        let mut row = row
            .filter_map(|(number, value)| Some((number, (*value)?)))
            .peekable();
        let bounds = (Bound::Excluded(number), Bound::Unbounded);
        let stragglers = self.stragglers.range(bounds);
        let mut stragglers = stragglers.map(|(number, value)| (*number, *value)).peekable();
        std::iter::from_fn(move || {
            let next = row.peek().map(|(number, _)| *number);
            stragglers
                .next_if(|(straggler, _)| next.is_none_or(|next| *straggler < next))
                .or_else(|| row.next())
        })
    }

    fn place(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
    }

    /// Takes places at the front away that nothing is in.
    fn shorten(&mut self) {
        while self.places.front().is_some_and(Option::is_none) {
            self.places.pop_front();
            self.first += 1;
        }
        if self.places.is_empty() && self.places.capacity() > SHORT {
            self.places = VecDeque::new();
        }
    }

    /// Moves what is in the first places out of the row.
    fn keep_apart(&mut self, places: usize) {
        for value in self.places.drain(..places.min(self.places.len())) {
            if let Some(value) = value {
                self.stragglers.insert(self.first, value);
                self.taken -= 1;
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
            let (mut row, mut sorted) = (Row::default(), BTreeMap::new());
            let mut next = 1_u64;
            // With few of them it is empty again and again.
            let new = rng.u8(4..12);
            for step in 0..5_000_u64 {
                match rng.u8(0..20) {
                    roll if roll < new => {
                        next += if rng.u8(0..100) == 0 { rng.u64(1..3_000) } else { 1 };
                        assert_eq!(row.insert(next, step), sorted.insert(next, step));
                    }
                    // Something of long ago comes back.
                    18 | 19 => {
                        let number = rng.u64(1..=next);
                        assert_eq!(row.insert(number, step), sorted.insert(number, step));
                    }
                    _ => {
                        let near = rng.usize(0..sorted.len().clamp(1, 40));
                        let number = sorted.keys().nth(near).copied().unwrap_or(next);
                        assert_eq!(row.remove(number), sorted.remove(&number));
                    }
                }
                let first = sorted.first_key_value().map(|(number, value)| (*number, *value));
                assert_eq!(
                    (row.first(), row.len()),
                    (first, sorted.len()),
                    "LAYERSTORE_SEED={seed}"
                );
                let any = rng.u64(1..=next);
                assert_eq!(row.contains(any), sorted.contains_key(&any));
                let after = sorted.range((Bound::Excluded(any), Bound::Unbounded)).take(40);
                let after = after.map(|(number, value)| (*number, *value));
                assert!(row.after(any).take(40).eq(after), "LAYERSTORE_SEED={seed}");
            }
        }
    }
}
