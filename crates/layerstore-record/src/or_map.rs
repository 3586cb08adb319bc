use crate::timestamp::Timestamp;
use crate::value::Value;

/// The live entries of an observed-remove map: each value under the unique tag of the write that added it,
/// in the order of the tags.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrEntries(Box<[(Timestamp, Value)]>);

impl OrEntries {
    /// Collects entries; of a tag that comes twice the greater value stays.
    #[must_use]
    pub fn new(mut entries: Vec<(Timestamp, Value)>) -> Self {
        entries.sort_by(|one, other| other.cmp(one));
        entries.dedup_by_key(|(tag, _)| *tag);
        entries.reverse();
        Self(entries.into())
    }

    /// Iterates over tags and values in the order of the tags.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &(Timestamp, Value)> {
        self.0.iter()
    }

    /// Returns how many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.0
            .iter()
            .map(|(_, value)| size_of::<(Timestamp, Value)>() + value.heap_bytes())
            .sum()
    }

    /// Joins two sets of entries, without those whose tag was removed.
    pub(crate) fn union(&self, other: &Self, removed: &Tags) -> Self {
        let all = self.iter().chain(other.iter());
        Self::new(all.filter(|(tag, _)| !removed.contains(*tag)).cloned().collect())
    }
}

/// The tags of entries that were removed, each with the time of its removal, in the order of the tags.
///
/// The time is what a horizon compares with: the tag itself may be much older, and forgetting it early would let
/// a replica that missed the removal bring the entry back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tags(Box<[(Timestamp, Timestamp)]>);

impl Tags {
    /// Collects pairs of a tag and the time of its removal; of a tag that comes twice the later removal stays.
    #[must_use]
    pub fn new(mut removals: Vec<(Timestamp, Timestamp)>) -> Self {
        removals.sort_unstable_by(|one, other| other.cmp(one));
        removals.dedup_by_key(|(tag, _)| *tag);
        removals.reverse();
        Self(removals.into())
    }

    /// Iterates over the tags in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Timestamp> + DoubleEndedIterator {
        self.0.iter().map(|(tag, _)| *tag)
    }

    /// Iterates over tags and the times of their removal, in the order of the tags.
    pub fn removals(&self) -> impl ExactSizeIterator<Item = (Timestamp, Timestamp)> + DoubleEndedIterator {
        self.0.iter().copied()
    }

    /// Tells whether `tag` is among them.
    #[must_use]
    pub fn contains(&self, tag: Timestamp) -> bool {
        self.0.binary_search_by_key(&tag, |(tag, _)| *tag).is_ok()
    }

    /// Returns how many tags there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether there are no tags.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the time of the latest removal.
    #[must_use]
    pub fn latest(&self) -> Option<Timestamp> {
        self.removals().map(|(_, removed)| removed).max()
    }

    /// Returns the tags that were removed after `horizon`: the others may be forgotten.
    #[must_use]
    pub fn newer_than(&self, horizon: Timestamp) -> Self {
        Self(
            self.removals()
                .filter(|(_, removed)| *removed > horizon)
                .collect(),
        )
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.0)
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        Self::new(self.removals().chain(other.removals()).collect())
    }
}
