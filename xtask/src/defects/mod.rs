//! Seeded defects: each patch under `xtask/defects` breaks one promise on purpose, and the test that it names must
//! notice. A test that cannot fail proves nothing.

mod patch;
mod scratch;
mod targets;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use crate::ci::Done;
use crate::console::{Stopwatch, say, table};
use crate::failure::{Context, Failure, Outcome};
use crate::process::Process;
use crate::workspace::Workspace;
pub(crate) use patch::{Defect, FOLDER};
use scratch::{Ran, Scratch, Subject};
use targets::Targets;

/// CI runs one in so many, another share with each commit.
const QUICK_SHARE: usize = 20;

/// What running the defects showed.
pub(crate) struct Summary {
    pub(crate) run: usize,
    pub(crate) caught: usize,
    /// Those whose tests cannot run here.
    pub(crate) skipped: usize,
}

impl Summary {
    /// Whether each was caught whose test can run here.
    pub(crate) fn holds(&self) -> bool {
        self.caught + self.skipped == self.run
    }

    /// The counts, as they stand in the table.
    pub(crate) fn text(&self) -> String {
        let caught = format!("{} of {} caught", self.caught, self.run);
        match self.skipped {
            0 => caught,
            skipped => format!("{caught}, {skipped} SKIPPED: their tests cannot run here"),
        }
    }
}

/// What became of one defect.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Caught,
    /// The test passes although the promise is broken.
    Missed,
    /// The test lacks something here that the patch says it needs.
    Skipped(String),
    /// The patch, the test or the build is at fault: nothing was proven.
    Broken(String),
}

impl Verdict {
    fn text(&self) -> String {
        match self {
            Self::Caught => "caught".to_owned(),
            Self::Missed => "MISSED: the test passes with the defect".to_owned(),
            Self::Skipped(why) => why.clone(),
            Self::Broken(why) => format!("BROKEN: {why}"),
        }
    }
}

/// Runs the defects of those names, or all of them.
pub(crate) fn run(workspace: &Workspace, names: &[String]) -> Outcome<Summary> {
    let mut defects = Defect::all(&workspace.root)?;
    if let Some(unknown) = names
        .iter()
        .find(|name| !defects.iter().any(|defect| defect.name == **name))
    {
        return Err(Failure::new(format!("there is no {FOLDER}/{unknown}.patch")));
    }
    defects.retain(|defect| names.is_empty() || names.contains(&defect.name));
    try_each(workspace, &defects)
}

/// Runs a share of the defects that moves on with each commit.
pub(crate) fn quick(workspace: &Workspace) -> Outcome<Done> {
    let defects = Defect::all(&workspace.root)?;
    let commits = Process::new("git", &workspace.root)
        .args(["rev-list", "--count", "HEAD"])
        .stdout()?;
    let summary = try_each(workspace, &share(&defects, commits.trim().parse().unwrap_or(0)))?;
    match summary.skipped {
        _ if !summary.holds() => Err(Failure::new(summary.text())),
        0 => Ok(Done::Passed),
        skipped => Ok(Done::Skipped(format!("{skipped} of {}", summary.run))),
    }
}

/// Finds the patches that no longer apply: the code under them has moved.
pub(crate) fn stale(workspace: &Workspace, defects: &[Defect]) -> Vec<String> {
    let applies = |defect: &Defect| {
        let git = Process::new("git", &workspace.root);
        git.args(["apply".as_ref(), "--check".as_ref(), defect.path.as_os_str()])
            .stdout()
    };
    defects
        .iter()
        .filter_map(|defect| {
            let failure = applies(defect).err()?;
            Some(format!(
                "{FOLDER}/{}.patch does not apply: {failure}",
                defect.name
            ))
        })
        .collect()
}

/// A twentieth of the defects, at least one, starting where the previous commit's share ended.
fn share(defects: &[Defect], commits: usize) -> Vec<Defect> {
    let size = defects.len().div_ceil(QUICK_SHARE);
    let start = commits.wrapping_mul(size).checked_rem(defects.len()).unwrap_or(0);
    defects.iter().cycle().skip(start).take(size).cloned().collect()
}

fn try_each(workspace: &Workspace, defects: &[Defect]) -> Outcome<Summary> {
    let mut scratch = Scratch::open(workspace)?;
    let mut memory = Memory::open(workspace)?;
    let mut rows = vec![["defect", "clause", "time", "result"].map(str::to_owned).to_vec()];
    let (mut caught, mut skipped) = (0, 0);
    // Neighbours of one package share a build.
    let mut ordered: Vec<&Defect> = defects.iter().collect();
    ordered.sort_by_key(|defect| (&defect.package, &defect.features, &defect.name));
    let open = ordered.iter().filter(|defect| !memory.caught(&scratch, defect));
    let baselines = baselines(&scratch, open.copied())?;
    for defect in ordered {
        let watch = Stopwatch::start();
        let verdict = match baselines.get(&subject(defect)) {
            None => Verdict::Caught,
            Some(Err(why)) => Verdict::Broken(format!("without the defect, {why}")),
            Some(Ok(targets)) => attempt(workspace, &mut scratch, defect, targets)?,
        };
        if verdict == Verdict::Caught {
            caught += 1;
            memory.remember(&scratch, defect)?;
        }
        skipped += usize::from(matches!(verdict, Verdict::Skipped(_)));
        let time = format!("{:.1} s", watch.elapsed().as_secs_f64());
        say(format!("{}: {} ({time})", defect.name, verdict.text()));
        rows.push(vec![
            defect.name.clone(),
            defect.clauses.join(", "),
            time,
            verdict.text(),
        ]);
    }
    say("");
    table(&rows).iter().for_each(say);
    Ok(Summary {
        run: defects.len(),
        caught,
        skipped,
    })
}

fn subject(defect: &Defect) -> Subject {
    Subject {
        package: defect.package.clone(),
        features: defect.features.clone(),
        test: defect.test.clone(),
    }
}

/// Runs the test of each defect without it: says in which targets it is, or why it cannot catch anything. All of them
/// before the first patch, so that a package is built once for all of its tests.
fn baselines<'a>(
    scratch: &Scratch,
    defects: impl Iterator<Item = &'a Defect>,
) -> Outcome<BTreeMap<Subject, Result<Targets, String>>> {
    let subjects: BTreeSet<Subject> = defects.map(subject).collect();
    let mut found = BTreeMap::new();
    for subject in subjects {
        let (ran, targets) = scratch.find(&subject)?;
        found.insert(subject, unsound(ran).map_or(Ok(targets), Err));
    }
    Ok(found)
}

/// Runs the test of a defect with it.
fn attempt(
    workspace: &Workspace,
    scratch: &mut Scratch,
    defect: &Defect,
    targets: &Targets,
) -> Outcome<Verdict> {
    if scratch.apply(defect).is_err() {
        scratch.restore(workspace)?;
        return Ok(Verdict::Broken("the patch does not apply".to_owned()));
    }
    let ran = scratch.test(&subject(defect), targets);
    scratch.restore(workspace)?;
    Ok(match ran? {
        Ran::Failed => Verdict::Caught,
        Ran::Skipped(why) if defect.needs.is_some() => Verdict::Skipped(why),
        Ran::Passed | Ran::Skipped(_) => Verdict::Missed,
        Ran::Nothing => Verdict::Broken("its test does not exist with the defect".to_owned()),
        Ran::NotBuilt(errors) => Verdict::Broken(format!("it does not compile: {errors}")),
    })
}

/// Why a test cannot be used to catch anything, where it cannot.
fn unsound(ran: Ran) -> Option<String> {
    match ran {
        Ran::Passed | Ran::Skipped(_) => None,
        Ran::Failed => Some("its test fails".to_owned()),
        Ran::Nothing => Some("its test does not exist".to_owned()),
        Ran::NotBuilt(errors) => Some(format!("its test does not compile: {errors}")),
    }
}

/// The defects that were caught in this very state of the repository, so that an interrupted run goes on.
struct Memory {
    path: PathBuf,
    caught: BTreeSet<String>,
}

impl Memory {
    fn open(workspace: &Workspace) -> Outcome<Self> {
        let path = workspace.target.join("defects").join("caught");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        Ok(Self {
            path,
            caught: text.lines().map(str::to_owned).collect(),
        })
    }

    fn caught(&self, scratch: &Scratch, defect: &Defect) -> bool {
        self.caught.contains(&mark(scratch.state, defect))
    }

    fn remember(&mut self, scratch: &Scratch, defect: &Defect) -> Outcome<()> {
        let suffix = state_suffix(scratch.state);
        self.caught.retain(|mark| mark.ends_with(&suffix));
        self.caught.insert(mark(scratch.state, defect));
        let text: Vec<&str> = self.caught.iter().map(String::as_str).collect();
        std::fs::write(&self.path, text.join("\n")).context(|| format!("write {}", self.path.display()))
    }
}

fn mark(state: u64, defect: &Defect) -> String {
    let mut hasher = DefaultHasher::new();
    defect.text.hash(&mut hasher);
    format!("{} {:016x}{}", defect.name, hasher.finish(), state_suffix(state))
}

fn state_suffix(state: u64) -> String {
    format!(" {state:016x}")
}

#[cfg(test)]
mod tests {
    use super::{Defect, Summary, share};

    fn defects(count: usize) -> Vec<Defect> {
        (0..count)
            .map(|number| Defect {
                name: number.to_string(),
                ..Defect::default()
            })
            .collect()
    }

    #[test]
    fn the_share_is_a_twentieth_and_at_least_one() {
        assert_eq!(share(&defects(0), 7).len(), 0);
        assert_eq!(share(&defects(1), 7).len(), 1);
        assert_eq!(share(&defects(60), 7).len(), 3);
        assert_eq!(share(&defects(61), 7).len(), 4);
    }

    #[test]
    fn a_skipped_defect_is_no_failure_and_is_said() {
        let summary = |caught, skipped| Summary {
            run: 3,
            caught,
            skipped,
        };
        assert!(summary(3, 0).holds() && summary(2, 1).holds() && !summary(2, 0).holds());
        assert_eq!(summary(3, 0).text(), "3 of 3 caught");
        assert!(summary(2, 1).text().contains("2 of 3 caught, 1 SKIPPED"));
    }

    #[test]
    fn every_defect_has_its_turn() {
        let all = defects(45);
        let mut seen: Vec<String> = (0..20)
            .flat_map(|commit| share(&all, commit))
            .map(|d| d.name)
            .collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 45);
    }
}
