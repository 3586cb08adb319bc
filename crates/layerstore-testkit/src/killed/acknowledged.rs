//! What processes acknowledged before they died.

use std::collections::BTreeMap;

use super::errand::tell_all;

const WORD: &str = "ACK ";

/// Tells the test that the writes of these keys, all with one version, were acknowledged. Keys and versions are numbers.
///
/// # Panics
/// When the test is gone.
pub fn acknowledge(keys: impl IntoIterator<Item = u64>, version: u64) {
    tell_all(keys.into_iter().map(|key| format!("{WORD}{key} {version}")));
}

/// The newest version of each key that was acknowledged.
#[derive(Debug, Default, Clone)]
pub struct Acknowledged {
    newest: BTreeMap<u64, u64>,
    count: u64,
}

impl Acknowledged {
    /// Takes note of a line of a process, if it is an acknowledgement.
    pub fn hear(&mut self, line: &str) {
        if let Some((key, version)) = line.strip_prefix(WORD).and_then(numbers) {
            let newest = self.newest.entry(key).or_default();
            *newest = version.max(*newest);
            self.count += 1;
        }
    }

    /// Returns how many acknowledgements there were, those that were forgotten included.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the newest version of a key.
    #[must_use]
    pub fn newest(&self, key: u64) -> Option<u64> {
        self.newest.get(&key).copied()
    }

    /// Returns all keys with their newest versions.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.newest.iter().map(|(key, version)| (*key, *version))
    }

    /// Begins anew, over a store that is empty.
    pub fn forget(&mut self) {
        self.newest.clear();
    }
}

fn numbers(text: &str) -> Option<(u64, u64)> {
    let (key, version) = text.split_once(' ')?;
    Some((key.parse().ok()?, version.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::Acknowledged;

    #[test]
    fn the_newest_of_a_key_counts_in_whatever_order_it_is_heard() {
        let mut acknowledged = Acknowledged::default();
        for line in ["OPENED", "ACK 1 5", "ACK 2 9", "ACK 1 7", "ACK 1 6"] {
            acknowledged.hear(line);
        }
        assert_eq!(acknowledged.iter().collect::<Vec<_>>(), [(1, 7), (2, 9)]);
        assert_eq!((acknowledged.newest(3), acknowledged.count()), (None, 4));
        acknowledged.forget();
        assert_eq!((acknowledged.newest(1), acknowledged.count()), (None, 4));
    }
}
