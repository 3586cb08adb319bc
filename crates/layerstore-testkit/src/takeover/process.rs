//! A process that owns a map, as its test sees it.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::{Held, MARK, PLACE_VARIABLE};

/// How long an answer is waited for.
const DEADLINE: Duration = Duration::from_secs(60);

/// How long after a claim the earlier process may still have answers of writes from before it.
const FENCED_WITHIN: Duration = Duration::from_secs(20);

/// Ends when dropped.
pub(super) struct Process {
    child: Child,
    orders: ChildStdin,
    answers: Receiver<String>,
    acknowledged: Held,
}

impl Process {
    /// Starts the test again.
    pub(super) fn start(test: &str, place: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("the program of the test"))
            .args(["--exact", "--nocapture", test])
            .env(PLACE_VARIABLE, place)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the test starts again");
        let orders = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (tell, answers) = channel();
        // Ends with the output of the process.
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some(answer) = line.strip_prefix(MARK) {
                    // A test that has heard enough is not told more.
                    let _ = tell.send(answer.to_owned());
                }
            }
        });
        Self {
            child,
            orders,
            answers,
            acknowledged: Held::new(),
        }
    }

    /// Waits until it has claimed the map; returns what it found there.
    pub(super) fn claims(&mut self) -> Held {
        self.held()
    }

    /// Lets it look at the map once more.
    pub(super) fn looks(&mut self) -> Held {
        self.order("LOOK");
        self.held()
    }

    /// Lets it write from here on; returns when it has acknowledged so many writes.
    pub(super) fn writes(&mut self, acknowledgements: usize) {
        self.order("WRITE");
        for _ in 0..acknowledgements {
            let answer = self.answer();
            self.note(&answer);
        }
    }

    /// Waits until it was told that the map is another's; returns the newest write to each key that it had acknowledged.
    #[expect(
        clippy::disallowed_methods,
        reason = "another process is waited for, in the time that both live in"
    )]
    pub(super) fn is_fenced(&mut self) -> Held {
        let begin = Instant::now();
        loop {
            match self.answer().as_str() {
                "FENCED" => return std::mem::take(&mut self.acknowledged),
                answer => self.note(answer),
            }
            let has_time = begin.elapsed() < FENCED_WITHIN;
            assert!(
                has_time,
                "{FENCED_WITHIN:?} after a claim the earlier process is still served"
            );
        }
    }

    fn note(&mut self, answer: &str) {
        let (key, version) = numbered(answer, "ACK");
        self.acknowledged.insert(key, version);
    }

    fn held(&mut self) -> Held {
        assert_eq!(self.answer(), "ALL");
        let mut held = Held::new();
        loop {
            match self.answer().as_str() {
                "END" => return held,
                answer => held.extend([numbered(answer, "HELD")]),
            }
        }
    }

    fn order(&mut self, order: &str) {
        let sent = writeln!(self.orders, "{order}").and_then(|()| self.orders.flush());
        sent.expect("the process is there");
    }

    fn answer(&self) -> String {
        let answer = self.answers.recv_timeout(DEADLINE);
        answer.expect("a process that owns a map answers; what it says of itself stands above")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a line with a key and its version.
fn numbered(answer: &str, word: &str) -> (String, u64) {
    let rest = answer.strip_prefix(word).map(str::trim_start);
    let parts = rest.and_then(|rest| rest.split_once(' '));
    let parts = parts.and_then(|(key, version)| Some((key.to_owned(), version.parse().ok()?)));
    parts.unwrap_or_else(|| panic!("{word} was expected, not {answer}"))
}
