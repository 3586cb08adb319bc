use layerstore_record::{MapName, Provenance};

use crate::mutation::{Mutation, MutationEvent};

/// Which mutations a subscriber of a [`ChangeFeed`](crate::ChangeFeed) or an [`EventPublisher`](crate::EventPublisher) wants: all, unless
/// narrowed. What is narrowed twice in one way is what was said last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topic {
    map: Option<MapName>,
    prefix: Option<String>,
    events: Option<Vec<EventKind>>,
    provenances: Option<Vec<Provenance>>,
}

/// What happened, without what it happened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// A key got a value that it did not have.
    Put,
    /// A key's value was replaced, or may have been.
    Update,
    /// A key's value was removed.
    Remove,
    /// A record left memory.
    Evict,
    /// A record was read into memory.
    Load,
    /// A replication changed a key.
    ReplicationPut,
    /// Every record was removed.
    Clear,
    /// Memory was emptied.
    Reset,
    /// The record store is going away.
    Destroy,
}

impl Topic {
    /// Wants every mutation.
    #[must_use]
    pub fn everything() -> Self {
        Self::default()
    }

    /// Wants only what happens to this map.
    #[must_use]
    pub fn map(mut self, map: MapName) -> Self {
        self.map = Some(map);
        self
    }

    /// Wants only keys that begin so, and what concerns every key.
    #[must_use]
    pub fn key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Wants only these events.
    #[must_use]
    pub fn events(mut self, events: impl IntoIterator<Item = EventKind>) -> Self {
        self.events = Some(events.into_iter().collect());
        self
    }

    /// Wants only mutations that come from there.
    #[must_use]
    pub fn provenances(mut self, provenances: impl IntoIterator<Item = Provenance>) -> Self {
        self.provenances = Some(provenances.into_iter().collect());
        self
    }

    pub(crate) fn passes(&self, mutation: &Mutation<'_>) -> bool {
        let prefix = self.prefix.as_deref().zip(mutation.event.key());
        self.map.as_ref().is_none_or(|map| map == mutation.map)
            && prefix.is_none_or(|(prefix, key)| key.as_str().starts_with(prefix))
            && self
                .events
                .as_ref()
                .is_none_or(|events| events.contains(&EventKind::of(&mutation.event)))
            && self
                .provenances
                .as_ref()
                .is_none_or(|provenances| provenances.contains(&mutation.provenance))
    }
}

impl EventKind {
    /// Returns what happened.
    #[must_use]
    pub fn of(event: &MutationEvent<'_>) -> Self {
        match event {
            MutationEvent::Put { .. } => Self::Put,
            MutationEvent::Update { .. } => Self::Update,
            MutationEvent::Remove { .. } => Self::Remove,
            MutationEvent::Evict { .. } => Self::Evict,
            MutationEvent::Load { .. } => Self::Load,
            MutationEvent::ReplicationPut { .. } => Self::ReplicationPut,
            MutationEvent::Clear { .. } => Self::Clear,
            MutationEvent::Reset { .. } => Self::Reset,
            MutationEvent::Destroy { .. } => Self::Destroy,
        }
    }
}
