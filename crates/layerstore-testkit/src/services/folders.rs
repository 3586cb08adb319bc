//! Where services keep what outlives a run, and what does not.

use std::path::PathBuf;
#[cfg(feature = "services-postgres")]
use std::{
    fs::{self, File},
    path::Path,
};

/// The file that cargo puts into every target folder.
#[cfg(feature = "services-postgres")]
const MARK_OF_TARGET: &str = "CACHEDIR.TAG";

/// Returns `services` in the target folder that this program was built into, and makes it.
///
/// # Errors
/// When it cannot be made.
#[cfg(feature = "services-postgres")]
pub(super) fn cache() -> Result<PathBuf, String> {
    let program = std::env::current_exe().unwrap_or_default();
    let target = program
        .ancestors()
        .find(|folder| folder.join(MARK_OF_TARGET).is_file());
    let target = target.map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        Path::to_owned,
    );
    let cache = target.join("services");
    fs::create_dir_all(&cache).map_err(|error| format!("{} cannot be made: {error}", cache.display()))?;
    Ok(cache)
}

/// Makes a folder for a running server. It lies where every account may go, which a checkout need not.
///
/// # Errors
/// When it cannot be made.
pub(super) fn home(service: &str) -> Result<PathBuf, String> {
    let prefix = format!("layerstore-{service}-");
    let folder = tempfile::Builder::new().prefix(&prefix).tempdir();
    let folder = folder.map_err(|error| format!("no temporary folder can be made: {error}"))?;
    Ok(folder.keep())
}

/// Holds a lock between processes until it is dropped.
///
/// # Errors
/// When the file cannot be made or locked.
#[cfg(feature = "services-postgres")]
pub(super) fn lock(path: &Path) -> Result<File, String> {
    let locked = File::create(path).and_then(|file| file.lock().map(|()| file));
    locked.map_err(|error| format!("{} cannot be locked: {error}", path.display()))
}
