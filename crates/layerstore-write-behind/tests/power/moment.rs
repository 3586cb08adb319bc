//! A clock that two processes share.

use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    #[expect(
        clippy::disallowed_methods,
        reason = "how old an acknowledgement of another process is, in the time that both live in"
    )]
    pub(crate) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Self(u64::try_from(since.as_micros()).unwrap())
    }

    /// Microseconds from an earlier moment to this one, 0 if it was not earlier.
    pub(crate) fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
