use std::hint;
use std::sync::Arc;

use layerstore_record::{Key, Record};

use super::level::LockedStripe;
use super::stripes::Stripes;

/// How many records are drawn at a time: so many stripes are locked together, for some hundred nanoseconds.
const AT_ONCE: usize = 32;

/// How often a few draws are made again because they fell into gaps, or records went meanwhile.
const TRIES: usize = 32;

/// For how many records room is made before they are drawn.
const CAPACITY: usize = 256;

/// Draws records with equal chances: a number below the count of all slots tells stripe and slot.
pub(super) fn sample(stripes: &Stripes, rng: &mut fastrand::Rng, n: usize) -> Vec<(Key, Arc<Record>)> {
    let mut drawn = Vec::with_capacity(n.min(CAPACITY));
    // At most half of the slots are gaps.
    let tries = n.div_ceil(AT_ONCE).saturating_mul(4).saturating_add(TRIES);
    for _ in 0..tries {
        let wanted = AT_ONCE.min(n - drawn.len());
        if wanted == 0 || !draw(stripes, rng, wanted, &mut drawn) {
            break;
        }
    }
    drawn
}

/// Draws up to `wanted` records, [`AT_ONCE`] at most; `false` when there are none.
fn draw(
    stripes: &Stripes,
    rng: &mut fastrand::Rng,
    wanted: usize,
    drawn: &mut Vec<(Key, Arc<Record>)>,
) -> bool {
    let level = stripes.level();
    let total: usize = level.extents().sum();
    if total == 0 {
        return false;
    }
    let mut numbers = [usize::MAX; AT_ONCE];
    numbers[..wanted].fill_with(|| rng.usize(0..total));
    // One walk through the stripes finds all, and locks in ascending order.
    numbers[..wanted].sort_unstable();
    let mut held: [Held<'_>; AT_ONCE] = [const { None }; AT_ONCE];
    let (mut start, mut found, mut locked) = (0, 0, 0);
    for (index, extent) in level.extents().enumerate() {
        let end = start + extent;
        let first = found;
        while found < wanted && numbers[found] < end {
            numbers[found] -= start;
            found += 1;
        }
        if found > first {
            let Some(stripe) = stripes.lock_in(level, index) else {
                break;
            };
            held[locked] = Some((stripe, first, found));
            locked += 1;
        }
        if found == wanted {
            break;
        }
        start = end;
    }
    take(&held[..locked], &numbers, drawn);
    true
}

/// A locked stripe, and which of the numbers are slots of it.
type Held<'a> = Option<(LockedStripe<'a>, usize, usize)>;

/// Takes the records that stand in the slots of these numbers.
fn take(held: &[Held<'_>], numbers: &[usize; AT_ONCE], drawn: &mut Vec<(Key, Arc<Record>)>) {
    let placed = || {
        let stripes = held.iter().flatten();
        stripes.flat_map(|(stripe, first, end)| {
            numbers[*first..*end]
                .iter()
                .filter_map(|slot| stripe.slots.at(*slot))
        })
    };
    // Records lie all over memory, and an owner more is written to each in turn: looked at first, all of them arrive together.
    for placed in placed() {
        hint::black_box(Arc::strong_count(&placed.record));
    }
    drawn.extend(placed().map(|placed| (placed.key.clone(), Arc::clone(&placed.record))));
}
