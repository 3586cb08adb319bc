//! Tests that start themselves again as another process.

use std::path::Path;
use std::process::Command;

/// Set for the child only: what it is to do.
const TASK: &str = "FAULTS_CHILD_TASK";
/// Set for the child only: the directory of its store.
const DIR: &str = "FAULTS_CHILD_DIR";

/// Returns what this process was started for, if it is a child.
pub(crate) fn task() -> Option<(String, std::path::PathBuf)> {
    Some((std::env::var(TASK).ok()?, std::env::var_os(DIR)?.into()))
}

/// Runs the test `name` of this program as a child with a task, under `wrapper`; returns what it printed.
pub(crate) fn run(wrapper: &[String], name: &str, task: &str, dir: &Path) -> String {
    let program = std::env::current_exe().unwrap();
    let mut command = match wrapper.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
        None => Command::new(program),
    };
    command
        .args(["--exact", "--nocapture", name])
        .env(TASK, task)
        .env(DIR, dir);
    let output = command.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{task}: {printed}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}

mod tests {
    use layerstore_kv::KvErrorKind;
    use layerstore_kv_fjall::{FjallKv, FjallOptions};

    #[test]
    fn the_second_process_is_told_path_and_pid_of_the_first() {
        if let Some((_, dir)) = super::task() {
            let refused = FjallKv::open(&dir, FjallOptions::default()).unwrap_err();
            let KvErrorKind::AlreadyOpen { path, pid: Some(pid) } = refused.kind() else {
                panic!("{refused}")
            };
            return println!("REFUSED {pid} {}", path.display());
        }
        let dir = tempfile::tempdir().unwrap();
        let held = FjallKv::open(dir.path(), FjallOptions::default()).unwrap();
        let name = "processes::tests::the_second_process_is_told_path_and_pid_of_the_first";
        let printed = super::run(&[], name, "open", dir.path());
        let expected = format!("REFUSED {} {}", std::process::id(), dir.path().display());
        assert!(printed.contains(&expected), "{printed}");
        drop(held);
    }
}
