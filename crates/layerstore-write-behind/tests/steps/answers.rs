//! What a client is told when a step fails: by the contract, and nothing else.

use layerstore_data_store::ErrorKind;
use layerstore_write_behind::{Failpoint, Runs};

use crate::hook::{Act, During, Plan};
use crate::script::Told;

/// Where a disk may say that space is missing.
pub(crate) const TAKES_SPACE: &[Failpoint] = &[
    Failpoint::FileCreate,
    Failpoint::FileWrite,
    Failpoint::FileSync,
    Failpoint::FileRename,
    Failpoint::GroupWrite,
    Failpoint::SegmentSync,
    Failpoint::SidecarWrite,
    Failpoint::DropUnlink,
];

/// Of these, where what was written before stands, and the same may work later.
const FOR_NOW: &[Failpoint] = &[
    Failpoint::FileCreate,
    Failpoint::FileWrite,
    Failpoint::FileRename,
    Failpoint::GroupWrite,
    Failpoint::DropUnlink,
];

/// Compares what a client was told with the contract.
pub(crate) fn check(plan: Plan, during: During, told: &[Told]) -> Result<(), String> {
    let is_right = match plan.step.runs() {
        Runs::Runtime => on_the_runtime(plan.step, during, told),
        Runs::Thread => on_the_thread(plan, during, told),
    };
    is_right
        .then_some(())
        .ok_or_else(|| format!("the client was told {told:?}"))
}

fn on_the_runtime(step: Failpoint, during: During, told: &[Told]) -> bool {
    use ErrorKind::{Throttled, Timeout, Unavailable};
    match step {
        Failpoint::TakeOver | Failpoint::TakenOver => is_not_opened(told, step.name()),
        // The worker claims, too, and tries again.
        Failpoint::Claim | Failpoint::Claimed => each(told, &Told::NotClaimed(Unavailable)),
        Failpoint::LogAppend => some(told, &Told::NotWritten(Throttled)),
        Failpoint::LogAppended => some(told, &Told::NotWritten(Timeout)),
        // Only what the store behind has to judge is not tried again.
        Failpoint::Apply | Failpoint::Applied => each(told, &Told::NotWritten(Unavailable)),
        Failpoint::Cleared => some(told, &Told::NotCleared(Unavailable)),
        Failpoint::Purge => some(told, &Told::NotPurged(Unavailable)),
        Failpoint::FlushBehind | Failpoint::FlushedBehind => some(told, &Told::NotFlushed(Some(Unavailable))),
        // With the store behind away, that is what closing tells.
        Failpoint::CloseWorker | Failpoint::CloseLog | Failpoint::CloseBehind => {
            is_closing(during) && each(told, &Told::NotClosed(Some(Unavailable)))
        }
        _ => told.is_empty(),
    }
}

fn on_the_thread(plan: Plan, during: During, told: &[Told]) -> bool {
    match plan.step {
        // Nothing but the word is lost, or the entry is read again.
        Failpoint::DoneTold => told.is_empty(),
        Failpoint::EntryRead if during != During::Open => {
            each(told, &Told::NotWritten(ErrorKind::Unavailable))
        }
        step if plan.act == Act::Full && FOR_NOW.contains(&step) => {
            // Appends wait for room, and there is some at once.
            told.is_empty()
                || during == During::Open && is_not_opened(told, "no space is left for simulated disk/")
        }
        step => {
            let is_closed = |told: &Told| {
                *told == Told::Poisoned
                    || *told == Told::NotWritten(ErrorKind::Closed)
                    || *told == Told::NotPurged(ErrorKind::Closed)
                    || matches!(told, Told::NotClosed(_))
            };
            let is_poisoned =
                told.iter().all(is_closed) && (is_closing(during) || told.contains(&Told::Poisoned));
            // What follows opening may run before the opener goes on.
            is_poisoned
                || during == During::Open
                    && is_not_opened(told, step.name())
                    && is_not_opened(told, "simulated disk")
        }
    }
}

fn is_closing(during: During) -> bool {
    matches!(during, During::Leave | During::Close)
}

fn is_not_opened(told: &[Told], why: &str) -> bool {
    matches!(told, [Told::NotOpened(words)] if words.contains(why))
}

fn some(told: &[Told], only: &Told) -> bool {
    !told.is_empty() && each(told, only)
}

fn each(told: &[Told], only: &Told) -> bool {
    told.iter().all(|told| told == only)
}
