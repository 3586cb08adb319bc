//! Pinned tools: taken from the machine where the series fits, else built into `target/tools`.

use std::path::PathBuf;

use crate::console::say;
use crate::failure::{Failure, Outcome};
use crate::process::{Ended, Process};
use crate::workspace::Workspace;

/// A tool that cargo can install.
pub(crate) struct Tool {
    /// The package and the program.
    pub(crate) name: &'static str,
    /// What is installed where the machine has nothing of the same series.
    pub(crate) version: &'static str,
    /// How the program prints its version.
    pub(crate) probe: &'static [&'static str],
}

/// Runs tests, one process each.
pub(crate) const NEXTEST: Tool = Tool {
    name: "cargo-nextest",
    version: "0.9.143",
    probe: &["nextest", "--version"],
};

/// Checks licences, banned and duplicate crates, sources and advisories.
pub(crate) const DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    probe: &["--version"],
};

/// Changes code in small ways, to see whether a test notices.
pub(crate) const MUTANTS: Tool = Tool {
    name: "cargo-mutants",
    version: "27.1.0",
    probe: &["mutants", "--version"],
};

impl Tool {
    /// Returns a program of the pinned series, installing it where there is none.
    pub(crate) fn ensure(&self, workspace: &Workspace) -> Outcome<PathBuf> {
        let ours = workspace.target.join("tools").join("bin").join(self.name);
        for candidate in [ours.clone(), PathBuf::from(self.name)] {
            if self.fits(&candidate, workspace) {
                return Ok(candidate);
            }
        }
        say(format!(
            "installing {} {} into target/tools",
            self.name, self.version
        ));
        self.install(workspace)?;
        Ok(ours)
    }

    fn fits(&self, program: &PathBuf, workspace: &Workspace) -> bool {
        let printed = Process::new(program, &workspace.root)
            .args(self.probe.iter().copied())
            .stdout();
        printed.is_ok_and(|text| version_of(&text).is_some_and(|found| series(found) == series(self.version)))
    }

    fn install(&self, workspace: &Workspace) -> Outcome<()> {
        let root = workspace.target.join("tools");
        let build = root.join("build");
        // These tools wait for disks and compilers: optimising them costs minutes and gains nothing.
        let ended = Process::cargo(&workspace.root)
            .args([
                "install",
                "--quiet",
                "--locked",
                "--version",
                self.version,
                "--root",
            ])
            .args([
                root.as_os_str(),
                "--target-dir".as_ref(),
                build.as_os_str(),
                self.name.as_ref(),
            ])
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
            .status()?;
        // Hundreds of megabytes that nothing needs once the program stands in `bin`.
        let _ = std::fs::remove_dir_all(build);
        if ended == Ended::Success {
            return Ok(());
        }
        Err(Failure::new(format!(
            "cargo install {} {} failed",
            self.name, self.version
        )))
    }
}

/// Finds the version in what `--version` prints.
fn version_of(text: &str) -> Option<&str> {
    text.split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'))
}

/// Reduces a version to what is compatible: `0.9` of 0.9.143, `1` of 1.4.0.
fn series(version: &str) -> &str {
    let parts = if version.starts_with("0.") { 2 } else { 1 };
    version
        .match_indices('.')
        .nth(parts - 1)
        .map_or(version, |(end, _)| &version[..end])
}

#[cfg(test)]
mod tests {
    use super::{series, version_of};

    #[test]
    fn the_version_is_found_in_what_tools_print() {
        let nextest = "cargo-nextest 0.9.143 (60fa45f63 2026-08-04)\nrelease: 0.9.143\n";
        assert_eq!(version_of(nextest), Some("0.9.143"));
        assert_eq!(version_of("cargo-deny 0.20.2"), Some("0.20.2"));
        assert_eq!(version_of("no such command"), None);
    }

    #[test]
    fn a_series_is_what_semver_calls_compatible() {
        assert_eq!(series("0.9.143"), "0.9");
        assert_eq!(series("0.20.2"), "0.20");
        assert_eq!(series("1.4.0"), "1");
        assert_ne!(series("0.9.1"), series("0.10.1"));
    }
}
