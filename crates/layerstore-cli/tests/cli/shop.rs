//! A directory of a test's own, and the command in it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

/// How long a test waits for the command: far above what it takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Shop {
    dir: tempfile::TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A command under way, whose lines can be waited for.
pub(crate) struct Running {
    pub(crate) child: Child,
    lines: Receiver<String>,
}

impl Shop {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_layerstore"));
        // Under `cargo test` the binary would take itself for one under `cargo run`.
        command
            .current_dir(self.dir.path())
            .env_remove("CARGO_MANIFEST_DIR");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.command()
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap()
            .into()
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub(crate) fn done(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, Some(0), "{args:?}: {ran:?}");
        ran.out
    }

    /// Starts a command whose stdin is held open.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        let mut command = self.command();
        let mut child = command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            out.lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Running { child, lines }
    }
}

impl Running {
    pub(crate) fn feed(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    /// Waits for the next line of stdout, `None` at its end or when there is none within `patience`.
    pub(crate) fn line(&self, patience: Duration) -> Option<String> {
        self.lines.recv_timeout(patience).ok()
    }

    /// Waits for a line with this text.
    pub(crate) fn until(&self, text: &str) -> String {
        loop {
            let line = self
                .line(PATIENCE)
                .unwrap_or_else(|| panic!("it never said {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", name, &pid])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Ends its input and waits for the end; returns it with the rest of stdout.
    pub(crate) fn end(mut self) -> Ran {
        drop(self.child.stdin.take());
        self.has_ended()
    }

    /// Does as [`end`](Self::end), with an input that stays open: for one that was told to end by something else.
    pub(crate) fn end_by_itself(mut self) -> Ran {
        let _open = self.child.stdin.take();
        self.has_ended()
    }

    fn has_ended(self) -> Ran {
        let mut ran: Ran = self.child.wait_with_output().unwrap().into();
        ran.out = self.lines.iter().collect::<Vec<_>>().join("\n");
        ran
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Returns a file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Writes `count` records from `first` on, one a line.
pub(crate) fn lines(first: u64, count: u64) -> String {
    (first..first + count)
        .map(|n| format!("{{\"id\":\"k{n:08}\",\"n\":{n}}}\n"))
        .collect()
}
