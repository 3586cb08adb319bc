use std::sync::Arc;

use layerstore_record::{Key, Record};

use super::level::Level;
use super::position::{Position, ScanId};
use super::stripes::Stripes;
use crate::cursor::{Cursor, Page, Slot};

/// How many records are read before other writers of the stripe are let in.
const CHUNK: usize = 256;

/// How often a draw is made again because records went meanwhile, a record wanted.
const TRIES: usize = 8;

pub(super) fn fetch(stripes: &Stripes, engine: ScanId, cursor: &Cursor, n: usize) -> Page {
    let n = n.max(1);
    let mut slots = Vec::with_capacity(n.min(stripes.len()));
    let mut position = Position::decode(cursor, engine);
    while slots.len() < n {
        let Some(stripe) = stripes.lock_at(&mut position) else {
            return Page { slots, next: None };
        };
        let placed = stripe.slots.as_slice();
        let top = position.below.min(placed.len());
        let rest = top - top.min(CHUNK).min(n - slots.len());
        let chunk = placed[rest..top].iter().rev();
        slots.extend(chunk.map(|it| (it.key.clone(), Slot::Resident(it.record.clone()))));
        position.advance_to(rest);
    }
    let next = skip_empty(stripes.level(), position).map(|position| position.encode(engine));
    Page { slots, next }
}

/// Draws records with equal chances: a number below the count of all tells stripe and slot.
pub(super) fn sample(stripes: &Stripes, rng: &mut fastrand::Rng, n: usize) -> Vec<(Key, Arc<Record>)> {
    let mut drawn = Vec::with_capacity(n.min(CHUNK));
    let mut ends = Ends::of(stripes.level());
    for _ in 0..n.saturating_mul(TRIES) {
        if drawn.len() == n || ends.total() == 0 {
            break;
        }
        let (index, slot) = ends.find(rng.usize(0..ends.total()));
        let stripe = stripes.lock_in(ends.level, index);
        match stripe
            .as_ref()
            .and_then(|stripe| stripe.slots.as_slice().get(slot))
        {
            Some(placed) => drawn.push((placed.key.clone(), placed.record.clone())),
            // Records went, or the level was left behind: count again.
            None => ends = Ends::of(stripes.level()),
        }
    }
    drawn
}

/// Moves a position past stripes without records, `None` when there are no others.
fn skip_empty(level: &Level, mut position: Position) -> Option<Position> {
    position.move_to(level);
    while position.stripe < level.width() {
        if level.len_of(position.stripe) > 0 {
            return Some(position);
        }
        position.advance_to(0);
    }
    None
}

/// Where each stripe ends if all slots are counted through.
struct Ends {
    level: u32,
    width: usize,
    ends: [usize; 256],
}

impl Ends {
    fn of(level: &Level) -> Self {
        let mut ends = [0; 256];
        let mut total = 0;
        for (index, end) in ends.iter_mut().enumerate().take(level.width()) {
            total += level.len_of(index);
            *end = total;
        }
        Self {
            level: level.number(),
            width: level.width(),
            ends,
        }
    }

    fn total(&self) -> usize {
        self.ends[self.width - 1]
    }

    /// Returns stripe and slot of number `at`, which is below the total.
    fn find(&self, at: usize) -> (usize, usize) {
        let index = self.ends[..self.width].partition_point(|&end| end <= at);
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        (index, at - start)
    }
}
