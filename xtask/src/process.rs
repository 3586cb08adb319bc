//! Child processes: with a place, an environment, and a deadline where they might hang.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::failure::{Context, Failure, Outcome};

/// A command to run.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    program: OsString,
    args: Vec<OsString>,
    envs: Vec<(String, String)>,
    dir: PathBuf,
    deadline: Option<Duration>,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It exited with 0.
    Success,
    /// It exited with another code, or by a signal.
    Failure,
    /// It was killed at its deadline, with everything it had started.
    TimedOut,
}

/// A finished command and what it printed.
#[derive(Debug)]
pub(crate) struct Captured {
    pub(crate) ended: Ended,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Process {
    /// Prepares `program` to run in `dir`.
    pub(crate) fn new(program: impl Into<OsString>, dir: &Path) -> Self {
        Self {
            program: program.into(),
            args: vec![],
            envs: vec![],
            dir: dir.to_owned(),
            deadline: None,
        }
    }

    /// Prepares the cargo that started us.
    pub(crate) fn cargo(dir: &Path) -> Self {
        Self::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), dir)
    }

    /// Adds arguments.
    pub(crate) fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.envs.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets several environment variables.
    pub(crate) fn envs(mut self, envs: &[(String, String)]) -> Self {
        self.envs.extend(envs.iter().cloned());
        self
    }

    /// Kills the command, and all it started, after `deadline`.
    pub(crate) fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Runs with our own stdout and stderr.
    pub(crate) fn status(&self) -> Outcome<Ended> {
        let mut child = self.spawn(Stdio::inherit(), Stdio::inherit())?;
        let watchdog = Watchdog::over(&child, self.deadline);
        self.wait(&mut child, watchdog)
    }

    /// Runs and hands each line of stdout to `each`; stderr is our own.
    pub(crate) fn lines(&self, mut each: impl FnMut(&str)) -> Outcome<Ended> {
        let mut child = self.spawn(Stdio::piped(), Stdio::inherit())?;
        let watchdog = Watchdog::over(&child, self.deadline);
        if let Some(stdout) = child.stdout.take() {
            let mut reader = BufReader::new(stdout);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).context(|| self.describe())? > 0 {
                each(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
                line.clear();
            }
        }
        self.wait(&mut child, watchdog)
    }

    /// Runs and keeps what was printed.
    pub(crate) fn capture(&self) -> Outcome<Captured> {
        let mut child = self.spawn(Stdio::piped(), Stdio::piped())?;
        let watchdog = Watchdog::over(&child, self.deadline);
        let stderr = child.stderr.take().map(|pipe| thread::spawn(move || drain(pipe)));
        let stdout = child.stdout.take().map(drain).unwrap_or_default();
        let stderr = stderr.and_then(|reader| reader.join().ok()).unwrap_or_default();
        Ok(Captured {
            ended: self.wait(&mut child, watchdog)?,
            stdout,
            stderr,
        })
    }

    /// Runs, keeps stdout, and fails with stderr where the command fails.
    pub(crate) fn stdout(&self) -> Outcome<String> {
        let captured = self.capture()?;
        if captured.ended == Ended::Success {
            return Ok(captured.stdout);
        }
        Err(Failure::new(format!(
            "{} failed: {}",
            self.describe(),
            captured.stderr.trim()
        )))
    }

    /// Names the command as one would type it.
    pub(crate) fn describe(&self) -> String {
        let program = Path::new(&self.program)
            .file_name()
            .unwrap_or(&self.program)
            .to_string_lossy();
        let args: Vec<_> = self.args.iter().map(|arg| arg.to_string_lossy()).collect();
        format!("{program} {}", args.join(" "))
    }

    fn spawn(&self, stdout: Stdio, stderr: Stdio) -> Outcome<Child> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr);
        for name in std::env::vars_os().map(|(name, _)| name) {
            if is_about_us(&name) {
                command.env_remove(name);
            }
        }
        command.envs(self.envs.iter().map(|(name, value)| (name, value)));
        if self.deadline.is_some() {
            // A group of its own, so that the deadline also reaches the tests that cargo started.
            command.process_group(0);
        }
        command.spawn().context(|| format!("start {}", self.describe()))
    }

    fn wait(&self, child: &mut Child, watchdog: Option<Watchdog>) -> Outcome<Ended> {
        let status = child.wait().context(|| self.describe())?;
        Ok(match watchdog.is_some_and(Watchdog::stop) {
            true => Ended::TimedOut,
            false if status.success() => Ended::Success,
            false => Ended::Failure,
        })
    }
}

/// Tells what cargo set because it runs this program. Build scripts take such a variable for one about their own
/// package, and run again when it differs from the last time: that compiles half of the workspace anew.
fn is_about_us(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

fn drain(mut pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    // What was read before an error is still worth showing.
    let _ = pipe.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Kills a process group at a deadline, unless stopped before.
struct Watchdog {
    stop: mpsc::Sender<()>,
    thread: thread::JoinHandle<bool>,
}

impl Watchdog {
    fn over(child: &Child, deadline: Option<Duration>) -> Option<Self> {
        let deadline = deadline?;
        let group = format!("-{}", child.id());
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            let late = stopped.recv_timeout(deadline) == Err(RecvTimeoutError::Timeout);
            if late {
                let _ = Command::new("kill")
                    .args(["-KILL", "--", &group])
                    .stderr(Stdio::null())
                    .status();
            }
            late
        });
        Some(Self { stop, thread })
    }

    /// Ends the watch and tells whether it had to kill.
    fn stop(self) -> bool {
        drop(self.stop);
        self.thread.join().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::{Ended, Process};

    fn shell(script: &str) -> Process {
        Process::new("sh", Path::new(".")).args(["-c", script])
    }

    #[test]
    fn exit_codes_are_told_apart() {
        assert_eq!(shell("exit 0").status(), Ok(Ended::Success));
        assert_eq!(shell("exit 3").status(), Ok(Ended::Failure));
    }

    #[test]
    fn what_cargo_says_of_this_program_is_not_passed_on() {
        let shown = shell("env").capture().unwrap().stdout;
        assert!(std::env::var_os("CARGO_PKG_NAME").is_some() && shown.contains("PATH="));
        assert!(
            !shown.contains("CARGO_PKG_") && !shown.contains("CARGO_MANIFEST_"),
            "{shown}"
        );
    }

    #[test]
    fn output_is_kept_and_streamed() {
        let captured = shell("echo out; echo err >&2").capture().unwrap();
        assert_eq!(
            (captured.stdout.as_str(), captured.stderr.as_str()),
            ("out\n", "err\n")
        );
        let mut lines = Vec::new();
        shell("printf 'a\\nb'")
            .lines(|line| lines.push(line.to_owned()))
            .unwrap();
        assert_eq!(lines, ["a", "b"]);
    }

    #[test]
    fn a_failing_command_is_named_with_its_stderr() {
        let failure = shell("echo broken >&2; exit 1").stdout().unwrap_err().to_string();
        assert!(
            failure.contains("sh -c") && failure.contains("broken"),
            "{failure}"
        );
    }

    #[test]
    fn the_deadline_reaches_grandchildren() {
        let run = shell("sh -c 'while :; do :; done'; true")
            .deadline(Duration::from_millis(100))
            .lines(|_| {});
        assert_eq!(run, Ok(Ended::TimedOut));
    }
}
