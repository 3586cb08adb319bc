//! The programs of a PostgreSQL server on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::services::account::Account;

/// Where distributions put programs that they do not put on the PATH; a `*` stands for a version.
const PLACES: [&str; 5] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
];

/// `postgres` and `initdb` of one version, which run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Programs {
    folder: PathBuf,
    /// Where their libraries are, if not where the system looks.
    libraries: Vec<PathBuf>,
    /// As `15.18`.
    pub(super) version: String,
}

impl Programs {
    /// Finds programs that `account` can run: those on the PATH, or the newest that the distribution installed.
    ///
    /// # Errors
    /// What was looked at, and why it does not do.
    pub(super) fn find(account: Option<Account>) -> Result<Self, String> {
        let mut reasons = vec![];
        for folder in on_path().into_iter().chain(installed()) {
            match Self::at(&folder, vec![], account) {
                Ok(found) => return Ok(found),
                Err(why) => reasons.push(why),
            }
        }
        if reasons.is_empty() {
            reasons.push("no `postgres` with `initdb` on the PATH or in /usr/lib/postgresql".to_owned());
        }
        Err(reasons.join(", "))
    }

    /// Takes the programs of one folder, if `account` can run them.
    ///
    /// # Errors
    /// Which one does not run, and why.
    pub(super) fn at(
        folder: &Path,
        libraries: Vec<PathBuf>,
        account: Option<Account>,
    ) -> Result<Self, String> {
        let mut programs = Self {
            folder: folder.to_owned(),
            libraries,
            version: String::new(),
        };
        for name in ["initdb", "postgres"] {
            let printed = programs.run(name, account, |command| command.arg("--version"))?;
            programs.version = version(&printed)
                .ok_or_else(|| format!("{name} --version printed no version"))?
                .to_owned();
        }
        Ok(programs)
    }

    /// The path of a program.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What the environment of the programs needs.
    pub(super) fn envs(&self) -> Vec<(&'static str, String)> {
        envs(&self.libraries)
    }

    /// Runs a program as `account` to its end and returns what it printed.
    ///
    /// # Errors
    /// What it said of its failure.
    pub(super) fn run(
        &self,
        name: &str,
        account: Option<Account>,
        prepare: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Result<String, String> {
        let program = self.program(name);
        let mut command = Command::new(&program);
        prepare(command.envs(self.envs()).current_dir("/"));
        Account::enter(account, &mut command);
        let output = command
            .output()
            .map_err(|error| format!("{} does not start: {error}", program.display()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("{} failed: {}", program.display(), said.trim()))
    }
}

/// What the environment of programs needs whose libraries are there.
pub(super) fn envs(libraries: &[PathBuf]) -> Vec<(&'static str, String)> {
    let mut envs = vec![("LC_ALL", "C".to_owned())];
    if let Ok(paths) = std::env::join_paths(libraries)
        && !libraries.is_empty()
    {
        envs.push(("LD_LIBRARY_PATH", paths.to_string_lossy().into_owned()));
    }
    envs
}

/// The folders of the PATH's `postgres` with an `initdb` beside it. A link of a distribution leads to the real folder, where
/// the server finds its own files.
fn on_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let programs = std::env::split_paths(&path).map(|folder| folder.join("postgres"));
    let real = programs.filter_map(|program| program.canonicalize().ok());
    let folders = real.filter_map(|program| program.parent().map(Path::to_owned));
    folders.filter(|folder| folder.join("initdb").is_file()).collect()
}

/// The folders of installed versions, newest first.
fn installed() -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = PLACES.iter().flat_map(|place| expand(place)).collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, folder)| folder).collect()
}

/// The folders that a place with a `*` for the version names, with the version.
pub(super) fn expand(place: &str) -> Vec<(u32, PathBuf)> {
    let Some((before, after)) = place.split_once('*') else {
        let folder = PathBuf::from(place);
        return folder
            .join("postgres")
            .is_file()
            .then_some((0, folder))
            .into_iter()
            .collect();
    };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let names = std::fs::read_dir(parent)
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    let versions = names.filter_map(|name| name.file_name().to_str()?.strip_prefix(prefix)?.parse().ok());
    versions
        .map(|version: u32| (version, PathBuf::from(format!("{before}{version}{after}"))))
        .filter(|(_, folder)| folder.join("postgres").is_file())
        .collect()
}

/// Finds `15.18` in `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn version(printed: &str) -> Option<&str> {
    let (_, rest) = printed.split_once("(PostgreSQL) ")?;
    rest.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::{expand, version};

    #[test]
    fn the_version_is_found_in_what_programs_print() {
        let printed = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n";
        assert_eq!(version(printed), Some("15.18"));
        assert_eq!(version("initdb (PostgreSQL) 19beta1\n"), Some("19beta1"));
        assert_eq!(version("command not found"), None);
    }

    #[test]
    fn versions_in_folders_are_found_and_other_folders_are_not() {
        let root = tempfile::tempdir().unwrap();
        for name in ["pg-9", "pg-17", "pg-old", "other"] {
            let bin = root.path().join(name).join("bin");
            std::fs::create_dir_all(&bin).unwrap();
            std::fs::write(bin.join("postgres"), "").unwrap();
        }
        let mut found = expand(&format!("{}/pg-*/bin", root.path().display()));
        found.sort();
        assert_eq!(
            found.iter().map(|(version, _)| *version).collect::<Vec<_>>(),
            [9, 17]
        );
        assert!(found[1].1.ends_with("pg-17/bin"));
    }
}
