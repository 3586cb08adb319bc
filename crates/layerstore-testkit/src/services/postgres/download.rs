//! The distribution's packages of PostgreSQL, for a machine that has none installed.

use std::fs;
use std::path::{Path, PathBuf};

use super::programs::{self, Programs};
use crate::services::account::Account;
use crate::services::folders;
use crate::services::packages::{Libraries, unpack_postgres};

/// Unpacks the packages, unless they lie there from an earlier time, and returns the programs.
///
/// # Errors
/// What is missing, or what `apt-get` said.
pub(super) fn programs(account: Option<Account>) -> Result<Programs, String> {
    let cache = folders::cache()?;
    let unpacked = cache.join("postgres-packages");
    let _locked = folders::lock(&cache.join("postgres-packages.lock"))?;
    if !unpacked.exists() {
        // Made beside its place and renamed: whoever is killed in between leaves no half of it.
        let fresh = cache.join("postgres-packages.new");
        let _ = fs::remove_dir_all(&fresh);
        unpack_postgres(&fresh, Libraries::Lacking, &[])?;
        fs::rename(&fresh, &unpacked)
            .map_err(|error| format!("{} cannot be renamed: {error}", fresh.display()))?;
    }
    let place = format!("{}/usr/lib/postgresql/*/bin", unpacked.display());
    let newest = programs::expand(&place).into_iter().max();
    let (_, folder) = newest.ok_or("the packages hold no `postgres`")?;
    Programs::at(&folder, libraries(&unpacked), account)
}

/// The folders of the unpacked libraries: where the distribution has one for each kind of machine, that one too.
fn libraries(unpacked: &Path) -> Vec<PathBuf> {
    let parents = ["usr/lib", "lib"].map(|parent| unpacked.join(parent));
    let inside = parents
        .iter()
        .filter_map(|parent| fs::read_dir(parent).ok())
        .flatten();
    let inside = inside.filter_map(Result::ok).map(|folder| folder.path());
    let of_machines = inside.filter(|folder| folder.to_string_lossy().ends_with("-linux-gnu"));
    of_machines.chain(parents.clone()).collect()
}
