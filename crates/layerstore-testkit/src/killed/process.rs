//! The process, as its test sees it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use super::errand::{Errand, told};

/// How long the next line of a process is waited for.
const DEADLINE: Duration = Duration::from_secs(120);

/// Lines that were read and not looked at yet. One that says more waits, as it would with a pipe that is full.
const LINES: usize = 1_024;

/// What becomes of a process after a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It goes on.
    Live,
    /// It is killed at once. What it has said until then is heard.
    Kill,
}

/// Starts the test again and gives `hear` each line that it tells, until that wants it killed; and then the lines that it told before it died.
///
/// `test` is the test that calls this, as its harness names it.
///
/// # Panics
/// When the process ends by itself, and when it says nothing for two minutes.
pub fn until_killed(test: &str, errand: &Errand, mut hear: impl FnMut(&str) -> Then) {
    let mut process = Process::start(test, errand);
    let mut is_killed = false;
    while let Some(line) = process.line() {
        if hear(&line) == Then::Kill && !is_killed {
            process.child.kill().expect("a process can be killed");
            is_killed = true;
        }
    }
    let status = process.end();
    assert!(is_killed, "the process ended by itself: {status}");
}

/// Starts the test again and gives `hear` each line that it tells, until it ends.
///
/// # Panics
/// When the process fails, and when it says nothing for two minutes.
pub fn to_its_end(test: &str, errand: &Errand, mut hear: impl FnMut(&str)) {
    let mut process = Process::start(test, errand);
    while let Some(line) = process.line() {
        hear(&line);
    }
    let status = process.end();
    assert!(
        status.success(),
        "the process failed, and says above why: {status}"
    );
}

/// Ends when dropped.
struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    fn start(test: &str, errand: &Errand) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("the program of the test"));
        errand.give(&mut command);
        let mut child = command
            .args(["--exact", "--nocapture", test])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the test starts again");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (send, lines) = sync_channel(LINES);
        // Ends with the output of the process, or with the test that hears it.
        std::thread::spawn(move || {
            let mut lines = output.lines().map_while(Result::ok);
            let all =
                lines.try_for_each(|line| told(&line).map_or(Ok(()), |told| send.send(told.to_owned())));
            // A test that has heard enough is told no more.
            drop(all);
        });
        Self { child, lines }
    }

    /// Returns the next line, or nothing after the last.
    fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(DEADLINE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the process has said nothing for {DEADLINE:?}"),
        }
    }

    fn end(&mut self) -> ExitStatus {
        self.child.wait().expect("a process can be waited for")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
