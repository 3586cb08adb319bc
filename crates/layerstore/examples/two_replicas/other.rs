//! The other process, as the one that starts it sees it.

use std::error::Error;
use std::fmt::Display;
use std::io::{BufRead as _, BufReader, Lines};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

/// What its lines begin with that are for us: whatever runs it may print others.
const MARK: &str = "other: ";

/// A process that was started; killed when it is dropped.
pub(crate) struct Other {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// Tells the process that started this one.
pub(crate) fn say(what: &impl Display) {
    println!("\n{MARK}{what}");
}

impl Other {
    pub(crate) fn start(mut command: Command) -> Result<Self, Box<dyn Error>> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("its output is not heard")?;
        let lines = BufReader::new(output).lines();
        Ok(Self { child, lines })
    }

    /// Waits until it has written what it writes alone, and listens.
    pub(crate) fn address(&mut self) -> Result<SocketAddr, Box<dyn Error>> {
        Ok(self.said()?.parse()?)
    }

    /// Waits until it has read all that it holds.
    pub(crate) fn fingerprint(&mut self) -> Result<String, Box<dyn Error>> {
        self.said()
    }

    fn said(&mut self) -> Result<String, Box<dyn Error>> {
        for line in self.lines.by_ref() {
            if let Some(said) = line?.strip_prefix(MARK) {
                return Ok(said.to_owned());
            }
        }
        Err("the other process ended without a word".into())
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
