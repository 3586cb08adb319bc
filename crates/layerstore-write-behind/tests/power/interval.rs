//! What a power cut may take under an interval, by what was told before it.

use std::time::Duration;

use crate::cuts::Cut;
use crate::moment::Moment;
use crate::told::Told;

/// The log's clock shows whole milliseconds: an interval that it measures may be longer by one.
const CLOCK_STEP: Duration = Duration::from_millis(1);

/// How old what was lost had become, in microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ages {
    /// The oldest acknowledgement that was lost.
    pub(crate) oldest_lost: u64,
    /// The slowest sync of a segment.
    pub(crate) slowest_sync: u64,
    /// The longest time that was taken for one sync.
    pub(crate) longest_sync_turn: u64,
}

impl Ages {
    /// Keeps the highest of each.
    pub(crate) fn include(&mut self, other: Self) {
        self.oldest_lost = self.oldest_lost.max(other.oldest_lost);
        self.slowest_sync = self.slowest_sync.max(other.slowest_sync);
        self.longest_sync_turn = self.longest_sync_turn.max(other.longest_sync_turn);
    }
}

/// Checks that what was lost is younger than the interval and one sync, and that no sync that returned had been for it.
///
/// The sync that counts was due or under way when the power went, so nobody can say how long it took. But the log has one thread,
/// which acknowledges nothing while it syncs: it was silent for so long. On a busy machine it may have been silent before as well, with a
/// write that was under way when the sync became due. So what is added to the interval are the two longest silences of eight writers who
/// never pause, between the oldest acknowledgement that was lost and the cut.
pub(crate) fn check(cycle: u64, cut: &Cut, interval: Duration) -> Ages {
    let slowest_sync = syncs(cut).map(|(begun, at)| at.since(begun)).max().unwrap_or(0);
    let Some(oldest) = cut.lost.iter().min() else {
        return Ages {
            slowest_sync,
            ..Ages::default()
        };
    };
    let covered = syncs(cut).map(|(begun, _)| begun).max().unwrap_or_default();
    assert!(
        *oldest >= covered,
        "cycle {cycle}: lost, and acknowledged before a sync that returned began"
    );
    let ages = Ages {
        oldest_lost: cut.at.since(*oldest),
        slowest_sync,
        longest_sync_turn: silences(cut, *oldest).iter().take(2).sum(),
    };
    let allowed = interval + CLOCK_STEP + Duration::from_micros(ages.longest_sync_turn);
    assert!(
        Duration::from_micros(ages.oldest_lost) <= allowed,
        "cycle {cycle}: lost what was older than {allowed:?}: {ages:?}"
    );
    ages
}

/// The syncs that returned before the cut.
fn syncs(cut: &Cut) -> impl Iterator<Item = (Moment, Moment)> {
    cut.told.iter().filter_map(|told| match told {
        Told::Synced { begun, at } if *at < cut.at => Some((*begun, *at)),
        _ => None,
    })
}

/// How long nobody was acknowledged from a moment on, in microseconds, the longest first.
fn silences(cut: &Cut, from: Moment) -> Vec<u64> {
    let mut moments: Vec<Moment> = cut
        .told
        .iter()
        .filter_map(|told| match told {
            Told::Appended { at, .. } if (from..cut.at).contains(at) => Some(*at),
            _ => None,
        })
        .collect();
    moments.push(cut.at);
    moments.sort_unstable();
    let silences = moments.windows(2).map(|pair| pair[1].since(pair[0]));
    let mut silences: Vec<u64> = silences.collect();
    silences.sort_unstable_by(|a, b| b.cmp(a));
    silences
}
