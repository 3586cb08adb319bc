use super::level::Level;
use super::position::{Position, ScanId};
use super::stripes::Stripes;
use crate::cursor::{Cursor, Page, Slot};

/// How many records are read before other writers of the stripe are let in.
const CHUNK: usize = 256;

pub(super) fn fetch(stripes: &Stripes, engine: ScanId, cursor: &Cursor, n: usize) -> Page {
    let n = n.max(1);
    let mut slots = Vec::with_capacity(n.min(stripes.len()));
    let mut position = Position::decode(cursor, engine);
    while slots.len() < n {
        let Some(stripe) = stripes.lock_at(&mut position) else {
            return Page { slots, next: None };
        };
        let top = position.below.min(stripe.slots.extent());
        let rest = top - top.min(CHUNK).min(n - slots.len());
        let chunk = stripe.slots.downwards(rest, top);
        slots.extend(chunk.map(|it| (it.key.clone(), Slot::Resident(it.record.clone()))));
        position.advance_to(rest);
    }
    let next = skip_empty(stripes.level(), position).map(|position| position.encode(engine));
    Page { slots, next }
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
