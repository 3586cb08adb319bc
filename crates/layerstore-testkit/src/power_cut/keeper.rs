//! The process that mounts a file system and cuts its power.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The ioctl that cuts the power cannot be called without `unsafe`, which this workspace forbids. Perl can call it, is there
/// wherever Debian or one of its kin is, and starts in a millisecond: a program of our own would need a compiler for C.
const SCRIPT: &str = include_str!("keeper.pl");

/// Mounts in a mount namespace of its own: nobody else sees the mount, and however this process or the keeper ends, killed
/// included, the kernel takes mount and loop device away with the namespace.
#[derive(Debug)]
pub(super) struct Keeper {
    process: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    folder: PathBuf,
}

impl Keeper {
    pub(super) fn start(image: &Path, folder: &Path) -> Result<Self, String> {
        let mut process = Command::new("unshare")
            .args(["--mount", "perl", "-e", SCRIPT])
            .args([image, folder])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("unshare does not start: {error}"))?;
        let orders = process.stdin.take();
        let Some(output) = process.stdout.take() else {
            return Err("unshare has no output".to_owned());
        };
        // The keeper sees its mount under the folder's own name; everyone else reaches it through the keeper.
        let root = format!("/proc/{}/root", process.id());
        let folder = folder.strip_prefix("/").unwrap_or(folder);
        Ok(Self {
            folder: Path::new(&root).join(folder),
            process,
            orders,
            answers: BufReader::new(output),
        })
    }

    /// The mounted file system, as other processes reach it.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Gives an order, and waits until it is done.
    pub(super) fn order(&mut self, order: &str) -> Result<(), String> {
        let sent = self
            .orders
            .as_mut()
            .is_some_and(|orders| writeln!(orders, "{order}").is_ok());
        let mut answer = String::new();
        let answered = sent && self.answers.read_line(&mut answer).is_ok();
        match answer.trim_end().split_once(' ') {
            None if answered && answer.trim_end() == "done" => Ok(()),
            Some(("failed", why)) => Err(why.to_owned()),
            _ => Err(self.last_words()),
        }
    }

    /// Why it ended.
    fn last_words(&mut self) -> String {
        drop(self.orders.take());
        let mut words = String::new();
        if let Some(mut stderr) = self.process.stderr.take() {
            // What cannot be read is not said.
            let _ = stderr.read_to_string(&mut words);
        }
        match words.trim() {
            "" => "the process that keeps the mount ended".to_owned(),
            words => words.to_owned(),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.orders.take());
        // It waits for nothing but orders.
        let _ = self.process.wait();
    }
}
