//! Tell others what happened to records, without letting them slow or endanger the write.
//!
//! This crate does not know where records are kept nor who changed them; it is told.

mod access_times;
mod composite;
mod effect;
mod feed;
mod function;
mod merkle;
mod metrics_observer;
mod mutation;
mod observer;
mod owned;
mod publisher;
mod resident;
mod sources;
mod topic;

pub use access_times::AccessTimes;
pub use composite::{CompositeObserver, NameTaken};
pub use effect::Effect;
pub use feed::{
    Change, ChangeFeed, ChangeFeedBuilder, DEFAULT_MAX_COST, DEFAULT_MAX_RECORDS, DEFAULT_MAX_SUBSCRIPTIONS,
    FeedClosed, FeedItem, FeedStart, InvalidChangeFeed, SubscribeError, Subscription,
};
pub use function::FnObserver;
pub use merkle::{
    Bucket, Digest, KeyRange, LEVELS, LeafHash, MerkleObserver, MerkleTree, Rebuild, RebuildInterrupted,
    Removal,
};
pub use metrics_observer::{MUTATIONS_TOTAL, MetricsObserver, RESIDENT_RECORDS};
pub use mutation::{Mutation, MutationEvent, Ownership, PreviousValue, RemoveReason};
pub use observer::{MutationObserver, ObserverError};
pub use owned::{OwnedEvent, OwnedMutation, OwnedPrevious};
pub use publisher::{
    DEFAULT_MAX_SUBSCRIBERS, DEFAULT_QUEUE_COST, DEFAULT_QUEUE_EVENTS, DEFAULT_STALL_AFTER, EventPublisher,
    EventPublisherBuilder, PublishError, Published, PublishedItem, Subscriber, SubscriberFault,
    SubscriberStatus,
};
pub use topic::{EventKind, Topic};
