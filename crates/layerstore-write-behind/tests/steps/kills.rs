//! The process really ends at a step, and the next one now and then while it takes over: what was acknowledged is there.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use layerstore_testkit::proof;
use layerstore_write_behind::Failpoint;

use crate::errors::{chosen, dry_run};
use crate::hook::{Act, Hook, Plan};
use crate::journal::check_order;
use crate::ledger::Ledger;
use crate::script::{Script, Told};
use crate::verify::verify;
use crate::world::{JOURNAL, LEDGER, World};

/// Set for the child only: the test starts itself again.
const FOLDER_VARIABLE: &str = "STEPS_CHILD_FOLDER";
const POINT_VARIABLE: &str = "STEPS_CHILD_POINT";
const PASS_VARIABLE: &str = "STEPS_CHILD_PASS";
/// Whether the child goes on with what another left.
const TAKES_OVER_VARIABLE: &str = "STEPS_CHILD_TAKES_OVER";
const TEST: &str =
    "kills::r24_a_process_that_ends_at_a_step_loses_nothing_nor_does_one_that_ends_taking_over";

/// What `abort` ends a process with.
const ABORTED: i32 = 6;

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_time().build().unwrap()
}

fn child(folder: &Path) {
    let variable = |name| std::env::var(name).unwrap();
    let name = variable(POINT_VARIABLE);
    let step = Failpoint::ALL.iter().find(|step| step.name() == name).unwrap();
    let plan = Plan {
        step: *step,
        pass: variable(PASS_VARIABLE).parse().unwrap(),
        act: Act::Kill,
    };
    let ledger = Ledger::on_paper(&folder.join(LEDGER));
    runtime().block_on(async {
        let mut script = Script::new(World::in_folder(folder), ledger, Hook::new(Some(plan)));
        if std::env::var_os(TAKES_OVER_VARIABLE).is_some() {
            script.take_over().await;
        } else {
            script.run().await;
        }
        // A real disk may need more time than closing is given.
        script.told.retain(|told| !matches!(told, Told::NotClosed(_)));
        assert_eq!(script.told, []);
    });
}

/// Runs a script in a process that ends at a pass of a step; tells whether it did.
fn run_and_end(folder: &Path, (step, pass): (Failpoint, u64), takes_over: bool) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "--nocapture", TEST])
        .env(FOLDER_VARIABLE, folder)
        .env(POINT_VARIABLE, step.name())
        .env(PASS_VARIABLE, pass.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if takes_over {
        command.env(TAKES_OVER_VARIABLE, "1");
    }
    let output = command.output().unwrap();
    let is_ended = output.status.signal() == Some(ABORTED);
    assert!(
        is_ended || output.status.success(),
        "R24: {step:?} {pass}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    is_ended
}

fn check(folder: &Path) -> Result<(), String> {
    let ledger = Ledger::on_paper(&folder.join(LEDGER));
    let mut world = World::in_folder(folder);
    runtime().block_on(verify(&mut world, &ledger))?;
    check_order(&folder.join(JOURNAL))
}

#[derive(Default)]
struct Hits {
    kills: u64,
    second: u64,
    points: BTreeSet<Failpoint>,
    points_of_second: BTreeSet<Failpoint>,
}

/// Ends a process at a step; and, where one is given, the next at another while that takes over.
fn kill(first: (Failpoint, u64), second: Option<(Failpoint, u64)>, hits: &mut Hits) {
    let folder = tempfile::tempdir().unwrap();
    if run_and_end(folder.path(), first, false) {
        hits.kills += 1;
        hits.points.insert(first.0);
        if let Some(second) = second
            && run_and_end(folder.path(), second, true)
        {
            hits.second += 1;
            hits.points_of_second.insert(second.0);
        }
    }
    check(folder.path()).unwrap_or_else(|what| panic!("R24: ended at {first:?}, then {second:?}: {what}"));
}

#[test]
fn r24_a_process_that_ends_at_a_step_loses_nothing_nor_does_one_that_ends_taking_over() {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        return child(Path::new(&folder));
    }
    let seed = proof::seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut hits = Hits::default();
    for (step, passes) in runtime().block_on(dry_run()) {
        for pass in chosen(passes, &mut rng) {
            // Any step may come while a process takes over; not every one does.
            let other = *rng.choice(Failpoint::ALL).unwrap();
            let second = rng.bool().then(|| (other, rng.u64(1..=2)));
            kill((step, pass), second, &mut hits);
        }
    }
    assert_eq!(hits.points, Failpoint::ALL.iter().copied().collect());
    assert!(hits.second > 0);
    let counts = [
        ("kills", hits.kills),
        ("second_kills", hits.second),
        ("points_killed", hits.points.len() as u64),
        ("points_killed_taking_over", hits.points_of_second.len() as u64),
        ("seed", seed),
        ("violations", 0),
    ];
    proof::report("R24", &counts);
}
