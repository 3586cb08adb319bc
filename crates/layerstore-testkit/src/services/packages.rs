//! Packages of a distribution with `apt`, downloaded and unpacked without root and without touching the system.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Libraries that the server runs without: compilers for its queries, languages for its functions.
const NOT_NEEDED: [&str; 4] = ["libllvm", "libperl", "libz3", "libdebian-installer"];

/// Makes recursive dependencies those that are needed, and nothing else.
const ONLY_NEEDED: [&str; 8] = [
    "depends",
    "--recurse",
    "--no-recommends",
    "--no-suggests",
    "--no-conflicts",
    "--no-breaks",
    "--no-replaces",
    "--no-enhances",
];

/// Which libraries of a server are fetched with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Libraries {
    /// Those that this system does not have.
    Lacking,
    /// All of them, for a system of its own.
    #[cfg(feature = "services-containers")]
    All,
}

/// Downloads the newest PostgreSQL, its libraries and the packages of `besides`, and unpacks them into `tree`.
///
/// # Errors
/// What is missing, or what `apt-get` said.
pub(super) fn unpack_postgres(tree: &Path, libraries: Libraries, besides: &[&str]) -> Result<(), String> {
    let packages = tree.join("packages");
    fs::create_dir_all(&packages)
        .map_err(|error| format!("{} cannot be made: {error}", packages.display()))?;
    let fetch = |apt: Apt| apt.fetch(libraries, besides, &packages);
    if let Err(first) = Apt::of_system().and_then(fetch) {
        // In a fresh container the system has no lists, and only root may make some for it.
        let own = Apt::with_own_lists(&packages).and_then(fetch);
        own.map_err(|second| format!("{first}; with lists of our own: {second}"))?;
    }
    let files = fs::read_dir(&packages).map_err(|error| format!("{}: {error}", packages.display()))?;
    let files = files.filter_map(Result::ok).map(|file| file.path());
    for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "deb")) {
        run(
            "dpkg-deb",
            &["-x", &file.display().to_string(), &tree.display().to_string()],
            tree,
        )?;
    }
    fs::remove_dir_all(&packages)
        .map_err(|error| format!("{} cannot be removed: {error}", packages.display()))
}

/// What `apt` knows, of its own accord or by lists of ours.
struct Apt {
    options: Vec<String>,
    newest: String,
}

impl Apt {
    fn of_system() -> Result<Self, String> {
        Self::with(vec![])
    }

    /// Fetches the lists into `folder`.
    fn with_own_lists(folder: &Path) -> Result<Self, String> {
        let state = folder.join("apt");
        fs::create_dir_all(state.join("lists/partial"))
            .map_err(|error| format!("{}: {error}", state.display()))?;
        let options: Vec<String> = [("Dir::State::lists", "lists"), ("Dir::Cache", "cache")]
            .iter()
            .map(|(name, folder)| format!("-o{name}={}", state.join(folder).display()))
            .collect();
        let update: Vec<&str> = options.iter().map(String::as_str).chain(["update"]).collect();
        run("apt-get", &update, folder)?;
        Self::with(options)
    }

    fn with(options: Vec<String>) -> Result<Self, String> {
        let search = ["search", "--names-only", "^postgresql-[0-9]+$"];
        let args: Vec<&str> = search
            .into_iter()
            .chain(options.iter().map(String::as_str))
            .collect();
        let newest = newest_of(&run("apt-cache", &args, Path::new("/"))?);
        let newest = newest.ok_or("apt knows no package of PostgreSQL")?;
        Ok(Self { options, newest })
    }

    /// Downloads everything into `folder`.
    fn fetch(&self, libraries: Libraries, besides: &[&str], folder: &Path) -> Result<(), String> {
        let mut wanted = self.libraries(libraries)?;
        wanted.extend(besides.iter().map(|name| (*name).to_owned()));
        self.run("apt-get", &["download"], &wanted, folder).map(drop)
    }

    /// The server and its libraries.
    fn libraries(&self, libraries: Libraries) -> Result<Vec<String>, String> {
        let listed = self.run(
            "apt-cache",
            &ONLY_NEEDED,
            std::slice::from_ref(&self.newest),
            Path::new("/"),
        )?;
        let installed = match libraries {
            #[cfg(feature = "services-containers")]
            Libraries::All => String::new(),
            Libraries::Lacking => {
                let format = "${Package} ${db:Status-Status}\n";
                run("dpkg-query", &["-W", "-f", format], Path::new("/"))?
            }
        };
        let mut wanted = lacking(&listed, &installed);
        wanted.push(self.newest.clone());
        Ok(wanted)
    }

    fn run(
        &self,
        program: &str,
        task: &[&str],
        packages: &[String],
        folder: &Path,
    ) -> Result<String, String> {
        let options = self.options.iter().chain(packages).map(String::as_str);
        let args: Vec<&str> = task.iter().copied().chain(options).collect();
        run(program, &args, folder)
    }
}

/// The newest of the packages `postgresql-15`, `postgresql-16`, …
fn newest_of(found: &str) -> Option<String> {
    let names = found.lines().filter_map(|line| line.split_whitespace().next());
    let versions = names.filter_map(|name| name.strip_prefix("postgresql-")?.parse::<u32>().ok());
    versions.max().map(|version| format!("postgresql-{version}"))
}

/// The libraries of `listed` (one at the start of a line, what it needs indented) that are not installed.
fn lacking(listed: &str, installed: &str) -> Vec<String> {
    let installed: BTreeSet<&str> = installed
        .lines()
        .filter_map(|line| line.strip_suffix(" installed"))
        .collect();
    let libraries = listed
        .lines()
        .filter(|line| line.starts_with("lib") || line.starts_with("zlib"));
    let names = libraries.map(|line| line.split(':').next().unwrap_or(line));
    let needed = names.filter(|name| !NOT_NEEDED.iter().any(|start| name.starts_with(start)));
    let lacking: BTreeSet<&str> = needed.filter(|name| !installed.contains(name)).collect();
    // `libperl5.36` and its like are no library of C; those that end so are modules.
    lacking
        .into_iter()
        .filter(|name| !name.ends_with("-perl"))
        .map(str::to_owned)
        .collect()
}

fn run(program: &str, args: &[&str], folder: &Path) -> Result<String, String> {
    let output = Command::new(program)
        .args(args)
        .env("LC_ALL", "C")
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("the command `{program}` does not start: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} failed: {}", said.trim()))
}

#[cfg(test)]
mod tests {
    use super::{lacking, newest_of};

    #[test]
    fn the_newest_version_is_taken_by_its_number() {
        let found = "postgresql-9 - old\npostgresql-15 - server\npostgresql-16-extra - no\n";
        assert_eq!(newest_of(found).as_deref(), Some("postgresql-15"));
        assert_eq!(newest_of(""), None);
    }

    #[test]
    fn only_libraries_that_are_needed_and_not_installed_are_fetched() {
        let listed = "postgresql-15\n  Depends: libpq5\nlibpq5\n  Depends: libc6\nlibc6\nlibllvm14\nlibjson-perl\nlibicu72:amd64\nperl\nzlib1g\n";
        let installed = "libc6 installed\nlibicu70 installed\nlibpq5 config-files\n";
        assert_eq!(lacking(listed, installed), ["libicu72", "libpq5", "zlib1g"]);
    }
}
