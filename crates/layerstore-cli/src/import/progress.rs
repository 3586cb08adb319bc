use std::io::{IsTerminal, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

use super::tally::Tally;
use crate::args::Progress;
use crate::failure::Failure;
use crate::out::{Form, say};

/// Shows how far an import is: what is durable, never what is only read.
pub(super) struct Shown {
    bar: Option<ProgressBar>,
    lines: bool,
    form: Form,
    /// How many bytes were read.
    done: Arc<AtomicU64>,
}

impl Shown {
    /// Begins; `size` is that of the file in bytes, where it is known.
    pub(super) fn new(how: Progress, form: Form, size: Option<u64>, done: Arc<AtomicU64>) -> Self {
        let wants_bar = how == Progress::Auto && stderr().is_terminal();
        Self {
            bar: wants_bar.then(|| bar(size)),
            lines: how == Progress::Lines,
            form,
            done,
        }
    }

    /// Shows that a batch is durable.
    pub(super) fn durable(&self, tally: &Tally) -> Result<(), Failure> {
        if let Some(bar) = &self.bar {
            bar.set_position(self.done.load(Ordering::Relaxed));
            // The rate is that of records that are durable.
            let seconds = bar.elapsed().as_secs_f64().max(0.001);
            bar.set_message(format!(
                "{} records, {:.0}/s",
                tally.imported(),
                tally.imported() as f64 / seconds
            ));
        }
        if self.lines {
            let (imported, line) = (tally.imported(), tally.last_line);
            say(&match self.form {
                Form::Text => format!("imported {imported} records, durable up to line {line}"),
                Form::Json => serde_json::json!({ "imported": imported, "durable_line": line }).to_string(),
            })?;
        }
        Ok(())
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(size: Option<u64>) -> ProgressBar {
    let (bar, template) = match size {
        Some(size) => (
            ProgressBar::new(size),
            "{bar:30} {percent:>3}%  {msg}  {eta} left",
        ),
        None => (ProgressBar::new_spinner(), "{spinner} {msg}"),
    };
    // A template that cannot be read would show the default bar.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style)
}
