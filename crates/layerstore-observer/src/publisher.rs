//! Mutations handed to subscribers that each have a queue of their own.

mod builder;
mod fault;
mod inbox;
mod subscriber;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use layerstore_record::Clock;

use crate::mutation::{Mutation, MutationEvent};
use crate::observer::{MutationObserver, ObserverError};
use crate::owned::OwnedMutation;
use crate::sources::Sources;
use crate::topic::Topic;
use inbox::Inbox;

pub use builder::{
    DEFAULT_MAX_SUBSCRIBERS, DEFAULT_QUEUE_COST, DEFAULT_QUEUE_EVENTS, DEFAULT_STALL_AFTER,
    EventPublisherBuilder,
};
pub use fault::{SubscriberFault, SubscriberStatus};
pub use subscriber::{PublishError, Published, PublishedItem, Subscriber};

/// Hands mutations to named subscribers, each of whom asks for a topic and has a bounded queue of its own.
///
/// A [`ChangeFeed`](crate::ChangeFeed) is one ring for all: cheap for many subscribers, but a burst on one map pushes out what
/// another subscriber waits for. Here each subscriber loses only what it does not take in time itself.
///
/// # Contract
/// **U1**: nobody waits for a subscriber: a queue that is full loses its oldest events, and only its subscriber is told, once, which
/// numbers it missed. The events of a subscriber are numbered without a gap, in the order in which they were told.
/// **U2**: a subscriber gets the events of its topic and no other: by map, by the beginning of the key, by what happened, by where it comes from.
/// **U3**: a subscriber that panics, fails, falls behind or stalls is reported by its name: in the log, and in
/// [`subscribers`](EventPublisher::subscribers). No write and no other subscriber learns of it in any other way.
///
/// ```
/// use std::sync::Arc;
/// use layerstore_observer::{EventKind, EventPublisher, Mutation, MutationEvent, MutationObserver, PublishedItem, Topic};
/// use layerstore_record::{MapName, Provenance};
///
/// let publisher = Arc::new(EventPublisher::builder("events").build());
/// let map = MapName::new("users")?;
/// let topic = Topic::everything().map(map.clone()).events([EventKind::Clear]);
/// let mut audit = publisher.subscribe("audit", topic)?;
///
/// publisher.on_mutation(&Mutation::new(&map, Provenance::Client, MutationEvent::Reset { resident: 1 }))?;
/// publisher.on_mutation(&Mutation::new(&map, Provenance::Client, MutationEvent::Clear { resident: 3 }))?;
/// let Some(PublishedItem::Event(event)) = audit.try_next()? else { panic!("nothing came") };
/// assert_eq!((event.number, event.mutation.event.name()), (1, "clear"));
/// assert!(audit.try_next()?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct EventPublisher {
    name: String,
    clock: Arc<dyn Clock>,
    queue: builder::QueueBounds,
    max_subscribers: usize,
    stall_after: Duration,
    /// Guards the list for as long as it takes to copy a pointer, or to make a new one.
    inboxes: RwLock<Arc<[Arc<Inbox>]>>,
    /// Guards who told of something while there were subscribers: looked at for every mutation, changed by the first of each.
    sources: RwLock<Sources>,
}

impl EventPublisher {
    /// Starts a publisher with default bounds.
    pub fn builder(name: impl Into<String>) -> EventPublisherBuilder {
        EventPublisherBuilder::new(name.into())
    }

    /// Subscribes under a name to what passes the topic, from now on. Dropping the subscriber ends that.
    ///
    /// # Errors
    /// [`PublishError`] when another has the name, or there are as many subscribers as there may be.
    pub fn subscribe(
        self: &Arc<Self>,
        name: impl Into<String>,
        topic: Topic,
    ) -> Result<Subscriber, PublishError> {
        let name = name.into();
        let mut inboxes = self.inboxes.write().unwrap_or_else(PoisonError::into_inner);
        if inboxes.iter().any(|inbox| inbox.name() == name) {
            return Err(PublishError::NameTaken { name });
        }
        if inboxes.len() >= self.max_subscribers {
            return Err(PublishError::TooMany {
                max: self.max_subscribers,
            });
        }
        let inbox = Arc::new(Inbox::new(name, topic, self.queue));
        *inboxes = inboxes.iter().cloned().chain([Arc::clone(&inbox)]).collect();
        Ok(Subscriber::new(Arc::clone(self), inbox))
    }

    /// Returns how each subscriber stands, with what is wrong with it.
    #[must_use]
    pub fn subscribers(&self) -> Vec<SubscriberStatus> {
        let now = self.clock.now();
        let inboxes = self.inboxes();
        inboxes
            .iter()
            .map(|inbox| inbox.status(now, self.stall_after))
            .collect()
    }

    /// Ends it: subscribers read what is left in their queues and come to the end. It also ends by itself, once all record stores that told
    /// of something were shut down.
    pub fn close(&self) {
        for inbox in self.inboxes().iter() {
            inbox.close();
        }
    }

    fn inboxes(&self) -> Arc<[Arc<Inbox>]> {
        let inboxes: RwLockReadGuard<'_, _> = self.inboxes.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&inboxes)
    }

    fn note_source(&self, mutation: &Mutation<'_>) {
        let (map, partition) = (mutation.map, mutation.partition);
        let sources = self.sources.read().unwrap_or_else(PoisonError::into_inner);
        if sources.knows(map, partition) {
            return;
        }
        drop(sources);
        let mut sources = self.sources.write().unwrap_or_else(PoisonError::into_inner);
        sources.note(map.clone(), partition);
    }

    /// Takes note that a record store was destroyed; tells whether none is left of those that told of something.
    fn end_source(&self, mutation: &Mutation<'_>) -> bool {
        let mut sources = self.sources.write().unwrap_or_else(PoisonError::into_inner);
        sources.end(mutation.map.clone(), mutation.partition)
    }

    fn leave(&self, left: &Arc<Inbox>) {
        let mut inboxes = self.inboxes.write().unwrap_or_else(PoisonError::into_inner);
        *inboxes = inboxes
            .iter()
            .filter(|inbox| !Arc::ptr_eq(inbox, left))
            .cloned()
            .collect();
    }
}

impl MutationObserver for EventPublisher {
    fn name(&self) -> &str {
        &self.name
    }

    /// Puts the mutation into the queue of everyone whose topic it passes, without waiting for anybody. What subscribers do with it is
    /// no error of the write.
    fn on_mutation(&self, mutation: &Mutation<'_>) -> Result<(), ObserverError> {
        let mut shared: Option<Arc<OwnedMutation>> = None;
        let mut now = None;
        let inboxes = self.inboxes();
        if !inboxes.is_empty() {
            self.note_source(mutation);
        }
        for inbox in inboxes.iter() {
            if !inbox.topic().passes(mutation) {
                continue;
            }
            let shared = shared.get_or_insert_with(|| Arc::new(OwnedMutation::from(mutation)));
            let now = *now.get_or_insert_with(|| self.clock.now());
            inbox.push(Arc::clone(shared), now, self.stall_after);
        }
        if let MutationEvent::Destroy { shutdown } = mutation.event
            && self.end_source(mutation)
            && shutdown
        {
            self.close();
        }
        Ok(())
    }
}

impl Drop for EventPublisher {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for EventPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventPublisher")
            .field("name", &self.name)
            .field("subscribers", &self.inboxes().len())
            .finish_non_exhaustive()
    }
}
