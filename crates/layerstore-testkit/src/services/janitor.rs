//! Cleaning up after this process, however it ends.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// Waits for the end of stdin, which also comes when this process is killed.
const SCRIPT: &str = r#"while read -r _; do :; done; exec "$@" >/dev/null 2>&1"#;

/// A shell that runs a command when this value is dropped or this process ends.
#[derive(Debug)]
pub(super) struct Janitor {
    shell: Child,
}

impl Janitor {
    /// Holds a command back.
    pub(super) fn hold<A: AsRef<OsStr>>(command: impl IntoIterator<Item = A>) -> Result<Self, String> {
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, "janitor"])
            .args(command)
            .current_dir("/")
            // Out of reach for Ctrl-C and for the deadline of a test runner.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Ok(Self {
            shell: shell.map_err(|error| format!("sh does not start: {error}"))?,
        })
    }
}

impl Drop for Janitor {
    /// Runs the command and waits for it.
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::Janitor;

    #[test]
    fn the_command_runs_when_the_janitor_is_let_go_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("kept");
        std::fs::write(&kept, "").unwrap();
        let janitor = Janitor::hold(["rm".as_ref(), kept.as_os_str()]).unwrap();
        assert!(kept.exists());
        drop(janitor);
        assert!(!kept.exists());
    }
}
