use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::LogError;
use crate::failpoints::Failpoints;

/// How large a segment grows before the next is begun, by default: 64 MiB. Large enough for rotation to cost nothing,
/// small enough for a recovery to hold one in memory, and for the largest record by far.
pub const DEFAULT_SEGMENT_BYTES: u64 = 64 << 20;

/// How large the log may grow, by default: 4 GiB, an hour of 1,000 writes of 1 KiB a second.
pub const DEFAULT_MAX_BYTES: u64 = 4 << 30;

/// The smallest segment that may be chosen: 4 KiB.
pub const LEAST_SEGMENT_BYTES: u64 = 4 << 10;

/// How many segments must fit into the log: two are kept free to copy forward into, the others hold entries.
pub const SEGMENTS_AT_LEAST: u64 = 8;

/// What one sync may serve, by default: 4 MiB, written in milliseconds.
pub const DEFAULT_GROUP_BYTES: u64 = 4 << 20;

/// What may wait for the log's thread, by default: 32 MiB. Further appends wait for a place, up to the deadline.
pub const DEFAULT_QUEUE_BYTES: u64 = 32 << 20;

/// How long an append waits for its answer, by default: longer than a disk under load stalls.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

/// When an append is acknowledged, and so what a power cut may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncPolicy {
    /// Once it is synced: nothing that was acknowledged is lost. Appends that wait together share a sync.
    #[default]
    Always,
    /// Once the operating system has it; synced after at most this long. A power cut takes what is younger than that and one
    /// sync; the end of the process takes nothing.
    Interval(Duration),
    /// Once the operating system has it, which writes it when it likes. A power cut may take all of the last segment; the end
    /// of the process takes nothing.
    Os,
}

/// How a log uses disk, memory and time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogOptions {
    /// When an append is acknowledged.
    pub sync: SyncPolicy,
    /// How large a segment grows, in bytes: at least [`LEAST_SEGMENT_BYTES`]. No append may be larger.
    pub segment_bytes: u64,
    /// How large the log may grow, in bytes: at least [`SEGMENTS_AT_LEAST`] segments.
    pub max_bytes: u64,
    /// What one sync may serve, in bytes; an append that is larger by itself is written alone.
    pub group_bytes: u64,
    /// What may wait for the log's thread, in bytes.
    pub queue_bytes: u64,
    /// How long an append waits for its answer.
    pub deadline: Duration,
    /// What a new log calls itself, to tell its segments from those of others; random by default.
    pub identity: Option<u64>,
    /// Who is told of each step.
    pub(crate) failpoints: Failpoints,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            sync: SyncPolicy::default(),
            segment_bytes: DEFAULT_SEGMENT_BYTES,
            max_bytes: DEFAULT_MAX_BYTES,
            group_bytes: DEFAULT_GROUP_BYTES,
            queue_bytes: DEFAULT_QUEUE_BYTES,
            deadline: DEFAULT_DEADLINE,
            identity: None,
            failpoints: Failpoints::none(),
        }
    }
}

impl LogOptions {
    /// Sets when an append is acknowledged.
    #[must_use]
    pub fn sync(mut self, sync: SyncPolicy) -> Self {
        self.sync = sync;
        self
    }

    /// Sets how large a segment grows, in bytes.
    #[must_use]
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes;
        self
    }

    /// Sets how large the log may grow, in bytes.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets what one sync may serve, in bytes.
    #[must_use]
    pub fn group_bytes(mut self, bytes: u64) -> Self {
        self.group_bytes = bytes;
        self
    }

    /// Sets what may wait for the log's thread, in bytes.
    #[must_use]
    pub fn queue_bytes(mut self, bytes: u64) -> Self {
        self.queue_bytes = bytes;
        self
    }

    /// Sets how long an append waits for its answer.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets what a new log calls itself.
    #[must_use]
    pub fn identity(mut self, identity: u64) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Hands in who is told of each step of the log.
    #[cfg(feature = "failpoints")]
    #[must_use]
    pub fn failpoints(mut self, failpoints: std::sync::Arc<dyn crate::FailpointPlan>) -> Self {
        self.failpoints = Failpoints::told_to(failpoints);
        self
    }

    /// Finds settings that contradict each other.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        let least = self.segment_bytes.saturating_mul(SEGMENTS_AT_LEAST);
        let wrong = if self.segment_bytes < LEAST_SEGMENT_BYTES {
            format!(
                "segment_bytes is {}, and must be at least {LEAST_SEGMENT_BYTES}",
                self.segment_bytes
            )
        } else if self.segment_bytes > u64::from(u32::MAX) {
            format!("segment_bytes is {}, and must be below 4 GiB", self.segment_bytes)
        } else if self.max_bytes < least {
            format!(
                "max_bytes is {}, and must be at least {least}: {SEGMENTS_AT_LEAST} segments",
                self.max_bytes
            )
        } else if self.group_bytes == 0 || self.queue_bytes == 0 {
            "group_bytes and queue_bytes must be above 0".to_owned()
        } else if self.deadline.is_zero() {
            "the deadline must be above 0".to_owned()
        } else if self.sync == SyncPolicy::Interval(Duration::ZERO) {
            "a sync interval of 0 is none: say \"always\", or a time above 0".to_owned()
        } else {
            return Ok(());
        };
        Err(LogError::Setting(wrong))
    }
}

impl FromStr for SyncPolicy {
    type Err = LogError;

    /// Reads `always`, `os`, or an interval as `10ms`.
    fn from_str(text: &str) -> Result<Self, LogError> {
        let unknown = || {
            LogError::Setting(format!(
                "no sync policy {text:?}: there are \"always\", \"os\" and intervals as \"10ms\""
            ))
        };
        match text {
            "always" => Ok(Self::Always),
            "os" => Ok(Self::Os),
            _ => match humantime::parse_duration(text) {
                Ok(interval) if !interval.is_zero() => Ok(Self::Interval(interval)),
                _ => Err(unknown()),
            },
        }
    }
}

impl fmt::Display for SyncPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Interval(interval) => write!(f, "{}", humantime::format_duration(*interval)),
            Self::Os => f.write_str("os"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_policy_is_read_as_it_is_written() {
        for (text, policy) in [
            ("always", SyncPolicy::Always),
            ("os", SyncPolicy::Os),
            ("10ms", SyncPolicy::Interval(Duration::from_millis(10))),
        ] {
            assert_eq!(text.parse::<SyncPolicy>().unwrap(), policy);
            assert_eq!(policy.to_string(), text);
        }
    }

    #[test]
    fn l7_an_unknown_sync_policy_is_an_error_that_names_it() {
        for text in ["", "never", "Always", "10", "0ms", "-1s", "os "] {
            let Err(LogError::Setting(what)) = text.parse::<SyncPolicy>() else {
                panic!("{text:?} was taken")
            };
            assert!(what.contains(&format!("{text:?}")), "{what}");
        }
    }

    #[test]
    fn contradicting_settings_are_refused() {
        assert!(LogOptions::default().check().is_ok());
        let small = LogOptions::default().segment_bytes(4096);
        assert!(small.clone().max_bytes(8 * 4096).check().is_ok());
        for wrong in [
            small.clone().max_bytes(8 * 4096 - 1),
            small.clone().segment_bytes(4095),
            small.clone().segment_bytes(1 << 32).max_bytes(u64::MAX),
            small.clone().group_bytes(0),
            small.clone().queue_bytes(0),
            small.clone().deadline(Duration::ZERO),
            small.sync(SyncPolicy::Interval(Duration::ZERO)),
        ] {
            assert!(matches!(wrong.check(), Err(LogError::Setting(_))), "{wrong:?}");
        }
    }
}
