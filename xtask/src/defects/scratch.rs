//! A copy of the repository to break, with builds of its own that stay warm from patch to patch.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::patch::Defect;
use super::targets::Targets;
use crate::failure::{Context, Failure, Outcome};
use crate::process::{Captured, Ended, Process};
use crate::test::Libtest;
use crate::workspace::Workspace;

/// A cold build on a slow machine.
const BUILD_DEADLINE: Duration = Duration::from_secs(15 * 60);

/// A defect may make its test wait for ever: that is a way to be noticed.
const TEST_DEADLINE: Duration = Duration::from_secs(4 * 60);

/// Tests that defects name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Subject {
    pub(crate) package: String,
    /// The cargo features that they need, beside the default ones.
    pub(crate) features: String,
    /// What their names contain.
    pub(crate) test: String,
}

/// The copy, under `target/defects`.
pub(crate) struct Scratch {
    tree: PathBuf,
    target: PathBuf,
    /// Identifies the contents that were copied last.
    pub(crate) state: u64,
}

/// What came of running a test in the copy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ran {
    Passed,
    /// It passed, and said that something could not be done here.
    Skipped(String),
    Failed,
    /// No test of that name was found.
    Nothing,
    /// It did not compile; the first errors.
    NotBuilt(String),
}

impl Scratch {
    /// Opens the copy, makes it equal to the work tree, and takes over compiled dependencies for a first build.
    pub(crate) fn open(workspace: &Workspace) -> Outcome<Self> {
        let home = workspace.target.join("defects");
        let mut scratch = Self {
            tree: home.join("tree"),
            target: home.join("target"),
            state: 0,
        };
        fs::create_dir_all(&scratch.tree).context(|| format!("create {}", scratch.tree.display()))?;
        if !scratch.target.exists() {
            seed_builds(&workspace.target.join("debug"), &scratch.target.join("debug"))?;
        }
        scratch.restore(workspace)?;
        Ok(scratch)
    }

    /// Makes the copy equal to the work tree again. Only files that differ are written, so that cargo rebuilds
    /// what changed and nothing else.
    pub(crate) fn restore(&mut self, workspace: &Workspace) -> Outcome<()> {
        let git = Process::new("git", &workspace.root);
        let listing = git
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .stdout()?;
        let mut hasher = DefaultHasher::new();
        let mut kept = BTreeSet::new();
        for path in listing.split('\0').filter(|path| !path.is_empty()) {
            // A file that was deleted but not yet committed is listed and not there.
            let Ok(bytes) = fs::read(workspace.root.join(path)) else {
                continue;
            };
            // Pages of results change without changing what a test does.
            if !path.ends_with(".md") {
                (path, &bytes).hash(&mut hasher);
            }
            let copy = self.tree.join(path);
            write_if_changed(&copy, &bytes)?;
            kept.insert(copy);
        }
        remove_others(&self.tree, &kept)?;
        self.state = hasher.finish();
        Ok(())
    }

    /// Applies a patch to the copy.
    pub(crate) fn apply(&self, defect: &Defect) -> Outcome<()> {
        // The copy stands inside a git repository that ignores it: without the ceiling, git would apply nothing
        // there and call it done.
        let ceiling = self
            .tree
            .parent()
            .unwrap_or(&self.tree)
            .to_string_lossy()
            .into_owned();
        let git = Process::new("git", &self.tree).env("GIT_CEILING_DIRECTORIES", &ceiling);
        git.args([
            "apply".as_ref(),
            "--whitespace=nowarn".as_ref(),
            defect.path.as_os_str(),
        ])
        .stdout()
        .map(drop)
    }

    /// Builds and runs the tests of a subject, and says which targets of its package have such.
    pub(crate) fn find(&self, subject: &Subject) -> Outcome<(Ran, Targets)> {
        let (ran, output) = self.run(subject, &Targets::all())?;
        Ok((
            ran,
            output.map_or_else(Targets::all, |output| Targets::of(&output)),
        ))
    }

    /// The same, where the targets are known: nothing else is built.
    pub(crate) fn test(&self, subject: &Subject, targets: &Targets) -> Outcome<Ran> {
        Ok(self.run(subject, targets)?.0)
    }

    fn run(&self, subject: &Subject, targets: &Targets) -> Outcome<(Ran, Option<Captured>)> {
        let built = self
            .cargo(subject, targets)
            .args(["--no-run", "--quiet"])
            .deadline(BUILD_DEADLINE)
            .capture()?;
        if built.ended != Ended::Success {
            return Ok((Ran::NotBuilt(first_errors(&built.stderr)), None));
        }
        let run = self
            .cargo(subject, targets)
            .args(["--"])
            .args(subject.test.split_whitespace())
            .deadline(TEST_DEADLINE)
            .capture()?;
        Ok((judge(&run), Some(run)))
    }

    fn cargo(&self, subject: &Subject, targets: &Targets) -> Process {
        let target = self.target.to_string_lossy();
        Process::cargo(&self.tree)
            .env("CARGO_TARGET_DIR", &target)
            // From patch to patch a few lines change, also where CI builds everything else from nothing.
            .env("CARGO_INCREMENTAL", "1")
            .args([
                "test",
                "--package",
                &subject.package,
                "--features",
                &subject.features,
            ])
            .args(targets.flags())
    }
}

fn judge(run: &Captured) -> Ran {
    let mut libtest = Libtest::default();
    run.stdout.lines().for_each(|line| libtest.read(line));
    match run.ended {
        Ended::Success if libtest.ran() == 0 => Ran::Nothing,
        Ended::Success => match libtest.skips() {
            [] => Ran::Passed,
            skips => Ran::Skipped(skips.join("; ")),
        },
        // A test that aborts the process or never ends leaves no result line, and is a failing test all the same.
        Ended::Failure | Ended::TimedOut => Ran::Failed,
    }
}

fn first_errors(stderr: &str) -> String {
    let errors: Vec<&str> = stderr
        .lines()
        .filter(|line| line.starts_with("error"))
        .take(3)
        .collect();
    errors.join("; ")
}

fn write_if_changed(path: &Path, bytes: &[u8]) -> Outcome<()> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let written = path
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, bytes));
    written.context(|| format!("write {}", path.display()))
}

fn remove_others(folder: &Path, kept: &BTreeSet<PathBuf>) -> Outcome<()> {
    let entries = fs::read_dir(folder).context(|| format!("read {}", folder.display()))?;
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            remove_others(&path, kept)?;
        } else if !kept.contains(&path) {
            fs::remove_file(&path).context(|| format!("remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Copies what the ordinary build compiled: dependencies are fresh in it, and minutes are saved. Nothing is lost
/// where there is none.
fn seed_builds(from: &Path, to: &Path) -> Outcome<()> {
    fs::create_dir_all(to).context(|| format!("create {}", to.display()))?;
    for part in [".fingerprint", "build", "deps"]
        .map(|part| from.join(part))
        .iter()
        .filter(|part| part.exists())
    {
        let copy = Process::new("cp", Path::new(".")).args(["-R".as_ref(), part.as_os_str(), to.as_os_str()]);
        if copy.status()? != Ended::Success {
            return Err(Failure::new(format!("copy {} failed", part.display())));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Captured, Ended, Ran, judge};

    fn ran(ended: Ended, stdout: &str) -> Ran {
        judge(&Captured {
            ended,
            stdout: stdout.to_owned(),
            stderr: String::new(),
        })
    }

    #[test]
    fn a_filter_that_matches_nothing_is_not_a_pass() {
        let none =
            "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0s";
        assert_eq!(ran(Ended::Success, none), Ran::Nothing);
        let one =
            "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0s";
        assert_eq!(ran(Ended::Success, one), Ran::Passed);
    }

    #[test]
    fn a_test_that_says_it_was_skipped_is_not_a_pass() {
        let skipped = "SKIPPED R3: needs root\n\
            test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0s";
        let why = "SKIPPED R3: needs root".to_owned();
        assert_eq!(ran(Ended::Success, skipped), Ran::Skipped(why));
    }

    #[test]
    fn failing_aborting_and_hanging_tests_are_failures() {
        assert_eq!(ran(Ended::Failure, ""), Ran::Failed);
        assert_eq!(ran(Ended::TimedOut, ""), Ran::Failed);
    }
}
