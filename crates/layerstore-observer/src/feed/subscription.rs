use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use thiserror::Error;

use super::ring::Read;
use super::shared::Shared;
use crate::owned::OwnedMutation;
use crate::topic::Topic;

/// Reads a [`ChangeFeed`](super::ChangeFeed) from a number on. Dropping it frees its place.
///
/// Needs no runtime of its own: [`Subscription::try_next`] asks, [`Subscription::next`] waits under any executor, and the
/// whole is a [`Stream`].
pub struct Subscription {
    shared: Arc<Shared>,
    id: u64,
    topic: Topic,
    /// The number of the first change that was not looked at.
    next: u64,
}

/// Where a subscriber begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedStart {
    /// With the next change.
    Now,
    /// With the oldest change that the ring still holds.
    Oldest,
    /// With the change of this number, the first that was not seen; a lag is told if it has left the ring.
    At(u64),
}

/// What a subscriber reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedItem {
    /// A change.
    Change(Change),
    /// The changes of these numbers left the ring before they were read: whatever is derived from the feed
    /// must be made anew. With a narrow topic, some or all of them might not have been of it.
    Lagged {
        /// The first number that was missed.
        from: u64,
        /// The last number that was missed.
        to: u64,
    },
}

/// A numbered mutation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// Its number: one more than that of the change before it in the same feed.
    pub number: u64,
    /// What happened.
    pub mutation: Arc<OwnedMutation>,
}

/// The feed is closed and everything in it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the change feed is closed")]
pub struct FeedClosed;

/// Why there is no subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The number was never given out: it is of another feed, or of this one before a restart.
    #[error(
        "change {asked} lies ahead of the feed, whose next is {next}: read everything anew and subscribe from now"
    )]
    Ahead {
        /// The number asked for.
        asked: u64,
        /// The number that the next change will get.
        next: u64,
    },
    /// All places are taken.
    #[error("the change feed has its {max} subscriptions: drop one, or build it with more")]
    TooMany {
        /// How many there may be.
        max: usize,
    },
}

impl Subscription {
    pub(super) fn new(shared: &Arc<Shared>, start: FeedStart, topic: Topic) -> Result<Self, SubscribeError> {
        let mut state = shared.lock();
        let next = match start {
            FeedStart::Now => state.ring.next_number(),
            FeedStart::Oldest => state.ring.first_number(),
            FeedStart::At(number) => number,
        };
        if next > state.ring.next_number() {
            return Err(SubscribeError::Ahead {
                asked: next,
                next: state.ring.next_number(),
            });
        }
        let id = shared
            .enter(&mut state)
            .map_err(|max| SubscribeError::TooMany { max })?;
        drop(state);
        Ok(Self {
            shared: Arc::clone(shared),
            id,
            topic,
            next,
        })
    }

    /// Returns the number to resume at ([`FeedStart::At`]): everything before it was read or told as lagged.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.next
    }

    /// Reads the next item, `None` when there is none yet.
    ///
    /// # Errors
    /// [`FeedClosed`] when there is none and none will come.
    pub fn try_next(&mut self) -> Result<Option<FeedItem>, FeedClosed> {
        match self.read(None) {
            Poll::Ready(Some(item)) => Ok(Some(item)),
            Poll::Ready(None) => Err(FeedClosed),
            Poll::Pending => Ok(None),
        }
    }

    /// Waits for the next item; `None` when the feed is closed and everything was read.
    ///
    /// Giving up waiting loses nothing.
    pub async fn next(&mut self) -> Option<FeedItem> {
        poll_fn(|context| self.read(Some(context.waker()))).await
    }

    /// Reads on until an item is found, and leaves `waker` behind when there is none yet.
    fn read(&mut self, waker: Option<&Waker>) -> Poll<Option<FeedItem>> {
        // Cloned here, because wakers run code of others: not under the lock.
        let mut waker = waker.cloned();
        loop {
            let mut state = self.shared.lock();
            match state.ring.read(self.next, &self.topic) {
                Read::Gone { until } => {
                    let from = std::mem::replace(&mut self.next, until);
                    return Poll::Ready(Some(FeedItem::Lagged { from, to: until - 1 }));
                }
                Read::Found { number, mutation } => {
                    self.next = number + 1;
                    return Poll::Ready(Some(FeedItem::Change(Change { number, mutation })));
                }
                // The lock is let go between two looks, so that the writer gets in.
                Read::Skipped { until } => self.next = until,
                Read::End { next } => {
                    self.next = next;
                    if state.closed {
                        return Poll::Ready(None);
                    }
                    let replaced = waker.take().and_then(|waker| state.wait(self.id, waker));
                    drop(state);
                    drop(replaced);
                    return Poll::Pending;
                }
            }
        }
    }
}

impl Stream for Subscription {
    type Item = FeedItem;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<FeedItem>> {
        self.get_mut().read(Some(context.waker()))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.shared.leave(self.id);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("position", &self.next)
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}
