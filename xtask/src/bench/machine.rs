//! What figures are worth nothing without: the machine, the commit, and the versions.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::failure::{Context, Outcome};
use crate::process::Process;
use crate::prove;
use crate::workspace::Workspace;

/// Where and of what figures were taken.
#[derive(Debug, Default)]
pub(super) struct Machine {
    /// The processor and how many of it, and the system.
    pub(super) shown: String,
    pub(super) commit: String,
    pub(super) rustc: String,
    /// The packages of the lock file that was built with.
    versions: BTreeMap<String, String>,
}

impl Machine {
    pub(super) fn look_at(workspace: &Workspace, lock: &Path) -> Outcome<Self> {
        let rustc = Process::new("rustc", &workspace.root)
            .args(["--version"])
            .stdout()?;
        let lock = fs::read_to_string(lock).context(|| format!("read {}", lock.display()))?;
        Ok(Self {
            shown: shown(),
            commit: prove::commit(workspace)?,
            rustc: rustc.trim().to_owned(),
            versions: versions(&lock),
        })
    }

    /// Names a package with its version.
    pub(super) fn versioned(&self, package: &str) -> String {
        let version = self.versions.get(package).map_or("?", String::as_str);
        format!("{package} {version}")
    }

    /// Puts these facts around the figures of a group.
    pub(super) fn around(&self, group: &Value) -> Value {
        let peers = group["peers"].as_array().into_iter().flatten();
        let peers: Vec<String> = peers
            .filter_map(Value::as_str)
            .map(|peer| self.versioned(peer))
            .collect();
        json!({
            "machine": self.shown, "commit": self.commit, "rustc": self.rustc, "versions": peers, "figures": group,
        })
    }
}

fn shown() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("a processor that does not name itself", |(_, name)| name.trim());
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{count} cores of {model}, {}{}", std::env::consts::OS, load())
}

/// Says how many others wanted the processors, where the system tells (Linux): more than there are, and times on the wall say little.
fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let minutes = load.split_whitespace().nth(1);
    minutes.map_or(String::new(), |load| format!(" under a load of {load}"))
}

fn versions(lock: &str) -> BTreeMap<String, String> {
    let of = |line: &str, name: &str| Some(line.strip_prefix(name)?.trim_matches([' ', '=', '"']).to_owned());
    let mut versions = BTreeMap::new();
    let mut package = None;
    for line in lock.lines() {
        if let Some(name) = of(line, "name") {
            package = Some(name);
        } else if let (Some(version), Some(name)) = (of(line, "version"), package.take()) {
            versions.insert(name, version);
        }
    }
    versions
}

#[cfg(test)]
mod tests {
    use super::{Machine, versions};

    #[test]
    fn packages_are_named_with_what_the_lock_file_says() {
        let lock = "version = 4\n\n[[package]]\nname = \"one\"\nversion = \"1.2.3\"\n\n[[package]]\nname = \"two\"\nversion = \"0.4.0\"\n";
        let machine = Machine {
            versions: versions(lock),
            ..Machine::default()
        };
        assert_eq!(machine.versioned("one"), "one 1.2.3");
        assert_eq!(machine.versioned("two"), "two 0.4.0");
        assert_eq!(machine.versioned("three"), "three ?");
    }
}
