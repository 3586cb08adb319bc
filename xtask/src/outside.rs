//! Packages that stand outside the workspace, each with a lock file of its own: nothing that looks at members sees them.

use crate::ci::Done;
use crate::failure::{Context, Failure, Outcome};
use crate::process::{Ended, Process};
use crate::workspace::Workspace;

/// The fuzz targets, which `prove fuzz` builds.
pub(crate) const FUZZ: &str = "fuzz/Cargo.toml";

/// What Layerstore is measured against, which `bench` builds.
pub(crate) const PEERS: &str = "benches/peers/Cargo.toml";

const MANIFESTS: [&str; 2] = [FUZZ, PEERS];

/// Checks that the packages are formatted.
pub(crate) fn check_format(workspace: &Workspace) -> Outcome<Done> {
    for manifest in MANIFESTS {
        let fmt = Process::cargo(&workspace.root).args(["fmt", "--manifest-path", manifest, "--check"]);
        if fmt.status()? != Ended::Success {
            return Err(Failure::new(format!("`{}` failed", fmt.describe())));
        }
    }
    Ok(Done::Passed)
}

/// Checks that the lock files, which the packages are built with, fit the manifests.
pub(crate) fn check_locks(workspace: &Workspace) -> Outcome<Done> {
    for manifest in MANIFESTS {
        let scope = ["metadata", "--format-version", "1", "--locked"];
        let resolve = Process::cargo(&workspace.root).args(scope);
        let resolved = resolve.args(["--manifest-path", manifest]).stdout();
        resolved.context(|| {
            format!("{manifest} has an old lock file: `cargo update --workspace --manifest-path {manifest}`")
        })?;
    }
    Ok(Done::Passed)
}
