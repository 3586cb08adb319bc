use std::path::{Path, PathBuf};
use std::time::Duration;

use layerstore::data_store::CloseReport;
use layerstore::{Builder, Cost, DEFAULT_DIRECTORY, Layerstore, MemoryLimit, OpenDataStore};

use crate::args::Place;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::quoted;

/// How long closing may take: what is under way has deadlines of its own below that.
const CLOSE_DEADLINE: Duration = Duration::from_secs(60);

/// How long it may take after Ctrl-C: nobody waits for a minute then, and what is pending is in the log.
const INTERRUPTED_DEADLINE: Duration = Duration::from_secs(10);

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

    /// Returns where the log of write-behind is, without opening anything.
    #[cfg(feature = "write-behind")]
    pub(crate) async fn log_directory(&self) -> Result<PathBuf, Failure> {
        let builder = match &self.config {
            Some(file) => Builder::from_file(file).await?,
            None => Layerstore::builder()
                .embedded(self.directory())
                .write_behind(layerstore::WriteBehindSettings::new()),
        };
        builder.log_directory()?.ok_or_else(|| {
            let what = format!("there is no log of write-behind {}", self.shown());
            Failure::usage(what)
                .advise("name the directory of the log, or a configuration with [write_behind]")
        })
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

/// Acknowledged writes that are in the log of write-behind alone: nothing of them is lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// How many there are, dead letters included.
    pub(crate) pending: usize,
    /// How many of them the data store refused for good.
    pub(crate) dead_letters: usize,
}

impl Left {
    /// Takes what a closed data store has left; none where that is not in a log, or is not all that went wrong.
    #[cfg(feature = "write-behind")]
    pub(crate) fn of(opened: &OpenDataStore, report: &CloseReport) -> Option<Self> {
        use layerstore::data_store::ErrorKind;
        let status = opened.write_behind()?.status();
        // That the data store does not take it, now or ever, is no failure of the log.
        let is_the_stores = report.error.as_ref().is_none_or(|error| {
            error.is_retryable() || matches!(error.kind(), ErrorKind::Rejected | ErrorKind::Fenced)
        });
        let is_safe = status.log.is_some_and(|log| !log.is_poisoned) && is_the_stores;
        is_safe.then_some(Self {
            pending: report.pending.len(),
            dead_letters: status.dead_letters,
        })
    }

    #[cfg(not(feature = "write-behind"))]
    pub(crate) fn of(_: &OpenDataStore, _: &CloseReport) -> Option<Self> {
        None
    }

    /// Says how many there are and what becomes of them; none where there are none. `command` is how the command line begins.
    pub(crate) fn shown(&self, command: &str) -> Option<String> {
        let Self {
            pending,
            dead_letters,
        } = *self;
        if pending == 0 {
            return None;
        }
        let mut text = format!(
            "{pending} records are pending: acknowledged, in the log, and not in the data store yet; the next command on this store takes them over"
        );
        if dead_letters > 0 {
            text.push_str(&format!(
                "; {dead_letters} of them were refused for good: see `{command} dead-letters list`"
            ));
        }
        Some(text)
    }
}

/// Ends a store; what it could not end is a failure, unless it is in a log.
pub(crate) async fn close(store: &Layerstore) -> Result<Left, Failure> {
    close_within(store, CLOSE_DEADLINE).await
}

/// Does as [`close`] after Ctrl-C.
pub(crate) async fn close_soon(store: &Layerstore) -> Result<Left, Failure> {
    close_within(store, INTERRUPTED_DEADLINE).await
}

async fn close_within(store: &Layerstore, deadline: Duration) -> Result<Left, Failure> {
    let report = store.close(deadline).await;
    if report.is_complete() {
        return Ok(Left::default());
    }
    let left = report.data_store.as_ref().filter(|_| report.maps.is_empty());
    if let Some(left) = left.and_then(|closed| Left::of(store.open_data_store(), closed)) {
        return Ok(left);
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
