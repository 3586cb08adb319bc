//! One cycle: writers start, the power goes at a random moment, and what is left is looked at.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use crate::moment::Moment;
use crate::told::Told;

/// Set for the process with the writers only: a test starts itself again.
pub(crate) const DIR_VARIABLE: &str = "POWER_DIR";
pub(crate) const CYCLE_VARIABLE: &str = "POWER_CYCLE";
pub(crate) const SEED_VARIABLE: &str = "POWER_SEED";

/// How long a process with writers may take to open the log, and to see that the disk is gone.
const DEADLINE: Duration = Duration::from_secs(20);

/// The process with the writers. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    told: Vec<Told>,
    /// What else it said.
    rest: Vec<String>,
}

impl Process {
    /// Starts the test of this name again, with another part to play.
    pub(crate) fn start(test: &str, dir: &Path, cycle: u64, seed: u64) -> Self {
        let (output, input) = std::io::pipe().unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", test])
            .env(DIR_VARIABLE, dir)
            .env(CYCLE_VARIABLE, cycle.to_string())
            .env(SEED_VARIABLE, seed.to_string())
            .stdout(input.try_clone().unwrap())
            .stderr(input)
            .spawn()
            .unwrap();
        let (tell, lines) = channel();
        // Ends with the output of the process.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // A test that has heard enough is not told more.
                let _ = tell.send(line);
            }
        });
        Self {
            child,
            lines,
            told: Vec::new(),
            rest: Vec::new(),
        }
    }

    /// Waits until it is about to open the log, or has opened it.
    pub(crate) fn comes_to(&mut self, step: Told) {
        let came = self.hears(DEADLINE, |told| told == step);
        assert!(came, "the writers do not come to {step:?}: {:#?}", self.rest);
    }

    /// Lets it go on for a while, in which it must not end.
    pub(crate) fn goes_on(&mut self, time: Duration) {
        let ended = self.hears(time, |told| told == Told::Ended);
        assert!(!ended, "the writers ended before the cut: {:#?}", self.rest);
    }

    /// Waits for its end, and returns all that it told.
    pub(crate) fn ends(mut self) -> Vec<Told> {
        let ended = self.hears(DEADLINE, |told| told == Told::Ended);
        assert!(
            ended,
            "{DEADLINE:?} after the cut somebody still waits: {:#?}",
            self.rest
        );
        std::mem::take(&mut self.told)
    }

    /// Kills it, and returns all that it told.
    pub(crate) fn killed(mut self) -> Vec<Told> {
        self.child.kill().unwrap();
        self.told
            .extend(self.lines.iter().filter_map(|line| Told::read(&line)));
        std::mem::take(&mut self.told)
    }

    /// Listens for so long, or until it is told something.
    fn hears(&mut self, time: Duration, what: impl Fn(Told) -> bool) -> bool {
        let begun = Moment::now();
        loop {
            let left = time.saturating_sub(Duration::from_micros(Moment::now().since(begun)));
            match self.lines.recv_timeout(left) {
                Ok(line) => match Told::read(&line) {
                    Some(told) => {
                        self.told.push(told);
                        if what(told) {
                            return true;
                        }
                    }
                    None => self.rest.push(line),
                },
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the process with the writers died: {:#?}", self.rest)
                }
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
