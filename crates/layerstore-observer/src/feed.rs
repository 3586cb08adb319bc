//! Changes in a bounded, numbered ring, for readers that go at their own pace.

mod builder;
mod ring;
mod shared;
mod subscription;

use std::fmt;
use std::sync::Arc;

use layerstore_record::Cost;

use crate::mutation::{Mutation, MutationEvent};
use crate::observer::{MutationObserver, ObserverError};
use crate::owned::OwnedMutation;
use crate::topic::Topic;
use shared::Shared;

pub use builder::{
    ChangeFeedBuilder, DEFAULT_MAX_COST, DEFAULT_MAX_RECORDS, DEFAULT_MAX_SUBSCRIPTIONS, InvalidChangeFeed,
};
pub use subscription::{Change, FeedClosed, FeedItem, FeedStart, SubscribeError, Subscription};

/// Keeps the newest changes in a ring, numbered without a gap, for any number of subscribers.
///
/// The writer never waits for a subscriber: when the ring is full the oldest changes leave it, and a subscriber that
/// had not read them gets [`FeedItem::Lagged`] with their numbers, once, in their place. What has left the ring
/// is not kept alive by the feed. A subscriber that was away resumes by number ([`FeedStart::At`]).
///
/// Numbers count the changes of **this** feed from [`ChangeFeedBuilder::first_number`] on: they say nothing about another
/// feed, nor about this one after a restart, unless whoever keeps numbers sets the first one above those of last time.
///
/// Told are put, update, remove, replication put, clear and destroy; with
/// [`ChangeFeedBuilder::with_memory_events`] also evict, load and reset, which move records between memory and store
/// without changing them. The feed closes when its last source was destroyed (see
/// [`ChangeFeedBuilder::sources`]), when [`ChangeFeed::close`] is called, or when it is dropped; subscribers then read
/// what is left in the ring and come to the end.
///
/// ```
/// use std::sync::Arc;
/// use layerstore_observer::{ChangeFeed, FeedItem, FeedStart, Mutation, MutationEvent, MutationObserver, Topic};
/// use layerstore_record::{MapName, Provenance};
///
/// let feed = Arc::new(ChangeFeed::builder("changes").max_records(100).build()?);
/// let mut subscription = feed.subscribe(FeedStart::Now, Topic::everything())?;
///
/// let map = MapName::new("users")?;
/// feed.on_mutation(&Mutation::new(&map, Provenance::Client, MutationEvent::Clear { resident: 3 }))?;
/// let Some(FeedItem::Change(change)) = subscription.try_next()? else { panic!("nothing came") };
/// assert_eq!((change.number, change.mutation.event.name()), (1, "clear"));
/// assert!(subscription.try_next()?.is_none());
///
/// feed.close();
/// assert!(subscription.try_next().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ChangeFeed {
    name: String,
    memory_events: bool,
    shared: Arc<Shared>,
}

impl ChangeFeed {
    /// Starts a feed with default bounds.
    pub fn builder(name: impl Into<String>) -> ChangeFeedBuilder {
        ChangeFeedBuilder::new(name.into())
    }

    /// Subscribes to the changes of a topic.
    ///
    /// # Errors
    /// [`SubscribeError`] when `start` lies ahead of the feed, or when there are as many subscriptions as there may be.
    pub fn subscribe(&self, start: FeedStart, topic: Topic) -> Result<Subscription, SubscribeError> {
        Subscription::new(&self.shared, start, topic)
    }

    /// Returns the number that the next change will get.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.shared.lock().ring.next_number()
    }

    /// Returns how many changes the ring holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.lock().ring.len()
    }

    /// Tells whether the ring holds no change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the memory that the ring's changes keep alive (see [`OwnedMutation::cost`]).
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.shared.lock().ring.cost()
    }

    /// Returns how many subscriptions there are.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        self.shared.lock().subscriptions
    }

    /// Closes the feed: subscribers read what is left and come to the end. A write told later is an error.
    pub fn close(&self) {
        self.shared.close();
    }

    /// Tells whether the feed takes no more changes.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.lock().closed
    }

    fn wants(&self, event: &MutationEvent<'_>) -> bool {
        let memory_alone = matches!(
            event,
            MutationEvent::Evict { .. } | MutationEvent::Load { .. } | MutationEvent::Reset { .. }
        );
        self.memory_events || !memory_alone
    }
}

impl MutationObserver for ChangeFeed {
    fn name(&self) -> &str {
        &self.name
    }

    /// Appends the mutation to the ring, without waiting for anybody.
    ///
    /// # Errors
    /// When the feed is closed and something other than a further `destroy` comes: subscribers will not learn of it.
    fn on_mutation(&self, mutation: &Mutation<'_>) -> Result<(), ObserverError> {
        if !self.wants(&mutation.event) {
            return Ok(());
        }
        let is_destroy = matches!(mutation.event, MutationEvent::Destroy { .. });
        match self.shared.append(OwnedMutation::from(mutation)) {
            Err(FeedClosed) if !is_destroy => {
                Err(ObserverError::new(&self.name, "the change feed is closed"))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for ChangeFeed {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl fmt::Debug for ChangeFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeFeed")
            .field("name", &self.name)
            .field("next_number", &self.next_number())
            .finish_non_exhaustive()
    }
}
