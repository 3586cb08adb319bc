//! Two processes that wrote apart become equal over TCP.

#[expect(
    dead_code,
    reason = "its `main` would take the arguments of the test runner for what it is to be"
)]
#[path = "../examples/two_replicas/main.rs"]
mod two_replicas;

use std::process::Command;

/// Set for the process that the test starts.
const IS_OTHER: &str = "LAYERSTORE_TEST_IS_OTHER";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_wrote_apart_meet_and_are_equal() {
    if std::env::var_os(IS_OTHER).is_some() {
        two_replicas::be_the_other().await.unwrap();
        return;
    }
    let mut other = Command::new(std::env::current_exe().unwrap());
    let test = "two_processes_that_wrote_apart_meet_and_are_equal";
    other.args(["--exact", "--nocapture", test]).env(IS_OTHER, "yes");
    two_replicas::meet(other).await.unwrap();
}
