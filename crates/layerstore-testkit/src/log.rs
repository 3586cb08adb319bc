//! Everything that `tracing` was told, as text: for tests of what is said, and of what must never be.

use std::error::Error;
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

/// Keeps what is said, a line each: target, name, and every field with its value. Clones keep the same text.
///
/// ```
/// use layerstore_testkit::log::Log;
///
/// let log = Log::events("my_crate");
/// tracing::subscriber::with_default(log.clone(), || tracing::info!(target: "my_crate::io", bytes = 3, "written"));
/// assert!(log.take().contains("message=written bytes=3"));
/// assert_eq!(log.text(), "");
/// ```
#[derive(Debug, Clone)]
pub struct Log {
    text: Arc<Mutex<String>>,
    targets: &'static str,
    level: Level,
    spans: bool,
}

struct Fields<'a>(&'a mut String);

impl Log {
    /// Keeps every span and event at any level, whoever says it.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            text: Arc::default(),
            targets: "",
            level: Level::TRACE,
            spans: true,
        }
    }

    /// Keeps the events of targets that begin so, at any level.
    #[must_use]
    pub fn events(targets: &'static str) -> Self {
        Self {
            targets,
            spans: false,
            ..Self::everything()
        }
    }

    /// Keeps what is at this level or above.
    #[must_use]
    pub fn from_level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Returns what was said so far.
    #[must_use]
    pub fn text(&self) -> String {
        self.lock().clone()
    }

    /// Returns what was said so far, and forgets it.
    #[must_use]
    pub fn take(&self) -> String {
        std::mem::take(&mut *self.lock())
    }

    /// Adds a line of the test's own.
    pub fn note(&self, line: &str) {
        let mut text = self.lock();
        text.push_str(line);
        text.push('\n');
    }

    /// Adds all that an error says in each of its forms, and the errors that it comes from.
    pub fn note_error(&self, error: &dyn Error) {
        let mut text = self.lock();
        chain(&mut text, error);
        text.push('\n');
    }

    fn lock(&self) -> MutexGuard<'_, String> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, metadata: &Metadata<'_>, fields: impl FnOnce(&mut Fields<'_>)) {
        let mut line = format!("{} {}", metadata.target(), metadata.name());
        fields(&mut Fields(&mut line));
        self.note(&line);
    }
}

fn chain(text: &mut String, error: &dyn Error) {
    let mut next = Some(error);
    while let Some(error) = next {
        // Writing to a String cannot fail.
        let _ = write!(text, "{error} | {error:?} | {error:#?}");
        next = error.source();
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let _ = write!(self.0, " {field}=");
        chain(self.0, value);
    }
}

impl Subscriber for Log {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        // Tests of one process listen one after another, each to something else.
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level
            && metadata.target().starts_with(self.targets)
            && (self.spans || metadata.is_event())
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.say(span.metadata(), |fields| span.record(fields));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, record: &Record<'_>) {
        record.record(&mut Fields(&mut self.lock()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.say(event.metadata(), |fields| event.record(fields));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
