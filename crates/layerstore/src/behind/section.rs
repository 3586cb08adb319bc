//! `[write_behind]`: how the file says it.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer};

use super::{Asked, TABLE};
use crate::config::setting::{Kind, OrNone, Span, span_or};
use crate::config::{ConfigError, Origin, Size, choice, section};

section! {
    /// Acknowledges writes before the data store has them, once they are in a durable log ([write-behind.md](write-behind.md)). The table turns
    /// it on around whatever `[data_store]` says but `null`, and may be empty. Needs the cargo feature `write-behind`.
    struct WriteBehindSection {
        /// How long a write waits before it goes to the data store; `"none"` for not at all.
        delay: OrNone<Span> = Span::of_secs(1),
        /// When the log acknowledges a write: `always` after it is synced; a duration, as `"10ms"`, or `os` after the operating system has it, to be
        /// synced after that time, or when that likes.
        sync: Sync = Sync::Always,
        /// Whether what is pending is kept in a log. Without, it is lost with the process.
        log: bool = true,
        /// The directory of the log, of this store alone; a relative one starts at the directory of this file. Made where it is missing.
        directory: String = "`write-behind` in the directory of an embedded store; for others `layerstore-write-behind` beside this file",
        /// How large the log may grow: at least 8 segments.
        max_log_bytes: Size = Size(4 << 30),
        /// How large a file of the log grows, 4 KiB to 4 GiB. A record may take half of it.
        segment_bytes: Size = Size(64 << 20),
        /// The most records that may be pending, dead letters included.
        max_pending: u64 = 1_000_000_u64,
        /// The most memory that they may take.
        max_pending_bytes: Size = Size(256 << 20),
        /// What becomes of a write when as much is pending as may be: it waits for room as long as `patience` says, is refused (`reject`), goes to the
        /// log alone with its value (`spill`), or to the data store at once (`write-through`). It is never dropped.
        when_full: WhenFull = WhenFull::Wait,
        /// How long a write waits for room, and for another write of its key.
        patience: Span = Span::of_secs(5),
        /// What goes to the data store of several writes of a key that wait: the `newest`, or `each` in order.
        coalesce: Coalesce = Coalesce::Newest,
        /// The most records that go to the data store at a time.
        batch: u32 = 1_000_u32,
        /// How many batches are on their way at a time.
        parallel: u32 = 2_u32,
        /// How long a flush waits that is not told how long.
        flush_timeout: Span = Span::of_secs(60),
    }
}

choice! {
    /// What becomes of a write when there is no room.
    enum WhenFull = "`wait`, `reject`, `spill`, `write-through`" {
        Wait = "wait",
        Reject = "reject",
        Spill = "spill",
        WriteThrough = "write-through",
    }
}

choice! {
    /// What becomes of an older write of a key that waits.
    enum Coalesce = "`newest`, `each`" {
        Newest = "newest",
        Each = "each",
    }
}

/// When the log acknowledges a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    Always,
    Every(Duration),
    Os,
}

impl Kind for Sync {
    const FORM: &'static str = "`always`, `os` or a duration";
}

impl fmt::Display for Sync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Every(interval) => Span(*interval).fmt(f),
            Self::Os => f.write_str("os"),
        }
    }
}

impl<'de> Deserialize<'de> for Sync {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const RULE: &str = "write \"always\", \"os\", or a duration in quotes, as in \"10ms\"";
        let words = [("always", Self::Always), ("os", Self::Os)];
        span_or(deserializer, RULE, &words, |span| Self::Every(span.0))
    }
}

/// Finds what contradicts itself in the table, and takes the rest over.
pub(crate) fn asked(section: &WriteBehindSection, origin: &Origin) -> Result<Asked, ConfigError> {
    check_log(section)?;
    if section
        .directory
        .as_ref()
        .is_some_and(|directory| directory.get_ref().is_empty())
    {
        return Err(wrong("directory", "it is empty: name a directory"));
    }
    Ok(take_over(section, origin))
}

/// Refuses settings of a log where there is none.
fn check_log(section: &WriteBehindSection) -> Result<(), ConfigError> {
    let is_off = section.log.as_ref().is_some_and(|log| !log.get_ref());
    let of_the_log = [
        ("sync", section.sync.is_some()),
        ("directory", section.directory.is_some()),
        ("max_log_bytes", section.max_log_bytes.is_some()),
        ("segment_bytes", section.segment_bytes.is_some()),
    ];
    match of_the_log.iter().find(|(_, is_set)| *is_set) {
        Some((name, _)) if is_off => Err(wrong(
            name,
            "it is a setting of the log, and log = false turns that off: take one of the two out",
        )),
        _ => Ok(()),
    }
}

fn wrong(setting: &str, what: &str) -> ConfigError {
    ConfigError::new(format!("{TABLE}.{setting}"), what)
}

#[cfg(not(feature = "write-behind"))]
fn take_over(_: &WriteBehindSection, _: &Origin) -> Asked {
    Asked::Absent
}

/// Hands on what is set; the rest is as the crate has it.
#[cfg(feature = "write-behind")]
fn take_over(section: &WriteBehindSection, origin: &Origin) -> Asked {
    use layerstore_write_behind::{self as write_behind, LogOptions, SyncPolicy, WriteBehindOptions};

    use super::BESIDE_FILE;
    use super::settings::WriteBehindSettings;
    use crate::config::setting::value;

    let small = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let mut options = WriteBehindOptions::default();
    if let Some(delay) = value(&section.delay) {
        options = options.delay(delay.get().map_or(Duration::ZERO, |span| span.0));
    }
    if let Some(records) = value(&section.max_pending) {
        options = options.max_records(small(records));
    }
    if let Some(size) = value(&section.max_pending_bytes) {
        options = options.max_bytes(size.0);
    }
    if let Some(when_full) = value(&section.when_full) {
        options = options.when_full(match when_full {
            WhenFull::Wait => write_behind::WhenFull::Wait,
            WhenFull::Reject => write_behind::WhenFull::Reject,
            WhenFull::Spill => write_behind::WhenFull::Spill,
            WhenFull::WriteThrough => write_behind::WhenFull::WriteThrough,
        });
    }
    if let Some(patience) = value(&section.patience) {
        options = options.patience(patience.0);
    }
    if let Some(coalesce) = value(&section.coalesce) {
        options = options.coalescing(match coalesce {
            Coalesce::Newest => write_behind::Coalescing::Newest,
            Coalesce::Each => write_behind::Coalescing::Each,
        });
    }
    if let Some(records) = value(&section.batch) {
        options = options.batch_records(small(records.into()));
    }
    if let Some(batches) = value(&section.parallel) {
        options = options.parallel(small(batches.into()));
    }
    if let Some(timeout) = value(&section.flush_timeout) {
        options = options.flush_timeout(timeout.0);
    }
    let mut log = LogOptions::default();
    if let Some(sync) = value(&section.sync) {
        log = log.sync(match sync {
            Sync::Always => SyncPolicy::Always,
            Sync::Every(interval) => SyncPolicy::Interval(interval),
            Sync::Os => SyncPolicy::Os,
        });
    }
    if let Some(size) = value(&section.max_log_bytes) {
        log = log.max_bytes(size.0);
    }
    if let Some(size) = value(&section.segment_bytes) {
        log = log.segment_bytes(size.0);
    }
    let directory = section.directory.as_ref();
    Asked::With(Box::new(WriteBehindSettings {
        options,
        is_logged: value(&section.log).unwrap_or(true),
        log,
        directory: directory.map(|directory| origin.beside(directory.get_ref())),
        fallback: Some(origin.beside(BESIDE_FILE)),
    }))
}

#[cfg(all(test, feature = "write-behind"))]
mod tests {
    use layerstore_write_behind as write_behind;

    use super::*;
    use crate::config::section::Section;

    #[test]
    fn the_defaults_that_are_documented_are_those_of_the_store() {
        let described = WriteBehindSection::described();
        let default = |name: &str| {
            let setting = described.iter().find(|setting| setting.name == name);
            setting.map(|setting| setting.default.clone()).unwrap_or_default()
        };
        let spans = [
            ("delay", write_behind::DEFAULT_DELAY),
            ("patience", write_behind::DEFAULT_PATIENCE),
            ("flush_timeout", write_behind::DEFAULT_FLUSH_TIMEOUT),
        ];
        for (name, span) in spans {
            assert_eq!(default(name), Span(span).to_string(), "{name}");
        }
        let sizes = [
            ("max_log_bytes", write_behind::DEFAULT_MAX_LOG_BYTES),
            ("segment_bytes", write_behind::DEFAULT_SEGMENT_BYTES),
            ("max_pending_bytes", write_behind::DEFAULT_MAX_BYTES),
        ];
        for (name, size) in sizes {
            assert_eq!(default(name), Size(size).to_string(), "{name}");
        }
        let counts = [
            ("max_pending", write_behind::DEFAULT_MAX_RECORDS),
            ("batch", write_behind::DEFAULT_BATCH_RECORDS),
            ("parallel", write_behind::DEFAULT_PARALLEL),
        ];
        for (name, count) in counts {
            assert_eq!(default(name), count.to_string(), "{name}");
        }
        assert_eq!(default("sync"), write_behind::SyncPolicy::default().to_string());
        assert_eq!(write_behind::WhenFull::default(), write_behind::WhenFull::Wait);
        assert_eq!(default("when_full"), "wait");
        assert_eq!(
            write_behind::Coalescing::default(),
            write_behind::Coalescing::Newest
        );
        assert_eq!(default("coalesce"), "newest");
        assert_eq!(
            (default("log").as_str(), write_behind::SEGMENTS_AT_LEAST),
            ("true", 8)
        );
    }
}
