//! Histories that a person has judged.

use layerstore_testkit::linearizability::RegisterOp::{Get, Put, PutIf, Remove, Toggle};
use layerstore_testkit::linearizability::RegisterOutput::{Done, Unread, Value};
use layerstore_testkit::linearizability::{Call, RegisterOp, RegisterOutput};

/// A history and the judgement.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) right: bool,
    pub(crate) calls: fn() -> Vec<Call<RegisterOp, RegisterOutput>>,
}

const fn right(name: &'static str, calls: fn() -> Vec<Call<RegisterOp, RegisterOutput>>) -> Known {
    Known {
        name,
        right: true,
        calls,
    }
}

const fn wrong(name: &'static str, calls: fn() -> Vec<Call<RegisterOp, RegisterOutput>>) -> Known {
    Known {
        name,
        right: false,
        calls,
    }
}

/// Stamps of start and end, then what was asked and answered.
macro_rules! calls {
    ($($start:literal .. $end:tt $op:expr => $output:tt),* $(,)?) => { || vec![$(calls!(@ $start $end $op, $output)),*] };
    (@ $start:literal ? $op:expr, $output:tt) => { Call::unknown($start, $op) };
    (@ $start:literal $end:literal $op:expr, CUT) => { Call::cut($start, $end, $op) };
    (@ $start:literal $end:literal $op:expr, $output:expr) => { Call::ended($start, $end, $op, $output) };
}

const NONE: RegisterOutput = Value(None);
const ONE: RegisterOutput = Value(Some(1));
const TWO: RegisterOutput = Value(Some(2));

pub(crate) const KNOWN: &[Known] = &[
    right("nothing", Vec::new),
    right(
        "one after the other",
        calls![0 .. 1 Put(1) => NONE, 2 .. 3 Get => ONE, 4 .. 5 Remove => ONE, 6 .. 7 Get => NONE],
    ),
    right(
        "a get beside a put sees the new",
        calls![0 .. 3 Put(1) => NONE, 1 .. 2 Get => ONE],
    ),
    right(
        "a get beside a put sees the old",
        calls![0 .. 3 Put(1) => NONE, 1 .. 2 Get => NONE],
    ),
    right(
        "two gets beside a put see old, then new",
        calls![0 .. 9 Put(1) => NONE, 1 .. 2 Get => NONE, 3 .. 4 Get => ONE],
    ),
    wrong(
        "two gets beside a put see new, then old",
        calls![0 .. 9 Put(1) => NONE, 1 .. 2 Get => ONE, 3 .. 4 Get => NONE],
    ),
    right(
        "overlapping gets beside a put see new and old",
        calls![0 .. 9 Put(1) => NONE, 1 .. 4 Get => ONE, 2 .. 3 Get => NONE],
    ),
    wrong("a number that nobody put", calls![0 .. 1 Get => ONE]),
    wrong(
        "a get after a put sees nothing",
        calls![0 .. 1 Put(1) => NONE, 2 .. 3 Get => NONE],
    ),
    wrong(
        "a get sees a put that starts later",
        calls![0 .. 1 Get => ONE, 2 .. 3 Put(1) => NONE],
    ),
    wrong(
        "a removed number comes back",
        calls![0 .. 1 Put(1) => NONE, 2 .. 3 Remove => ONE, 4 .. 5 Get => ONE],
    ),
    right(
        "puts side by side in either order",
        calls![0 .. 3 Put(1) => TWO, 1 .. 2 Put(2) => NONE, 4 .. 5 Get => ONE],
    ),
    wrong(
        "both puts side by side found nothing",
        calls![0 .. 3 Put(1) => NONE, 1 .. 2 Put(2) => NONE],
    ),
    wrong(
        "each of two puts replaced the other",
        calls![0 .. 3 Put(1) => TWO, 1 .. 2 Put(2) => ONE],
    ),
    wrong(
        "an older put is seen over a newer",
        calls![0 .. 1 Put(1) => NONE, 2 .. 3 Put(2) => ONE, 4 .. 5 Get => ONE],
    ),
    right(
        "one of two racing swaps wins",
        calls![0 .. 3 PutIf { expected: None, put: 1 } => { Done(true) }, 1 .. 2 PutIf { expected: None, put: 2 } => { Done(false) }],
    ),
    wrong(
        "both racing swaps win",
        calls![0 .. 3 PutIf { expected: None, put: 1 } => { Done(true) }, 1 .. 2 PutIf { expected: None, put: 2 } => { Done(true) }],
    ),
    wrong(
        "both racing swaps lose",
        calls![0 .. 3 PutIf { expected: None, put: 1 } => { Done(false) }, 1 .. 2 PutIf { expected: None, put: 2 } => { Done(false) }],
    ),
    right(
        "a swap that comes after another's",
        calls![0 .. 3 PutIf { expected: Some(2), put: 1 } => { Done(true) }, 1 .. 2 PutIf { expected: None, put: 2 } => { Done(true) }],
    ),
    wrong(
        "a swap on what is there loses",
        calls![0 .. 1 Put(1) => NONE, 2 .. 3 PutIf { expected: Some(1), put: 2 } => { Done(false) }],
    ),
    right(
        "two removals, one finds it",
        calls![0 .. 1 Put(1) => NONE, 2 .. 5 Remove => ONE, 3 .. 4 Remove => NONE],
    ),
    wrong(
        "two removals both find it",
        calls![0 .. 1 Put(1) => NONE, 2 .. 5 Remove => ONE, 3 .. 4 Remove => ONE],
    ),
    right(
        "toggles in turn",
        calls![0 .. 1 Toggle(1) => NONE, 2 .. 3 Toggle(2) => ONE, 4 .. 5 Get => NONE],
    ),
    wrong(
        "a lost update between two toggles",
        calls![0 .. 3 Toggle(2) => NONE, 1 .. 2 Toggle(4) => NONE],
    ),
    right(
        "a removal that did not read what it removed",
        calls![0 .. 1 Put(1) => NONE, 2 .. 3 Remove => Unread, 4 .. 5 Remove => NONE],
    ),
    wrong("an unread number where none was", calls![0 .. 1 Remove => Unread]),
    right(
        "a put of unknown outcome is seen",
        calls![0 .. ? Put(1) => NONE, 1 .. 2 Get => ONE],
    ),
    right(
        "a put of unknown outcome is not seen",
        calls![0 .. ? Put(1) => NONE, 1 .. 2 Get => NONE],
    ),
    right(
        "a put of unknown outcome lands late",
        calls![0 .. ? Put(1) => NONE, 1 .. 2 Put(2) => NONE, 3 .. 4 Get => TWO, 5 .. 6 Get => ONE],
    ),
    wrong(
        "a put of unknown outcome lands twice",
        calls![0 .. ? Put(1) => NONE, 1 .. 2 Get => ONE, 3 .. 4 Put(2) => ONE, 5 .. 6 Get => TWO, 7 .. 8 Get => ONE],
    ),
    wrong(
        "a put of unknown outcome is seen before it starts",
        calls![0 .. 1 Get => ONE, 2 .. ? Put(1) => NONE],
    ),
    right(
        "a removal of unknown outcome",
        calls![0 .. 1 Put(1) => NONE, 2 .. ? Remove => NONE, 3 .. 4 Get => ONE, 5 .. 6 Get => NONE],
    ),
    right(
        "a put that a crash cut off is seen",
        calls![0 .. 1 Put(1) => CUT, 2 .. 3 Get => ONE, 4 .. 5 Get => ONE],
    ),
    right(
        "a put that a crash cut off is not seen",
        calls![0 .. 1 Put(1) => CUT, 2 .. 3 Get => NONE, 4 .. 5 Put(2) => NONE, 6 .. 7 Get => TWO],
    ),
    wrong(
        "a put that a crash cut off lands after it",
        calls![0 .. 1 Put(1) => CUT, 2 .. 3 Get => NONE, 4 .. 5 Get => ONE],
    ),
    wrong(
        "a put that a crash cut off lands over a newer one",
        calls![0 .. 1 Put(1) => CUT, 2 .. 3 Put(2) => ONE, 4 .. 5 Get => ONE],
    ),
    right(
        "of two puts that a crash cut off the first landed, or the second",
        calls![0 .. 3 Put(1) => CUT, 1 .. 3 Put(2) => CUT, 4 .. 5 Get => ONE],
    ),
    wrong(
        "of two puts that a crash cut off one landed after the other was seen",
        calls![0 .. 3 Put(1) => CUT, 1 .. 3 Put(2) => CUT, 4 .. 5 Get => ONE, 6 .. 7 Get => TWO],
    ),
    wrong(
        "a removal that a crash cut off lands after it",
        calls![0 .. 1 Put(1) => NONE, 2 .. 3 Remove => CUT, 4 .. 5 Get => ONE, 6 .. 7 Get => NONE],
    ),
    right(
        "only a long detour explains it",
        calls![0 .. 20 Put(1) => TWO, 1 .. 19 Put(2) => NONE, 2 .. 18 Remove => ONE, 3 .. 17 Get => TWO, 4 .. 16 Get => ONE, 5 .. 15 Get => NONE],
    ),
    wrong(
        "one overlapping get too many",
        calls![0 .. 20 Put(1) => TWO, 1 .. 19 Put(2) => NONE, 2 .. 3 Get => ONE, 4 .. 5 Get => TWO],
    ),
];
