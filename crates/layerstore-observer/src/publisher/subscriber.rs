use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use thiserror::Error;

use super::EventPublisher;
use super::fault::SubscriberFault;
use super::inbox::Inbox;
use crate::feed::FeedClosed;
use crate::owned::OwnedMutation;

/// Reads what an [`EventPublisher`] has for one subscriber. Dropping it ends the subscription.
///
/// Needs no runtime of its own: [`try_next`](Self::try_next) asks, [`next`](Self::next) waits under any executor.
pub struct Subscriber {
    publisher: Arc<EventPublisher>,
    inbox: Arc<Inbox>,
}

/// What a subscriber reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishedItem {
    /// An event of its topic.
    Event(Published),
    /// The events of these numbers were lost, because the subscriber did not take them in time.
    Lagged {
        /// The first number that was missed.
        from: u64,
        /// The last number that was missed.
        to: u64,
    },
}

/// A numbered event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// Its number: one more than that of the event before it of the same subscriber, from 1.
    pub number: u64,
    /// What happened.
    pub mutation: Arc<OwnedMutation>,
}

/// Why there is no subscription.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Another subscriber has the name, under which faults speak of it.
    #[error("there is a subscriber named {name:?} already: give this one another name")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// All places are taken.
    #[error("the publisher has its {max} subscribers: drop one, or build it with more")]
    TooMany {
        /// How many there may be.
        max: usize,
    },
}

impl Subscriber {
    pub(super) fn new(publisher: Arc<EventPublisher>, inbox: Arc<Inbox>) -> Self {
        Self { publisher, inbox }
    }

    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.inbox.name()
    }

    /// Reads the next item, `None` when there is none yet.
    ///
    /// # Errors
    /// [`FeedClosed`] when there is none and none will come.
    pub fn try_next(&mut self) -> Result<Option<PublishedItem>, FeedClosed> {
        let now = self.publisher.clock.now();
        self.inbox.take(now, None).map_err(|()| FeedClosed)
    }

    /// Waits for the next item; `None` when the publisher was closed and everything was read. Giving up waiting loses nothing.
    pub async fn next(&mut self) -> Option<PublishedItem> {
        poll_fn(|context| {
            let now = self.publisher.clock.now();
            match self.inbox.take(now, Some(context.waker().clone())) {
                Ok(Some(item)) => Poll::Ready(Some(item)),
                Ok(None) => Poll::Pending,
                Err(()) => Poll::Ready(None),
            }
        })
        .await
    }

    /// Hands every item to a handler until the publisher is closed: to be run in a task of the caller's, which ends when it is dropped.
    ///
    /// A panic or an error of the handler is noted under the subscriber's name, and it goes on with the next item. An item counts as
    /// taken when it is handed over; a handler that blocks is found by what waits behind.
    pub async fn deliver<E: fmt::Display>(mut self, mut handler: impl FnMut(PublishedItem) -> Result<(), E>) {
        while let Some(item) = self.next().await {
            // Unwind safety: nothing of ours is half changed, and what the handler left half changed is its own.
            match catch_unwind(AssertUnwindSafe(|| handler(item))) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => self.inbox.note(SubscriberFault::Failed(error.to_string())),
                Err(payload) => {
                    crate::composite::discard(payload);
                    self.inbox.note(SubscriberFault::Panicked);
                }
            }
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.publisher.leave(&self.inbox);
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}
