use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};
use layerstore::CopyProgress;

use crate::args::Progress;
use crate::failure::Failure;
use crate::out::{Form, say, shown};

/// Shows how far a copy is: what is durable, never what is only read.
pub(super) struct Shown {
    bar: Option<ProgressBar>,
    lines: bool,
    form: Form,
    /// What the maps that are done have written, and the one under way.
    before: u64,
    last: Option<CopyProgress>,
    /// Why stdout could not be written.
    failed: Option<Failure>,
}

impl Shown {
    pub(super) fn new(how: Progress, form: Form) -> Self {
        let wants_bar = how == Progress::Auto && stderr().is_terminal();
        Self {
            bar: wants_bar.then(bar),
            lines: how == Progress::Lines,
            form,
            before: 0,
            last: None,
            failed: None,
        }
    }

    /// Shows that a batch is durable.
    pub(super) fn durable(&mut self, progress: &CopyProgress) {
        if let Some(last) = &self.last
            && last.map != progress.map
        {
            self.before += last.written;
        }
        self.last = Some(progress.clone());
        let map = shown(progress.map.as_str());
        if let Some(bar) = &self.bar {
            bar.set_position(progress.read);
            let step = if progress.is_verifying { "compared" } else { "read" };
            bar.set_message(format!(
                "map {map}: {} written, {} {step}",
                progress.written, progress.read
            ));
        }
        if self.lines && self.failed.is_none() {
            let (read, written, verifying) = (progress.read, progress.written, progress.is_verifying);
            let line = match self.form {
                Form::Text if verifying => format!("compared {read} records of map {map}"),
                Form::Text => format!("copied {written} records of map {map}, durable, {read} read"),
                Form::Json => serde_json::json!({
                    "map": progress.map.as_str(), "read": read, "written": written, "verifying": verifying,
                })
                .to_string(),
            };
            self.failed = say(&line).err();
        }
    }

    /// Returns how many records were written, all maps together.
    pub(super) fn written(&self) -> u64 {
        self.before + self.last.as_ref().map_or(0, |last| last.written)
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Says what became of the lines of progress.
    pub(super) fn check(&mut self) -> Result<(), Failure> {
        self.failed.take().map_or(Ok(()), Err)
    }
}

fn bar() -> ProgressBar {
    // A template that cannot be read would show the default one.
    let style = ProgressStyle::with_template("{spinner} {msg}, {per_sec}, {elapsed}");
    ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}
