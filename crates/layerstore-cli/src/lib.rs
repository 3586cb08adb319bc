//! The `layerstore` command: records in, out, counted and checked, over the crate layerstore and nothing below it.
//!
//! Arguments are read in `args`, each command has its file in `command`, JSON is read and written without loss in `json`,
//! and `failure` decides with which code it ends and what it advises. It is a library only so that its decoders can be fuzzed;
//! nothing of it but [`main`] is for use.

mod args;
mod command;
mod copy;
mod exit;
mod failure;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod import;
mod interrupt;
mod json;
mod out;
mod record_json;
mod store;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use args::Cli;
use exit::Exit;
use failure::Failure;
use out::{Form, warn};

/// How long threads that still read or write may take at the end; a blocked read of a pipe is left behind.
const END_DEADLINE: Duration = Duration::from_millis(500);

/// Runs the command with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    let Cli { place, json, command } = Cli::parse();
    let form = if json { Form::Json } else { Form::Text };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return end(&Failure::new(
                Exit::Failed,
                format!("threads cannot be started: {error}"),
            ));
        }
    };
    let done = runtime.block_on(command::run(&place, form, command));
    runtime.shutdown_timeout(END_DEADLINE);
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => end(&failure),
    }
}

/// Says why the command failed and what to do.
fn end(failure: &Failure) -> ExitCode {
    if failure.exit != Exit::Done {
        warn(failure.what());
        if let Some(advice) = failure.advice() {
            warn(&format!("help: {advice}"));
        }
    }
    failure.exit.into()
}
