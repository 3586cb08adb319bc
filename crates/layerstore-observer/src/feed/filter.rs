use layerstore_record::MapName;

use crate::owned::OwnedMutation;

/// Picks the changes that a subscriber wants to see.
///
/// Changes without a key (clear, reset, destroy) concern every key and pass any prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedFilter {
    map: Option<MapName>,
    prefix: Option<String>,
}

impl FeedFilter {
    /// Lets every change pass.
    #[must_use]
    pub fn everything() -> Self {
        Self::default()
    }

    /// Lets only changes of this map pass.
    #[must_use]
    pub fn map(mut self, map: MapName) -> Self {
        self.map = Some(map);
        self
    }

    /// Lets only changes of keys that start with `prefix` pass.
    #[must_use]
    pub fn key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    pub(super) fn passes(&self, mutation: &OwnedMutation) -> bool {
        let map = self.map.as_ref().is_none_or(|map| *map == mutation.map);
        map && match (&self.prefix, mutation.key()) {
            (Some(prefix), Some(key)) => key.as_str().starts_with(prefix.as_str()),
            _ => true,
        }
    }
}
