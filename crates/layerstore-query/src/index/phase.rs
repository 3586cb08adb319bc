use std::sync::Mutex;

use super::lock;

/// Whether queries can use an index or a live query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// It was not built from the records that were there before it.
    New,
    /// It is being built.
    Building,
    /// It can be used.
    Ready,
    /// It can no longer be believed, for this reason.
    Doubtful(&'static str),
}

/// Counts how often what an index holds came into doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Generation(u64);

impl Generation {
    /// Goes one up, and returns where that is.
    pub(crate) fn rise(&mut self) -> Self {
        self.0 += 1;
        *self
    }
}

/// Where an index stands.
#[derive(Debug)]
pub(super) struct Phases(Mutex<(Phase, Generation)>);

impl Default for Phases {
    fn default() -> Self {
        Self(Mutex::new((Phase::New, Generation::default())))
    }
}

impl Phases {
    pub(super) fn now(&self) -> (Phase, Generation) {
        *lock(&self.0)
    }

    /// Begins to build; returns the generation that is built, which is above every earlier one.
    pub(super) fn begin(&self) -> Generation {
        let mut now = lock(&self.0);
        now.0 = Phase::Building;
        now.1.rise()
    }

    /// Ends a build of this generation; tells whether it is worth anything, which it is not after a doubt.
    pub(super) fn finish(&self, built: Generation) -> bool {
        let mut now = lock(&self.0);
        let stands = now.1 == built;
        if stands {
            now.0 = Phase::Ready;
        }
        stands
    }

    pub(super) fn doubt(&self, why: &'static str) {
        let mut now = lock(&self.0);
        now.0 = Phase::Doubtful(why);
        now.1.rise();
    }
}
