use std::path::{Path, PathBuf};
use std::time::Duration;

use layerstore::{Builder, Cost, DEFAULT_DIRECTORY, Layerstore, MemoryLimit};

use crate::args::Place;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::quoted;

/// How long closing may take: what is under way has deadlines of its own below that.
const CLOSE_DEADLINE: Duration = Duration::from_secs(60);

/// The memory that the command uses for records where no configuration says otherwise: enough for batches, and no more.
const MEMORY: Cost = Cost(256 << 20);

/// Whether a store may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It is made.
    Create,
    /// It is an error.
    Refuse,
}

impl Place {
    /// Says where the records are, for people.
    pub(crate) fn shown(&self) -> String {
        match &self.config {
            Some(file) => format!("as {} says", file.display()),
            None => format!("in {}", self.directory().display()),
        }
    }

    /// Returns the beginning of a command line on the same store, as it is to be typed.
    pub(crate) fn command(&self) -> String {
        let mut command = program();
        for (option, path) in [("--config", &self.config), ("--data", &self.data)] {
            if let Some(path) = path {
                command.push_str(&format!(" {option} {}", quoted(&path.display().to_string())));
            }
        }
        command
    }

    /// Opens the store.
    pub(crate) async fn open(&self, missing: Missing) -> Result<Layerstore, Failure> {
        let builder = match &self.config {
            Some(file) => Builder::from_file(file).await?,
            None => {
                let directory = self.directory();
                if missing == Missing::Refuse {
                    must_exist(&directory)?;
                }
                Layerstore::builder()
                    .embedded(directory)
                    .memory(MemoryLimit::Cost(MEMORY))
            }
        };
        // A command is over before records come to be due; and who reads them is told to the service, not to a command.
        Ok(builder.without_archiver().build().await?)
    }

    fn directory(&self) -> PathBuf {
        self.data
            .clone()
            .unwrap_or_else(|| PathBuf::from(DEFAULT_DIRECTORY))
    }
}

fn must_exist(directory: &Path) -> Result<(), Failure> {
    // Opening would make one there: in a directory that has something else in it, or nothing.
    if Layerstore::is_at(directory) {
        return Ok(());
    }
    let failure = Failure::new(
        Exit::NotFound,
        format!("there is no store in {}", directory.display()),
    );
    Err(failure
        .advise("name its directory with --data DIR, or make one with `layerstore import FILE --map MAP`"))
}

/// Ends a store; what it could not end is a failure.
pub(crate) async fn close(store: &Layerstore) -> Result<(), Failure> {
    let report = store.close(CLOSE_DEADLINE).await;
    if report.is_complete() {
        return Ok(());
    }
    let pending = report.data_store.as_ref().map_or(0, |store| store.pending.len());
    let why = report.data_store.as_ref().and_then(|store| store.error.as_ref());
    let why = why.map_or_else(String::new, |error| format!(": {error}"));
    Err(Failure::new(
        Exit::Failed,
        format!("the store did not close cleanly, with {pending} records pending{why}"),
    ))
}

/// Returns how this program was called, so that it can be called again.
fn program() -> String {
    // Under `cargo run` the binary's own path is of little use.
    if std::env::var_os("CARGO_MANIFEST_DIR").is_some() && std::env::var_os("CARGO").is_some() {
        return "cargo run --release --bin layerstore --".to_owned();
    }
    let called = std::env::args().next().unwrap_or_else(|| "layerstore".to_owned());
    quoted(&called)
}
