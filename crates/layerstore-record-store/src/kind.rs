//! Which kind of record the map holds: that of its first record (no mixing).

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use layerstore_record::{KindMismatch, RecordKind};

use crate::lock::lock;

/// The kind of a map's records, settled by the first that is written or loaded.
pub(crate) struct MapKind {
    /// 0 while nothing is settled.
    settled: AtomicU8,
    /// Writes under way to a map whose kind is not settled: what they bring, and how many. One that fails leaves no trace.
    claimed: Mutex<Option<(RecordKind, usize)>>,
}

/// A write under way to a map whose kind is not settled.
#[must_use]
pub(crate) struct PendingKind {
    map: Arc<MapKind>,
    kind: RecordKind,
}

impl MapKind {
    pub(crate) fn new(kind: Option<RecordKind>) -> Self {
        Self {
            settled: AtomicU8::new(kind.map_or(0, code)),
            claimed: Mutex::default(),
        }
    }

    /// Begins a write of this kind; what comes back settles the kind if the write stands.
    pub(crate) fn claim(self: &Arc<Self>, brought: RecordKind) -> Result<Option<PendingKind>, KindMismatch> {
        let check = |held| {
            if held == brought {
                Ok(None)
            } else {
                Err(KindMismatch { held, brought })
            }
        };
        if let Some(held) = self.settled() {
            return check(held);
        }
        let mut claimed = lock(&self.claimed);
        // It may have been settled while this thread waited for the lock.
        if let Some(held) = self.settled() {
            return check(held);
        }
        let (held, writes) = claimed.unwrap_or((brought, 0));
        check(held)?;
        *claimed = Some((held, writes + 1));
        Ok(Some(PendingKind {
            map: Arc::clone(self),
            kind: brought,
        }))
    }

    /// Takes note of a record that is there.
    pub(crate) fn learn(&self, kind: RecordKind) {
        // A map that mixes kinds already keeps the first that was seen.
        let _ = self
            .settled
            .compare_exchange(0, code(kind), Ordering::AcqRel, Ordering::Acquire);
    }

    fn settled(&self) -> Option<RecordKind> {
        match self.settled.load(Ordering::Acquire) {
            1 => Some(RecordKind::Lww),
            2 => Some(RecordKind::OrMap),
            _ => None,
        }
    }
}

impl PendingKind {
    /// Settles the kind: the write stands.
    pub(crate) fn settle(self) {
        self.map.learn(self.kind);
    }
}

impl Drop for PendingKind {
    fn drop(&mut self) {
        let mut claimed = lock(&self.map.claimed);
        *claimed = claimed.and_then(|(kind, writes)| (writes > 1).then(|| (kind, writes - 1)));
    }
}

fn code(kind: RecordKind) -> u8 {
    match kind {
        RecordKind::Lww => 1,
        RecordKind::OrMap => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_fails_does_not_settle_the_kind() {
        let kind = Arc::new(MapKind::new(None));
        let failing = kind.claim(RecordKind::OrMap).unwrap();
        assert!(kind.claim(RecordKind::Lww).is_err());
        drop(failing);
        kind.claim(RecordKind::Lww).unwrap().unwrap().settle();
        assert!(kind.claim(RecordKind::Lww).unwrap().is_none());
        assert!(kind.claim(RecordKind::OrMap).is_err());
    }
}
