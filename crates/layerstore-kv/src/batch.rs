//! A set of writes that happens whole or not at all.

use std::fmt;

/// Writes, and what must hold for them to happen. Applied by [`KvBackend::commit`](crate::KvBackend::commit).
///
/// Where a batch names a key twice, its last operation wins. Preconditions look at the state before the batch.
#[derive(Clone, Default)]
pub struct Batch {
    /// Each keyspace name once; operations refer to it by place.
    names: Vec<Vec<u8>>,
    preconditions: Vec<(usize, Vec<u8>, Option<Vec<u8>>)>,
    operations: Vec<(usize, Vec<u8>, Option<Vec<u8>>)>,
    bytes: usize,
}

/// What a batch requires of a key before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Precondition<'a> {
    /// The keyspace of the key.
    pub keyspace: &'a [u8],
    /// The key.
    pub key: &'a [u8],
    /// The value it must have; `None`: it must be absent.
    pub expected: Option<&'a [u8]>,
}

/// One write of a batch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Operation<'a> {
    /// The keyspace of the key.
    pub keyspace: &'a [u8],
    /// The key.
    pub key: &'a [u8],
    /// The value to put; `None`: delete.
    pub value: Option<&'a [u8]>,
}

impl Batch {
    /// Makes an empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a value, over whatever is there.
    pub fn put(&mut self, keyspace: &[u8], key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.push(keyspace, key.into(), Some(value.into()));
    }

    /// Deletes a key; one that is absent stays so.
    pub fn delete(&mut self, keyspace: &[u8], key: impl Into<Vec<u8>>) {
        self.push(keyspace, key.into(), None);
    }

    /// Requires a key to have this value (`None`: to be absent) before the batch, or nothing of it happens.
    pub fn require(&mut self, keyspace: &[u8], key: impl Into<Vec<u8>>, expected: Option<&[u8]>) {
        let name = self.name(keyspace);
        self.preconditions
            .push((name, key.into(), expected.map(<[u8]>::to_vec)));
    }

    /// Returns the preconditions in the order they were added.
    pub fn preconditions(&self) -> impl ExactSizeIterator<Item = Precondition<'_>> {
        self.preconditions
            .iter()
            .map(|(name, key, expected)| Precondition {
                keyspace: self.name_at(*name),
                key,
                expected: expected.as_deref(),
            })
    }

    /// Returns the writes in the order they were added.
    pub fn operations(&self) -> impl ExactSizeIterator<Item = Operation<'_>> {
        self.operations.iter().map(|operation| self.view(operation))
    }

    /// Returns the last write of each key, grouped by keyspace, in key order: what a backend has to apply.
    ///
    /// ```
    /// use layerstore_kv::Batch;
    /// let mut batch = Batch::new();
    /// batch.put(b"k", b"a", b"1");
    /// batch.delete(b"k", b"a");
    /// let last = batch.last_operations();
    /// assert_eq!((last.len(), last[0].value), (1, None));
    /// ```
    #[must_use]
    pub fn last_operations(&self) -> Vec<Operation<'_>> {
        let mut sorted: Vec<_> = self.operations.iter().collect();
        // Stable, so that of equal keys the last added comes last.
        sorted.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let mut last: Vec<Operation<'_>> = Vec::with_capacity(sorted.len());
        for operation in sorted {
            let operation = self.view(operation);
            match last.last_mut() {
                Some(earlier) if earlier.keyspace == operation.keyspace && earlier.key == operation.key => {
                    *earlier = operation;
                }
                _ => last.push(operation),
            }
        }
        last
    }

    /// Counts the writes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Tells whether it writes nothing. It may still carry preconditions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Sums the bytes of keys and values to write.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.bytes
    }

    fn push(&mut self, keyspace: &[u8], key: Vec<u8>, value: Option<Vec<u8>>) {
        let name = self.name(keyspace);
        self.bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        self.operations.push((name, key, value));
    }

    fn name(&mut self, keyspace: &[u8]) -> usize {
        // A batch touches a handful of keyspaces, mostly the one used last.
        if let Some(place) = self.names.iter().rposition(|name| name == keyspace) {
            return place;
        }
        self.names.push(keyspace.to_vec());
        self.names.len() - 1
    }

    fn name_at(&self, place: usize) -> &[u8] {
        self.names.get(place).map_or(&[], Vec::as_slice)
    }

    fn view<'a>(&'a self, (name, key, value): &'a (usize, Vec<u8>, Option<Vec<u8>>)) -> Operation<'a> {
        Operation {
            keyspace: self.name_at(*name),
            key,
            value: value.as_deref(),
        }
    }
}

/// Counts, never contents: a batch in a log must not show a value.
impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("preconditions", &self.preconditions.len())
            .field("operations", &self.operations.len())
            .field("bytes", &self.bytes)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_write_of_each_key_is_what_counts() {
        let mut batch = Batch::new();
        batch.put(b"x", b"b", b"1");
        batch.put(b"y", b"b", b"2");
        batch.put(b"x", b"a", b"3");
        batch.delete(b"x", b"b");
        batch.put(b"x", b"b", b"4");
        let last: Vec<_> = batch
            .last_operations()
            .iter()
            .map(|o| (o.keyspace.to_vec(), o.key.to_vec(), o.value.map(<[u8]>::to_vec)))
            .collect();
        assert_eq!(
            last,
            vec![
                (b"x".to_vec(), b"a".to_vec(), Some(b"3".to_vec())),
                (b"x".to_vec(), b"b".to_vec(), Some(b"4".to_vec())),
                (b"y".to_vec(), b"b".to_vec(), Some(b"2".to_vec())),
            ]
        );
        assert_eq!((batch.len(), batch.byte_len()), (5, 9));
    }

    #[test]
    fn a_batch_in_a_log_shows_no_content() {
        let mut batch = Batch::new();
        batch.put(b"x", b"key", b"secret");
        let shown = format!("{batch:?}");
        assert!(
            !shown.contains("secret") && shown.contains("operations: 1"),
            "{shown}"
        );
    }
}
