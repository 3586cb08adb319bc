//! The decoders under libFuzzer: built outside the workspace, two targets at a time, for a time instead of a count.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::page::Finding;
use super::suites::Proof;
use super::{FULL_SCALE, scale};
use crate::console::{Stopwatch, say};
use crate::failure::{Context, Failure, Outcome};
use crate::outside::FUZZ;
use crate::process::{Captured, Ended, Process};
use crate::workspace::Workspace;

/// How long a target runs in full.
const FULL_SECONDS: u64 = 600;

/// How many run at a time: one a core of the machine that the figures are for.
const AT_A_TIME: usize = 2;

/// What ending may take beyond that.
const GRACE: Duration = Duration::from_secs(60);

/// What cargo-fuzz gives without a sanitizer, which needs no nightly compiler.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// Where the built targets are, or why they could not be built.
pub(super) type Built = Result<PathBuf, String>;

/// Builds all targets.
pub(super) fn build(workspace: &Workspace, deadline: Duration) -> Outcome<Built> {
    let has_compiler = ["c++", "clang++", "g++"].into_iter().any(|compiler| {
        let asked = Process::new(compiler, &workspace.root)
            .args(["--version"])
            .capture();
        asked.is_ok_and(|answer| answer.ended == Ended::Success)
    });
    if !has_compiler && std::env::var_os("CXX").is_none() {
        return Ok(Err("libFuzzer needs a C++ compiler, and there is none".to_owned()));
    }
    let host = host(workspace)?;
    let target = workspace.target.join("fuzz");
    // A target that is named keeps the flags from build scripts, which have no fuzzer to link with.
    let cargo = Process::cargo(&workspace.root)
        .args([
            "build",
            "--release",
            "--locked",
            "--quiet",
            "--manifest-path",
            FUZZ,
        ])
        .args(["--target", &host, "--target-dir"])
        .args([&target])
        .env("RUSTFLAGS", FLAGS);
    match cargo.deadline(deadline).status()? {
        Ended::Success => Ok(Ok(target.join(host).join("release"))),
        Ended::TimedOut => Err(Failure::new(
            "the fuzz targets were not built in the time of the suite",
        )),
        Ended::Failure => Ok(Err("the fuzz targets cannot be built here: see above".to_owned())),
    }
}

fn host(workspace: &Workspace) -> Outcome<String> {
    let version = Process::new("rustc", &workspace.root).args(["-vV"]).stdout()?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .context(|| "rustc names no host".to_owned())
}

/// Runs the targets of `proofs`; returns a finding for each.
pub(super) fn run(
    workspace: &Workspace,
    proofs: &[Proof],
    built: &Path,
    commit: &str,
) -> Outcome<Vec<Finding>> {
    let seconds = (FULL_SECONDS * scale() / FULL_SCALE).max(1);
    let mut findings = Vec::new();
    for pair in proofs.chunks(AT_A_TIME) {
        let ended = thread::scope(|scope| {
            let runs: Vec<_> = pair
                .iter()
                .map(|proof| scope.spawn(|| one(workspace, proof, built, seconds, commit)))
                .collect();
            let joined = runs.into_iter().map(thread::ScopedJoinHandle::join);
            joined
                .map(|ended| ended.unwrap_or_else(|_| Err(Failure::new("a fuzz run panicked"))))
                .collect::<Outcome<Vec<_>>>()
        })?;
        findings.extend(ended);
    }
    Ok(findings)
}

/// A row for a target that did not run.
pub(super) fn skipped(reason: &str, commit: &str) -> Finding {
    Finding {
        cycles: "-".to_owned(),
        seeds: "-".to_owned(),
        minutes: "-".to_owned(),
        result: format!("SKIPPED: {reason}"),
        commit: commit.to_owned(),
    }
}

fn one(workspace: &Workspace, proof: &Proof, built: &Path, seconds: u64, commit: &str) -> Outcome<Finding> {
    let target = proof.filter;
    let found = workspace.target.join("fuzz/found").join(target);
    std::fs::create_dir_all(&found).context(|| format!("create {}", found.display()))?;
    let broken = workspace.target.join("fuzz/broken");
    std::fs::create_dir_all(&broken).context(|| format!("create {}", broken.display()))?;
    let watch = Stopwatch::start();
    let run = Process::new(built.join(target), &workspace.root)
        .args([
            format!("-max_total_time={seconds}"),
            "-rss_limit_mb=512".to_owned(),
            "-timeout=10".to_owned(),
            "-max_len=16384".to_owned(),
            "-print_final_stats=1".to_owned(),
            format!("-artifact_prefix={}/{target}-", broken.display()),
        ])
        // The first folder takes what is found; the corpus of the repository is only read.
        .args([found, workspace.root.join("fuzz/corpus").join(target)])
        .deadline(Duration::from_secs(seconds) + GRACE);
    let captured = run.capture()?;
    let told = Told::read(&captured.stderr);
    let result = judge(&captured, &told);
    if result != super::PASSED {
        say(last_lines(&captured.stderr));
    }
    say(format!("PROOF R23 target={target} {}", told.counts()));
    Ok(Finding {
        cycles: told.counts(),
        seeds: told.seed.unwrap_or_else(|| "-".to_owned()),
        minutes: format!("{:.1}", watch.elapsed().as_secs_f64() / 60.0),
        result,
        commit: commit.to_owned(),
    })
}

fn judge(captured: &Captured, told: &Told) -> String {
    let why = match captured.ended {
        Ended::TimedOut => "did not end",
        Ended::Failure => "an input breaks it: see target/fuzz/broken",
        Ended::Success if told.executions == 0 => "nothing was executed",
        Ended::Success => return super::PASSED.to_owned(),
    };
    format!("{}: {why}", super::FAILED)
}

fn last_lines(text: &str) -> String {
    const SHOWN: usize = 30;
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN)..].join("\n")
}

/// What a run says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    executions: u64,
    peak_mb: u64,
    coverage: u64,
    seed: Option<String>,
}

impl Told {
    fn read(text: &str) -> Self {
        let mut told = Self::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |text: &str| text.parse().unwrap_or(0);
            match words.as_slice() {
                ["stat::number_of_executed_units:", count] => told.executions = number(count),
                ["stat::peak_rss_mb:", count] => told.peak_mb = number(count),
                ["INFO:", "Seed:", seed] => told.seed = Some((*seed).to_owned()),
                [_, _, "cov:", count, ..] => told.coverage = number(count),
                _ => {}
            }
        }
        told
    }

    fn counts(&self) -> String {
        format!(
            "{} executions, {} edges, {} MB at most",
            self.executions, self.coverage, self.peak_mb
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Captured, Ended, Told, judge};

    const SAID: &str = "INFO: Seed: 2147\n#2\tINITED cov: 7 ft: 8 corp: 1/1b exec/s: 0 rss: 30Mb\n\
        #900\tNEW    cov: 42 ft: 50 corp: 3/9b lim: 4 exec/s: 0 rss: 31Mb L: 3/4 MS: 1 x-\n\
        stat::number_of_executed_units: 1000\nstat::peak_rss_mb:              33\n";

    fn ended(ended: Ended) -> Captured {
        Captured {
            ended,
            stdout: String::new(),
            stderr: SAID.to_owned(),
        }
    }

    #[test]
    fn a_run_is_read_from_what_libfuzzer_says() {
        let told = Told::read(SAID);
        assert_eq!(told.counts(), "1000 executions, 42 edges, 33 MB at most");
        assert_eq!(told.seed.as_deref(), Some("2147"));
    }

    #[test]
    fn a_run_passes_only_when_it_ran_and_nothing_broke() {
        assert_eq!(judge(&ended(Ended::Success), &Told::read(SAID)), "passed");
        assert!(judge(&ended(Ended::Success), &Told::default()).starts_with("FAILED"));
        assert!(judge(&ended(Ended::Failure), &Told::read(SAID)).starts_with("FAILED"));
        assert!(judge(&ended(Ended::TimedOut), &Told::read(SAID)).starts_with("FAILED"));
    }
}
