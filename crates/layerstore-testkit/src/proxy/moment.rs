//! Exact moments: a piece that is held until a test has decided what becomes of it.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::Direction;
use super::condition::End;

/// What becomes of a held piece: `None` lets it pass.
type Decision = Option<End>;

type Found = Box<dyn FnMut(&[u8]) -> bool + Send>;

/// A moment that a proxy waits for, and what is to happen then. It can be decided before it comes; one that is dropped
/// undecided lets its piece pass.
#[derive(Debug)]
pub struct Moment {
    reached: watch::Receiver<bool>,
    decision: watch::Sender<Option<Decision>>,
}

impl Moment {
    /// Waits until the piece has come. It is held, unless the moment was decided before.
    pub async fn reached(&self) {
        let mut reached = self.reached.clone();
        // A proxy that is gone reaches nothing any more.
        if reached.wait_for(|reached| *reached).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Tells whether the piece has come.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        *self.reached.borrow()
    }

    /// Passes the piece on.
    pub fn pass(&self) {
        self.decide(None);
    }

    /// Closes the connection instead of passing the piece on.
    pub fn cut(&self) {
        self.decide(Some(End::Cut));
    }

    /// Resets the connection instead of passing the piece on.
    pub fn reset(&self) {
        self.decide(Some(End::Reset));
    }

    fn decide(&self, decision: Decision) {
        self.decision.send_replace(Some(decision));
    }
}

/// The moments that a proxy waits for.
#[derive(Default)]
pub(super) struct Moments {
    /// Held only while a piece is looked at.
    waiting: Mutex<Vec<Waiting>>,
}

struct Waiting {
    direction: Direction,
    found: Found,
    reached: watch::Sender<bool>,
    decision: watch::Receiver<Option<Decision>>,
}

impl Moments {
    pub(super) fn at(&self, direction: Direction, found: Found) -> Moment {
        let (reached, is_reached) = watch::channel(false);
        let (decide, decision) = watch::channel(None);
        self.lock().push(Waiting {
            direction,
            found,
            reached,
            decision,
        });
        Moment {
            reached: is_reached,
            decision: decide,
        }
    }

    /// Holds the piece if it is what a moment waits for; returns how its connection ends, if it does.
    pub(super) async fn pass(&self, direction: Direction, piece: &[u8]) -> Decision {
        let mut waiting = self.take(direction, piece)?;
        waiting.reached.send_replace(true);
        match waiting.decision.wait_for(Option::is_some).await {
            Ok(decision) => (*decision).flatten(),
            Err(_) => None,
        }
    }

    fn take(&self, direction: Direction, piece: &[u8]) -> Option<Waiting> {
        let mut all = self.lock();
        let found = all
            .iter_mut()
            .position(|waiting| waiting.direction == direction && (waiting.found)(piece))?;
        Some(all.remove(found))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Moments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moments").finish_non_exhaustive()
    }
}
