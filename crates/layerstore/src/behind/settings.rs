use std::path::PathBuf;
use std::time::Duration;

use layerstore_write_behind::{
    LEAST_SEGMENT_BYTES, LogOptions, SEGMENTS_AT_LEAST, SyncPolicy, WhenFull, WriteBehindOptions,
};

use super::{TABLE, WITHIN_EMBEDDED};
use crate::backend::Backend;
use crate::config::{ConfigError, Size};

/// How writes are acknowledged before the data store has them: by default after they are in a durable log, which is synced.
///
/// ```
/// use std::time::Duration;
/// use layerstore::{SyncPolicy, WriteBehindSettings};
///
/// let settings = WriteBehindSettings::new()
///     .delay(Duration::from_millis(200))
///     .sync(SyncPolicy::Interval(Duration::from_millis(10)))
///     .log_directory("logs/shop");
/// # let _ = settings;
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct WriteBehindSettings {
    pub(crate) options: WriteBehindOptions,
    /// Whether what is pending is kept in a log, too.
    pub(crate) is_logged: bool,
    pub(crate) log: LogOptions,
    /// Where the log is, where that was said.
    pub(crate) directory: Option<PathBuf>,
    /// Where it is otherwise, if the data store has no directory of its own.
    pub(crate) fallback: Option<PathBuf>,
}

impl Default for WriteBehindSettings {
    fn default() -> Self {
        Self {
            options: WriteBehindOptions::default(),
            is_logged: true,
            log: LogOptions::default(),
            directory: None,
            fallback: None,
        }
    }
}

impl WriteBehindSettings {
    /// Starts with the defaults: a delay of a second, and a log that is synced before a write is acknowledged.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long a write waits before it goes to the data store; 0 for none.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.options.delay = delay;
        self
    }

    /// Sets when the log acknowledges a write, and so what a power cut may take.
    pub fn sync(mut self, sync: SyncPolicy) -> Self {
        self.log.sync = sync;
        self
    }

    /// Sets what becomes of a write when as many are pending as may be.
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.options.when_full = when_full;
        self
    }

    /// Sets everything about the queue and how it is written, the delay included.
    pub fn options(mut self, options: WriteBehindOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets everything about the log, when it is synced included.
    pub fn log_options(mut self, options: LogOptions) -> Self {
        self.log = options;
        self
    }

    /// Keeps the log in this directory, which is made where it is missing and belongs to this store alone. Without, it is the folder
    /// `write-behind` within the directory of an embedded store; for any other store it has to be said.
    pub fn log_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Keeps what is pending in memory alone: it is lost with the process.
    pub fn without_log(mut self) -> Self {
        self.is_logged = false;
        self
    }

    /// Returns where the log is; none where there is none.
    pub(crate) fn place(&self, below: Option<&Backend>) -> Result<Option<PathBuf>, ConfigError> {
        if !self.is_logged {
            return Ok(None);
        }
        let within = match below {
            Some(Backend::Embedded(embedded)) => Some(embedded.directory.join(WITHIN_EMBEDDED)),
            _ => None,
        };
        let place = self
            .directory
            .clone()
            .or(within)
            .or_else(|| self.fallback.clone());
        let missing = || {
            wrong(
                "directory",
                "it is missing: this data store has no directory that the log could go into",
            )
        };
        place.map(Some).ok_or_else(missing)
    }

    /// Finds what cannot work.
    pub(crate) fn check(&self, below: Option<&Backend>) -> Result<(), ConfigError> {
        if matches!(below, Some(Backend::Null)) {
            return Err(over_null());
        }
        self.check_queue()?;
        if !self.is_logged {
            return Ok(());
        }
        self.check_log()?;
        let place = self.place(below)?;
        let taken = match below {
            Some(Backend::Embedded(embedded)) => Some(&embedded.directory),
            _ => None,
        };
        if taken.is_some() && taken == place.as_ref() {
            return Err(wrong(
                "directory",
                "it is the directory of the data store: name another, or leave it out",
            ));
        }
        Ok(())
    }

    fn check_queue(&self) -> Result<(), ConfigError> {
        let options = &self.options;
        let counts = [
            ("max_pending", options.max_records as u64),
            ("max_pending_bytes", options.max_bytes),
            ("batch", options.batch_records as u64),
            ("batch_bytes", options.batch_bytes),
            ("parallel", options.parallel as u64),
        ];
        if let Some((name, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return Err(wrong(name, "it must be at least 1"));
        }
        let times = [
            ("patience", options.patience),
            ("call_timeout", options.call_timeout),
            ("flush_timeout", options.flush_timeout),
        ];
        if let Some((name, _)) = times.iter().find(|(_, time)| *time < Duration::from_millis(1)) {
            return Err(wrong(name, "it must be at least 1 ms"));
        }
        if options.when_full == WhenFull::Spill && !self.is_logged {
            return Err(wrong(
                "when_full",
                "there is no log to spill to: turn the log on, or write another of the choices",
            ));
        }
        Ok(())
    }

    fn check_log(&self) -> Result<(), ConfigError> {
        let LogOptions {
            segment_bytes,
            max_bytes,
            ..
        } = self.log;
        if segment_bytes < LEAST_SEGMENT_BYTES || segment_bytes > u64::from(u32::MAX) {
            let least = Size(LEAST_SEGMENT_BYTES);
            return Err(wrong(
                "segment_bytes",
                &format!("it must be at least {least} and below 4GiB"),
            ));
        }
        let least = segment_bytes.saturating_mul(SEGMENTS_AT_LEAST);
        if max_bytes < least {
            let is_default = max_bytes == LogOptions::default().max_bytes;
            let (name, segment, least) = (
                if is_default {
                    "segment_bytes"
                } else {
                    "max_log_bytes"
                },
                Size(segment_bytes),
                Size(least),
            );
            let what = format!(
                "a log holds at least {SEGMENTS_AT_LEAST} segments: with segment_bytes = \"{segment}\" max_log_bytes must be at least \"{least}\""
            );
            return Err(wrong(name, &what));
        }
        if self.log.sync == SyncPolicy::Interval(Duration::ZERO) {
            return Err(wrong(
                "sync",
                "an interval of 0 is none: write `always`, or a time above 0",
            ));
        }
        Ok(())
    }
}

/// Says that there is nothing that could be written later.
pub(super) fn over_null() -> ConfigError {
    let what = "the data store keeps nothing (\"null\"), so that there is nothing to write to later: leave it out, or take another store";
    ConfigError::new(TABLE, what)
}

fn wrong(setting: &str, what: &str) -> ConfigError {
    ConfigError::new(format!("{TABLE}.{setting}"), what)
}
