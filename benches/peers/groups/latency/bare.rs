use std::sync::Arc;

use layerstore_benches::BenchError;
use layerstore_benches::workload::{START, key, value};
use layerstore_peers::{Fresh, Papaya, Subject};
use layerstore_record::{Key, Millis, NodeId, Timestamp};

use super::upset::{OTHERS, READ, Upset};

/// A bare papaya map that does what of the work it can.
pub(crate) struct Bare {
    map: Papaya,
    keys: Vec<Key>,
    others: Vec<Key>,
    fresh: Fresh,
    upset: Upset,
}

impl Bare {
    /// Makes a map as it is before the work; `None` where there is no such work for it: it has no store.
    pub(crate) fn prepare(upset: Upset, part: u64) -> Result<Option<Self>, BenchError> {
        if matches!(upset, Upset::Flush | Upset::Preload) {
            return Ok(None);
        }
        let keys = |from: u64, to: u64| (from..to).map(key).collect::<Result<Vec<_>, _>>();
        let written = Timestamp::new(Millis(START), 0, NodeId(1));
        let bare = Self {
            map: Papaya::default(),
            keys: keys(0, READ)?,
            others: keys(READ, READ + OTHERS / part)?,
            fresh: Fresh::of(Arc::new(value(0)?), written),
            upset,
        };
        bare.put_all(&bare.keys);
        if upset == Upset::Sweep {
            bare.put_all(&bare.others);
        }
        Ok(Some(bare))
    }

    pub(crate) fn read(&self, number: u64) -> bool {
        self.map.get_of(&self.keys, number)
    }

    pub(crate) fn upset(&self) -> Result<(), BenchError> {
        match self.upset {
            Upset::Quiet => self
                .others
                .iter()
                .for_each(|_| self.map.put(&self.keys[0], &self.made())),
            Upset::Sweep => self.others.iter().for_each(|key| Subject::remove(&self.map, key)),
            Upset::Evictions => self.replace_one_by_the_next(),
            _ => self.put_all(&self.others),
        }
        Ok(())
    }

    fn put_all(&self, keys: &[Key]) {
        keys.iter().for_each(|key| self.map.put(key, &self.made()));
    }

    /// A map has no bound: what would be evicted is removed by hand, the oldest first.
    fn replace_one_by_the_next(&self) {
        let room = self.keys.len();
        for (at, key) in self.others.iter().enumerate() {
            self.map.put(key, &self.made());
            if let Some(oldest) = at.checked_sub(room).and_then(|oldest| self.others.get(oldest)) {
                Subject::remove(&self.map, oldest);
            }
        }
    }

    fn made(&self) -> Fresh {
        Fresh {
            record: self.fresh.make(),
            ..self.fresh.clone()
        }
    }
}

/// Reads one key of many, which the number of the read picks.
pub(crate) trait ReadOneOf {
    fn get_of(&self, keys: &[Key], number: u64) -> bool;
}

impl<S: Subject> ReadOneOf for S {
    fn get_of(&self, keys: &[Key], number: u64) -> bool {
        // A step that has no factor in common with the number of keys goes through all of them.
        let at = number.wrapping_mul(7_919) % keys.len() as u64;
        usize::try_from(at).is_ok_and(|at| Subject::get(self, &keys[at]))
    }
}
