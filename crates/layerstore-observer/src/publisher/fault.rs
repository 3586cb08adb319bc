use std::time::Duration;

/// How a subscriber stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriberStatus {
    /// Its name.
    pub name: String,
    /// How many events wait for it.
    pub queued: usize,
    /// How many events it missed, because its queue was full.
    pub missed: u64,
    /// How often its handler returned an error.
    pub failures: u64,
    /// How often its handler panicked.
    pub panics: u64,
    /// For how long it has taken nothing though there was something, where that is longer than it may be.
    pub stalled: Option<Duration>,
    /// What went wrong last.
    pub last_fault: Option<SubscriberFault>,
}

/// What goes wrong with a subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscriberFault {
    /// Its handler panicked.
    Panicked,
    /// Its handler returned this error.
    Failed(String),
    /// Its queue was full, and lost its oldest events.
    FellBehind,
    /// It took nothing for this long, though there was something.
    Stalled(Duration),
}
