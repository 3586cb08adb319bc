//! A server process that does not outlive the process that started it, however that ends.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::account::Account;

const SCRIPT: &str = include_str!("supervisor.sh");

/// What the script prints when the server is gone.
const ENDED: &str = "supervisor: ended";

/// How much of what a server printed is kept for the text of a failure.
const KEPT_LINES: usize = 20;

/// How long a server may take to start: crash recovery on a busy machine, not a fresh start, decides.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// How long a server may take to stop: an immediate shutdown of PostgreSQL gives its children 5 seconds.
const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// A shell that runs one server, stops and starts it, and removes its folder at the end.
///
/// The shell waits for the end of its stdin, which also comes when this process is killed. It has a process group of its
/// own, so that neither Ctrl-C nor the deadline of a test runner takes it along before it has cleaned up.
#[derive(Debug)]
pub(super) struct Supervisor {
    shell: Child,
    /// Taken to end the shell.
    orders: Option<ChildStdin>,
    output: Arc<Output>,
    reader: Option<JoinHandle<()>>,
}

impl Supervisor {
    /// Prepares to run `program` in `home`, which `account` must own where there is one. From here on the shell removes
    /// `home`, at the latest when this process ends.
    pub(super) fn new(
        home: &Path,
        account: Option<Account>,
        program: impl AsRef<OsStr>,
        args: &[String],
        envs: &[(&str, String)],
    ) -> Result<Self, String> {
        let mut command = Command::new("sh");
        command
            .args(["-c", SCRIPT, "supervisor"])
            .arg(home)
            .arg(program)
            .args(args)
            .envs(envs.iter().map(|(name, value)| (name, value)))
            .current_dir(home)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        Account::enter(account, &mut command);
        let mut shell = command
            .spawn()
            .map_err(|error| format!("sh does not start: {error}"))?;
        let output = Arc::new(Output::default());
        let reader = shell.stdout.take().map(|pipe| {
            let output = Arc::clone(&output);
            thread::spawn(move || output.read(pipe))
        });
        Ok(Self {
            orders: shell.stdin.take(),
            shell,
            output,
            reader,
        })
    }

    /// Starts the server and waits for a line that contains `ready`.
    ///
    /// # Errors
    /// What the server printed last, when it ended or was not ready within a minute.
    pub(super) fn start(&mut self, ready: &str) -> Result<(), String> {
        self.output.forget();
        self.order("start")?;
        let state = self.output.wait(START_DEADLINE, |state| {
            state.ended || state.lines.iter().any(|line| line.contains(ready))
        });
        if state.ended || !state.lines.iter().any(|line| line.contains(ready)) {
            let lines: Vec<&str> = state.lines.iter().map(String::as_str).collect();
            return Err(format!("the server did not start: {}", lines.join(" | ")));
        }
        Ok(())
    }

    /// Stops the server by a signal and waits until it is gone.
    ///
    /// # Errors
    /// When it is still there after 30 seconds.
    pub(super) fn stop(&mut self, signal: &str) -> Result<(), String> {
        self.order(signal)?;
        let state = self.output.wait(STOP_DEADLINE, |state| state.ended);
        match state.ended {
            true => Ok(()),
            false => Err(format!(
                "the server did not stop on {signal} within {STOP_DEADLINE:?}"
            )),
        }
    }

    fn order(&mut self, order: &str) -> Result<(), String> {
        let Some(pipe) = &mut self.orders else {
            return Err("the supervisor has ended".to_owned());
        };
        writeln!(pipe, "{order}")
            .and_then(|()| pipe.flush())
            .map_err(|error| format!("the supervisor has ended: {error}"))
    }
}

impl Drop for Supervisor {
    /// Ends the server and removes its folder; kills what does not end by itself.
    fn drop(&mut self) {
        drop(self.orders.take());
        if !self.output.wait(STOP_DEADLINE, |state| state.closed).closed {
            let group = format!("-{}", self.shell.id());
            let _ = Command::new("kill")
                .args(["-KILL", "--", &group])
                .stderr(Stdio::null())
                .status();
        }
        let _ = self.shell.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// What shell and server printed, as far as anybody asks.
#[derive(Debug, Default)]
struct Output {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<String>,
    /// The server has ended.
    ended: bool,
    /// The shell has ended, and everything that it started.
    closed: bool,
}

impl Output {
    fn read(&self, pipe: impl Read) {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            self.take(String::from_utf8_lossy(&line).trim_end());
            line.clear();
        }
        self.change(|state| state.closed = true);
    }

    fn take(&self, line: &str) {
        self.change(|state| {
            if line == ENDED {
                state.ended = true;
                return;
            }
            if state.lines.len() == KEPT_LINES {
                state.lines.pop_front();
            }
            state.lines.push_back(line.to_owned());
        });
    }

    fn forget(&self) {
        self.change(|state| {
            state.lines.clear();
            state.ended = false;
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until the state is as wanted or closed, or the deadline is over; returns the state at that time.
    fn wait(&self, deadline: Duration, wanted: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let unwanted = |state: &mut State| !wanted(state) && !state.closed;
        self.changed
            .wait_timeout_while(self.lock(), deadline, unwanted)
            .map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::Supervisor;

    fn home() -> PathBuf {
        tempfile::tempdir().unwrap().keep()
    }

    fn shell(home: &Path, script: &str) -> Supervisor {
        Supervisor::new(home, None, "sh", &["-c".to_owned(), script.to_owned()], &[]).unwrap()
    }

    #[test]
    fn a_server_starts_stops_and_starts_again_and_its_folder_goes_with_it() {
        let home = home();
        let mut server = shell(&home, "echo >>starts; echo ready; exec tail -f /dev/null");
        for _ in 0..3 {
            server.start("ready").unwrap();
            server.stop("KILL").unwrap();
        }
        assert_eq!(std::fs::read(home.join("starts")).unwrap().len(), 3);
        server.start("ready").unwrap();
        drop(server);
        assert!(!home.exists());
    }

    #[test]
    fn a_server_that_ends_while_it_starts_is_an_error_with_its_words() {
        let home = home();
        let error = shell(&home, "echo no port left; exit 1")
            .start("ready")
            .unwrap_err();
        assert!(error.contains("no port left"), "{error}");
        assert!(!home.exists());
    }
}
