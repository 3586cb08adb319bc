//! Packages of a distribution with `apt`, downloaded and unpacked without root and without touching the system.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::folders;

/// Libraries that servers run without: compilers for queries, languages for functions, another's part of what starts services.
const NOT_NEEDED: [&str; 5] = ["libllvm", "libperl", "libz3", "libdebian-installer", "libelogind"];

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

/// What is fetched, with the libraries that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Package {
    /// The newest server that the distribution has.
    Postgres,
    /// A pooler in front of it.
    PgBouncer,
}

/// Which libraries of a server are fetched with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Libraries {
    /// Those that this system does not have.
    Lacking,
    /// All of them, for a system of its own.
    #[cfg(feature = "services-containers")]
    All,
}

/// Returns the folder that a package is unpacked in, under `target/services`, and unpacks it unless it lies there from an earlier time.
///
/// # Errors
/// What is missing, or what `apt-get` said.
pub(super) fn unpacked(package: Package) -> Result<PathBuf, String> {
    let name = match package {
        Package::Postgres => "postgres-packages",
        Package::PgBouncer => "pgbouncer-packages",
    };
    let cache = folders::cache()?;
    let place = cache.join(name);
    let _locked = folders::lock(&cache.join(format!("{name}.lock")))?;
    if !place.exists() {
        // Made beside its place and renamed: whoever is killed in between leaves no half of it.
        let fresh = cache.join(format!("{name}.new"));
        let _ = fs::remove_dir_all(&fresh);
        unpack(&fresh, package, Libraries::Lacking, &[])?;
        fs::rename(&fresh, &place)
            .map_err(|error| format!("{} cannot be renamed: {error}", fresh.display()))?;
    }
    Ok(place)
}

/// The folders of the libraries of an unpacked package: where the distribution has one for each kind of machine, that one too.
pub(super) fn libraries(unpacked: &Path) -> Vec<PathBuf> {
    let parents = ["usr/lib", "lib"].map(|parent| unpacked.join(parent));
    let inside = parents
        .iter()
        .filter_map(|parent| fs::read_dir(parent).ok())
        .flatten();
    let inside = inside.filter_map(Result::ok).map(|folder| folder.path());
    let of_machines = inside.filter(|folder| folder.to_string_lossy().ends_with("-linux-gnu"));
    of_machines.chain(parents.clone()).collect()
}

/// Downloads a package, its libraries and the packages of `besides`, and unpacks them into `tree`.
///
/// # Errors
/// What is missing, or what `apt-get` said.
pub(super) fn unpack(
    tree: &Path,
    package: Package,
    libraries: Libraries,
    besides: &[&str],
) -> Result<(), String> {
    let packages = tree.join("packages");
    fs::create_dir_all(&packages)
        .map_err(|error| format!("{} cannot be made: {error}", packages.display()))?;
    let fetch = |apt: Apt| apt.fetch(libraries, besides, &packages);
    if let Err(first) = Apt::of_system(package).and_then(fetch) {
        // In a fresh container the system has no lists, and only root may make some for it.
        let own = Apt::with_own_lists(package, &packages).and_then(fetch);
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
    /// The name of the package that is wanted.
    wanted: String,
}

impl Apt {
    fn of_system(package: Package) -> Result<Self, String> {
        Self::with(package, vec![])
    }

    /// Fetches the lists into `folder`.
    fn with_own_lists(package: Package, folder: &Path) -> Result<Self, String> {
        let state = folder.join("apt");
        fs::create_dir_all(state.join("lists/partial"))
            .map_err(|error| format!("{}: {error}", state.display()))?;
        let options: Vec<String> = [("Dir::State::lists", "lists"), ("Dir::Cache", "cache")]
            .iter()
            .map(|(name, folder)| format!("-o{name}={}", state.join(folder).display()))
            .collect();
        let update: Vec<&str> = options.iter().map(String::as_str).chain(["update"]).collect();
        run("apt-get", &update, folder)?;
        Self::with(package, options)
    }

    fn with(package: Package, options: Vec<String>) -> Result<Self, String> {
        if package == Package::PgBouncer {
            let wanted = "pgbouncer".to_owned();
            return Ok(Self { options, wanted });
        }
        let search = ["search", "--names-only", "^postgresql-[0-9]+$"];
        let args: Vec<&str> = search
            .into_iter()
            .chain(options.iter().map(String::as_str))
            .collect();
        let newest = newest_of(&run("apt-cache", &args, Path::new("/"))?);
        let wanted = newest.ok_or("apt knows no package of PostgreSQL")?;
        Ok(Self { options, wanted })
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
            std::slice::from_ref(&self.wanted),
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
        wanted.push(self.wanted.clone());
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
