//! What holds for all connections of a proxy at a time.

use std::time::Duration;

use tokio::sync::watch;

use super::Direction;

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// By closing it.
    Cut,
    /// By a reset, which throws away what was under way.
    Reset,
}

/// The state that the controls of a proxy set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Condition {
    pub(super) is_stalled: bool,
    pub(super) turns_away: bool,
    pub(super) delay_to_server: Duration,
    pub(super) delay_to_client: Duration,
    /// How many times all connections were ended, and how the last time.
    ends: (u64, End),
    accepted: u64,
}

impl Condition {
    fn delay(&self, direction: Direction) -> Duration {
        match direction {
            Direction::ToServer => self.delay_to_server,
            Direction::ToClient => self.delay_to_client,
        }
    }
}

/// The condition, for the controls to change and the connections to wait for.
#[derive(Debug)]
pub(super) struct Conditions(watch::Sender<Condition>);

impl Default for Conditions {
    fn default() -> Self {
        Self(watch::Sender::new(Condition {
            is_stalled: false,
            turns_away: false,
            delay_to_server: Duration::ZERO,
            delay_to_client: Duration::ZERO,
            ends: (0, End::Cut),
            accepted: 0,
        }))
    }
}

impl Conditions {
    pub(super) fn now(&self) -> Condition {
        *self.0.borrow()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Condition)) {
        self.0.send_modify(change);
    }

    pub(super) fn count(&self) {
        self.change(|now| now.accepted += 1);
    }

    pub(super) fn accepted(&self) -> u64 {
        self.now().accepted
    }

    pub(super) fn end_all(&self, end: End) {
        self.change(|now| now.ends = (now.ends.0 + 1, end));
    }

    /// How many times all connections were ended, for a new one to ignore.
    pub(super) fn past_ends(&self) -> u64 {
        self.now().ends.0
    }

    /// Waits until all connections are ended that know of only so many ends.
    pub(super) async fn ended(&self, past: u64) -> End {
        self.wait(|now| now.ends.0 > past).await.ends.1
    }

    /// Waits until a piece of that direction may go on.
    pub(super) async fn passes(&self, direction: Direction) {
        let delay = self.now().delay(direction);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        self.wait(|now| !now.is_stalled).await;
    }

    async fn wait(&self, wanted: impl Fn(&Condition) -> bool) -> Condition {
        // The sender lives as long as this borrow of it, so the channel cannot close.
        let mut changes = self.0.subscribe();
        changes
            .wait_for(wanted)
            .await
            .map_or_else(|_| self.now(), |now| *now)
    }
}
