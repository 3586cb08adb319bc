//! Remembers keys that the data store does not have, for a time and up to a number (clause S5).

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use foldhash::fast::RandomState;
use layerstore_record::{Key, Millis};

use crate::lock::lock;

/// Keys known to be absent, each until some time.
pub(crate) struct AbsentKeys {
    ttl: u64,
    cap: usize,
    until: Mutex<HashMap<Key, Millis, RandomState>>,
    /// How many there are, so that a write of a store that remembers none takes no lock.
    len: AtomicUsize,
}

impl AbsentKeys {
    pub(crate) fn new(ttl: Duration, cap: usize) -> Self {
        Self {
            ttl: u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX),
            cap,
            until: Mutex::default(),
            len: AtomicUsize::new(0),
        }
    }

    /// Remembers that a key is absent. The caller holds its gate.
    pub(crate) fn remember(&self, key: &Key, now: Millis) {
        if self.ttl == 0 || self.cap == 0 {
            return;
        }
        let mut until = lock(&self.until);
        if until.len() >= self.cap {
            until.retain(|_, end| *end > now);
            // Still full: any of them makes room, the key is only loaded once more.
            let any = until.keys().next().filter(|_| until.len() >= self.cap).cloned();
            any.map(|any| until.remove(&any));
        }
        until.insert(key.clone(), now.plus(self.ttl));
        self.len.store(until.len(), Ordering::Release);
    }

    /// Tells whether a key is known to be absent.
    pub(crate) fn remembers(&self, key: &Key, now: Millis) -> bool {
        self.len.load(Ordering::Acquire) > 0 && lock(&self.until).get(key).is_some_and(|end| *end > now)
    }

    /// Forgets a key, which exists from now on. The caller holds its gate.
    pub(crate) fn forget(&self, key: &Key) {
        if self.len.load(Ordering::Acquire) > 0 {
            let mut until = lock(&self.until);
            until.remove(key);
            self.len.store(until.len(), Ordering::Release);
        }
    }

    /// Forgets all of them.
    pub(crate) fn clear(&self) {
        // The number changes under the lock, as everywhere: else a key that is remembered meanwhile would not be counted,
        // and who writes it would not look for it to forget it.
        let mut until = lock(&self.until);
        until.clear();
        self.len.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::new(text).unwrap()
    }

    #[test]
    fn absent_keys_are_forgotten_in_time_and_never_more_than_the_cap() {
        let absent = AbsentKeys::new(Duration::from_millis(10), 2);
        absent.remember(&key("a"), Millis(0));
        assert!(absent.remembers(&key("a"), Millis(9)) && !absent.remembers(&key("a"), Millis(10)));
        for name in ["b", "c", "d"] {
            absent.remember(&key(name), Millis(5));
        }
        let known = ["a", "b", "c", "d"]
            .iter()
            .filter(|name| absent.remembers(&key(name), Millis(6)));
        assert_eq!(known.count(), 2);
        assert!(absent.remembers(&key("d"), Millis(6)));
        absent.forget(&key("d"));
        assert!(!absent.remembers(&key("d"), Millis(6)));
    }
}
