//! What `[write_behind]` may say.

#[cfg(feature = "write-behind")]
use super::config;
use super::refused;

/// A file whose third line is the table, with these settings.
fn file(settings: &str) -> String {
    format!("format = 1\n\n[write_behind]\n{settings}\n")
}

/// What is wrong with a file, wherever that is found.
#[cfg(feature = "write-behind")]
fn wrong(text: &str) -> Option<String> {
    let parsed = match super::read(super::Path::new("layerstore.toml"), text) {
        Ok(parsed) => parsed,
        Err(error) => return Some(error.to_string()),
    };
    let checked = parsed.write_behind?.check(Some(&parsed.backend));
    checked.err().map(|error| parsed.origin.locate(error).to_string())
}

#[test]
fn f4_what_is_wrong_with_write_behind_is_named_by_file_line_and_key() {
    let cases = [
        ("dealy = \"1s\"", "4:1: write_behind.dealy: unknown field `dealy`"),
        ("delay = 1", "4:9: write_behind.delay: write a duration in quotes"),
        (
            "sync = \"never\"",
            "4:8: write_behind.sync: write \"always\", \"os\", or a duration",
        ),
        (
            "sync = \"0s\"",
            "4:8: write_behind.sync: a duration is at least 1 ms",
        ),
        ("log = \"off\"", "4:7: write_behind.log: "),
        ("directory = \"\"", "4:13: write_behind.directory: it is empty"),
        (
            "max_log_bytes = 5",
            "4:17: write_behind.max_log_bytes: write a size in quotes",
        ),
        ("max_pending = -1", "4:15: write_behind.max_pending: "),
        (
            "when_full = \"drop\"",
            "4:13: write_behind.when_full: write one of",
        ),
        ("coalesce = true", "4:12: write_behind.coalesce: write one of"),
        (
            "log = false\nsync = \"os\"",
            "5:8: write_behind.sync: it is a setting of the log, and log = false",
        ),
        (
            "log = false\ndirectory = \"x\"",
            "5:13: write_behind.directory: it is a setting of the log",
        ),
        (
            "max_log_bytes = \"1GiB\"\nlog = false",
            "4:17: write_behind.max_log_bytes: it is a setting of the log",
        ),
        (
            "segment_bytes = \"1MiB\"\nlog = false",
            "4:17: write_behind.segment_bytes: it is a setting of the log",
        ),
    ];
    for (settings, begins) in cases {
        let error = refused(&file(settings));
        let begins = format!("layerstore.toml:{begins}");
        assert!(error.starts_with(&begins), "{settings:?} gave {error:?}");
        assert!(!error.contains('\n'), "{error:?}");
    }
    let error = refused("format = 1\nwrite_behind = true\n");
    assert!(
        error.starts_with("layerstore.toml:2:16: write_behind: it is a table"),
        "{error}"
    );
}

#[cfg(feature = "write-behind")]
#[test]
fn f4_settings_that_contradict_each_other_are_refused_before_anything_is_opened() {
    let cases = [
        (
            "log = false\nwhen_full = \"spill\"",
            "5:13: write_behind.when_full: there is no log to spill to",
        ),
        (
            "segment_bytes = \"1MiB\"\nmax_log_bytes = \"7MiB\"",
            "5:17: write_behind.max_log_bytes: a log holds at least 8 segments",
        ),
        (
            "segment_bytes = \"1GiB\"",
            "4:17: write_behind.segment_bytes: a log holds at least 8 segments",
        ),
        (
            "segment_bytes = \"1KiB\"",
            "4:17: write_behind.segment_bytes: it must be at least 4KiB",
        ),
        (
            "max_pending = 0",
            "4:15: write_behind.max_pending: it must be at least 1",
        ),
        (
            "max_pending_bytes = \"0B\"",
            "4:21: write_behind.max_pending_bytes: it must be at least 1",
        ),
        ("batch = 0", "4:9: write_behind.batch: it must be at least 1"),
        (
            "parallel = 0",
            "4:12: write_behind.parallel: it must be at least 1",
        ),
        (
            "directory = \"layerstore-data\"",
            "4:13: write_behind.directory: it is the directory of the data store",
        ),
        (
            "[data_store]\nkind = \"null\"",
            "3:1: write_behind: the data store keeps nothing",
        ),
    ];
    for (settings, begins) in cases {
        let error = wrong(&file(settings)).unwrap_or_default();
        let begins = format!("layerstore.toml:{begins}");
        assert!(error.starts_with(&begins), "{settings:?} gave {error:?}");
    }
    for settings in ["", "delay = \"none\"", "log = false", "when_full = \"spill\""] {
        assert_eq!(wrong(&file(settings)), None, "{settings}");
    }
}

#[cfg(feature = "write-behind")]
#[test]
fn every_setting_of_write_behind_is_taken_over() {
    use std::path::Path;
    use std::time::Duration;

    use layerstore_write_behind::{Coalescing, SyncPolicy, WhenFull};

    use crate::behind::Asked;
    let text = "delay = \"200ms\"\nsync = \"10ms\"\ndirectory = \"log\"\nmax_log_bytes = \"64MiB\"\nsegment_bytes = \"1MiB\"\n\
                max_pending = 7\nmax_pending_bytes = \"1MiB\"\nwhen_full = \"write-through\"\npatience = \"1s\"\ncoalesce = \"each\"\n\
                batch = 8\nparallel = 3\nflush_timeout = \"9s\"";
    let parsed = config(&file(text));
    let Some(Asked::With(settings)) = parsed.write_behind else {
        panic!("{:?}", parsed.write_behind)
    };
    let options = settings.options;
    assert_eq!(
        (options.delay, options.patience),
        (Duration::from_millis(200), Duration::from_secs(1))
    );
    assert_eq!((options.max_records, options.max_bytes), (7, 1 << 20));
    assert_eq!((options.batch_records, options.parallel), (8, 3));
    assert_eq!(options.flush_timeout, Duration::from_secs(9));
    assert_eq!(
        (options.when_full, options.coalescing),
        (WhenFull::WriteThrough, Coalescing::Each)
    );
    let log = &settings.log;
    assert_eq!(log.sync, SyncPolicy::Interval(Duration::from_millis(10)));
    assert_eq!((log.max_bytes, log.segment_bytes), (64 << 20, 1 << 20));
    let place = settings.place(Some(&parsed.backend)).unwrap();
    assert_eq!(place.as_deref(), Some(Path::new("etc/log")));
}

#[cfg(feature = "write-behind")]
#[test]
fn the_examples_of_the_page_on_write_behind_are_configurations() {
    let page = super::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/write-behind.md");
    let page = std::fs::read_to_string(page).unwrap();
    let examples: Vec<_> = page
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(examples.len() >= 2);
    for example in examples {
        assert_eq!(wrong(example), None, "{example}");
        assert!(config(example).write_behind.is_some(), "{example}");
    }
}
