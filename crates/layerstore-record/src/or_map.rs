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

/// A sorted set of tags: those whose entries were removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tags(Box<[Timestamp]>);

impl Tags {
    /// Collects tags.
    #[must_use]
    pub fn new(mut tags: Vec<Timestamp>) -> Self {
        tags.sort_unstable();
        tags.dedup();
        Self(tags.into())
    }

    /// Iterates over the tags in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Timestamp> {
        self.0.iter().copied()
    }

    /// Tells whether `tag` is among them.
    #[must_use]
    pub fn contains(&self, tag: Timestamp) -> bool {
        self.0.binary_search(&tag).is_ok()
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

    /// Returns the tags that are newer than `horizon`: the others may be forgotten.
    #[must_use]
    pub fn newer_than(&self, horizon: Timestamp) -> Self {
        Self(self.iter().filter(|tag| *tag > horizon).collect())
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.0)
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        Self::new(self.iter().chain(other.iter()).collect())
    }
}
