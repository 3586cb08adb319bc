//! `cargo xtask services`, `cargo xtask images`, and the servers that `cargo xtask test` starts before the tests. What they are
//! and where they come from is known to a program of the testkit; this runs it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::Value;

use crate::console::say;
use crate::failure::{Context, Failure, Outcome};
use crate::process::{Ended, Process};
use crate::test;
use crate::workspace::Workspace;

const PROGRAM: &str = "layerstore-services";

/// The last line that the program prints before it waits.
const READY: &str = "READY";

/// Lets the program pull images: here it takes no test's time.
const PULL_VARIABLE: &str = "LAYERSTORE_TEST_PULL";

/// Servers that run, until this value is dropped or this process ends.
#[derive(Debug)]
pub(crate) struct Services {
    program: Child,
    /// Its end is what the program waits for.
    hold: Option<ChildStdin>,
    said: Said,
}

/// What the program said of its servers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// What tests find the servers by.
    pub(crate) envs: Vec<(String, String)>,
    /// Where each server comes from.
    pub(crate) providers: Vec<String>,
    /// What was passed over, as `SKIPPED …` with the reason.
    pub(crate) skipped: Vec<String>,
    /// What there is no server of, as `FAILED …` with the remedy.
    pub(crate) failed: Vec<String>,
}

impl Services {
    /// Starts the servers and waits until they are ready. `envs` says where they may come from.
    pub(crate) fn start(workspace: &Workspace, program: &Path, envs: &[(&str, &str)]) -> Outcome<Self> {
        let mut program = Command::new(program)
            .current_dir(&workspace.root)
            .env(PULL_VARIABLE, "1")
            .envs(envs.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context(|| format!("start {PROGRAM}"))?;
        let lines = program.stdout.take().map(|pipe| BufReader::new(pipe).lines());
        let hold = program.stdin.take();
        let mut services = Self {
            program,
            hold,
            said: Said::default(),
        };
        for line in lines.into_iter().flatten() {
            let line = line.context(|| format!("read what {PROGRAM} says"))?;
            if line == READY {
                return Ok(services);
            }
            services.said.take(&line);
        }
        Err(Failure::new(format!("{PROGRAM} ended before it was ready")))
    }

    pub(crate) fn said(&self) -> &Said {
        &self.said
    }

    /// Waits until the program is ended by somebody else, as Ctrl-C does.
    fn wait(mut self) -> Outcome<()> {
        let ended = self.program.wait().context(|| format!("wait for {PROGRAM}"))?;
        say(format!("{PROGRAM} ended: {ended}"));
        Ok(())
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        drop(self.hold.take());
        let _ = self.program.wait();
    }
}

impl Said {
    fn take(&mut self, line: &str) {
        if let Some(provider) = line.strip_prefix("PROVIDER ") {
            self.providers.push(provider.to_owned());
        } else if line.starts_with("SKIPPED ") {
            self.skipped.push(line.to_owned());
        } else if line.starts_with("FAILED ") {
            self.failed.push(line.to_owned());
        } else if let Some((name, value)) = line.split_once('=') {
            self.envs.push((name.to_owned(), value.to_owned()));
        }
    }
}

/// Starts the servers, prints where they are, and keeps them until Ctrl-C.
pub(crate) fn run(workspace: &Workspace) -> Outcome<bool> {
    let program = build(workspace)?;
    let services = Services::start(workspace, &program, &[])?;
    let said = services.said();
    said.providers.iter().for_each(say);
    said.skipped.iter().chain(&said.failed).for_each(say);
    say("");
    for (name, value) in &said.envs {
        say(format!("export {name}='{value}'"));
    }
    say("\nThey run until Ctrl-C.");
    let all = said.failed.is_empty();
    services.wait().map(|()| all)
}

/// Sees to it that the engine of this machine, if there is one, has an image of PostgreSQL.
pub(crate) fn images(workspace: &Workspace) -> Outcome<bool> {
    build_images(workspace, &build(workspace)?)
}

/// The same with the program at hand.
pub(crate) fn build_images(workspace: &Workspace, program: &Path) -> Outcome<bool> {
    let ended = Process::new(program, &workspace.root).args(["images"]).status()?;
    Ok(ended == Ended::Success)
}

/// Builds all tests and with them the program, and returns where it lies. Built by itself, it would have dependencies with other
/// features than the tests have, and all of them once more.
pub(crate) fn build(workspace: &Workspace) -> Outcome<PathBuf> {
    let mut found = None;
    let ended = Process::cargo(&workspace.root)
        .args(["test", "--no-run"])
        .args(test::SCOPE)
        .args(["--message-format", "json-render-diagnostics"])
        .lines(|line| found = program_of(line).or(found.take()))?;
    match found {
        Some(program) if ended == Ended::Success => Ok(program),
        _ => Err(Failure::new(format!("building the tests did not give {PROGRAM}"))),
    }
}

/// The path in a message of cargo's that speaks of the program.
fn program_of(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    let is_ours = message["target"]["name"] == PROGRAM && message["profile"]["test"] == false;
    is_ours.then(|| message["executable"].as_str().map(PathBuf::from))?
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Said, program_of};

    #[test]
    fn what_the_program_says_is_sorted() {
        let mut said = Said::default();
        let lines = [
            "PROVIDER PostgreSQL: native",
            "SKIPPED PostgreSQL, container: no engine answers",
            "LAYERSTORE_TEST_POSTGRES=postgres://u:p@h:1/d?a=b",
            "FAILED no S3 server for tests",
        ];
        lines.iter().for_each(|line| said.take(line));
        assert_eq!(said.providers, ["PostgreSQL: native"]);
        assert_eq!(said.skipped, ["SKIPPED PostgreSQL, container: no engine answers"]);
        assert_eq!(said.failed, ["FAILED no S3 server for tests"]);
        let url = "postgres://u:p@h:1/d?a=b".to_owned();
        assert_eq!(said.envs, [("LAYERSTORE_TEST_POSTGRES".to_owned(), url)]);
    }

    #[test]
    fn the_program_is_found_among_the_messages_of_a_build_and_its_test_is_not() {
        let message = |test: bool| {
            format!(
                r#"{{"reason":"compiler-artifact","target":{{"name":"layerstore-services"}},"profile":{{"test":{test}}},"executable":"/x/y"}}"#
            )
        };
        assert_eq!(program_of(&message(false)), Some(PathBuf::from("/x/y")));
        assert_eq!(program_of(&message(true)), None);
        assert_eq!(program_of(r#"{"reason":"build-finished","success":true}"#), None);
        assert_eq!(program_of("no message"), None);
    }
}
