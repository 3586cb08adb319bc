//! `cargo xtask ci`: everything that must hold before a change lands, and a table of what did.

use crate::console::{Stopwatch, say, table};
use crate::failure::{Failure, Outcome};
use crate::process::{Ended, Process};
use crate::workspace::Workspace;
use crate::{defects, deny, features, outside, test, tidy};

/// How a step that did not fail ended.
pub(crate) enum Done {
    /// All of it was checked.
    Passed,
    /// A part could not be checked, for this reason.
    Skipped(String),
}

type Step = (&'static str, fn(&Workspace) -> Outcome<Done>);

const TESTS: Step = ("test", |workspace| match test::run(workspace, &[])? {
    true => Ok(Done::Passed),
    false => Err(Failure::new("see the failing tests above")),
});

const CHECKS: [Step; 9] = [
    ("fmt", |workspace| {
        cargo(workspace, &["fmt", "--all", "--check"])?;
        outside::check_format(workspace)
    }),
    ("outside locks", outside::check_locks),
    ("clippy", |workspace| {
        let scope = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--locked",
        ];
        cargo(workspace, &[&scope[..], &["--", "-D", "warnings"]].concat())
    }),
    ("tidy", |workspace| tidy::run(workspace).map(|()| Done::Passed)),
    ("deny", deny::check),
    ("docs", |workspace| {
        let docs = Process::cargo(&workspace.root).env("RUSTDOCFLAGS", "-D warnings");
        succeed(&docs.args([
            "doc",
            "--workspace",
            "--all-features",
            "--no-deps",
            "--keep-going",
        ]))
    }),
    ("features", |workspace| {
        features::check(workspace).map(|()| Done::Passed)
    }),
    ("package", package),
    ("defects", defects::quick),
];

/// Runs all steps, also after one failed; returns whether none failed.
pub(crate) fn run(workspace: &Workspace, with_tests: bool) -> Outcome<bool> {
    let mut rows = vec![vec!["step".to_owned(), "time".to_owned(), "result".to_owned()]];
    let mut passed = true;
    for (name, step) in CHECKS.iter().chain(with_tests.then_some(&TESTS)) {
        say(format!("== {name}"));
        let watch = Stopwatch::start();
        let result = match step(workspace) {
            Ok(Done::Passed) => "ok".to_owned(),
            Ok(Done::Skipped(reason)) => format!("ok, but SKIPPED {reason}"),
            Err(failure) => {
                say(format!("{name}: {failure}"));
                passed = false;
                "FAILED".to_owned()
            }
        };
        rows.push(vec![
            (*name).to_owned(),
            format!("{:.1} s", watch.elapsed().as_secs_f64()),
            result,
        ]);
    }
    say("");
    table(&rows).iter().for_each(say);
    Ok(passed)
}

/// Packs what would be published. Members with `publish = false` are left out: nothing that is published may
/// need them, and a path-only dev-dependency on them vanishes from the packed manifest.
fn package(workspace: &Workspace) -> Outcome<Done> {
    let kept_back = workspace.packages.iter().filter(|package| !package.publish);
    let excluded = kept_back.flat_map(|package| ["--exclude", &package.name]);
    let scope = [
        "package",
        "--workspace",
        "--no-verify",
        "--allow-dirty",
        "--quiet",
    ];
    cargo(workspace, &scope.into_iter().chain(excluded).collect::<Vec<_>>())
}

fn cargo(workspace: &Workspace, args: &[&str]) -> Outcome<Done> {
    succeed(&Process::cargo(&workspace.root).args(args))
}

fn succeed(process: &Process) -> Outcome<Done> {
    match process.status()? {
        Ended::Success => Ok(Done::Passed),
        _ => Err(Failure::new(format!("`{}` failed", process.describe()))),
    }
}
