//! Where a group lives: in the workspace, or in the package beside it that knows the peers.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::failure::Outcome;
use crate::outside::PEERS;
use crate::process::Process;
use crate::workspace::Workspace;

/// The member that holds groups, each a bench target.
const MEMBER: &str = "layerstore-benches";

/// A package with groups.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) groups: Vec<String>,
    /// What a group needs beside memory has its name.
    features: Vec<String>,
    /// The lock file that its groups are built with.
    pub(super) lock: PathBuf,
    /// What tells cargo which package, and where to build it.
    scope: Vec<OsString>,
}

impl Home {
    /// Finds both packages.
    pub(super) fn all(workspace: &Workspace) -> Outcome<[Self; 2]> {
        Ok([Self::member(workspace), Self::peers(workspace)?])
    }

    fn member(workspace: &Workspace) -> Self {
        let package = workspace.packages.iter().find(|package| package.name == MEMBER);
        Self {
            groups: package.map(|package| package.benches.clone()).unwrap_or_default(),
            features: package
                .map(|package| package.features.clone())
                .unwrap_or_default(),
            lock: workspace.root.join("Cargo.lock"),
            scope: ["--package", MEMBER].map(OsString::from).into(),
        }
    }

    fn peers(workspace: &Workspace) -> Outcome<Self> {
        let manifest = workspace.root.join(PEERS);
        let dir = manifest.with_file_name("");
        let outside = Workspace::at(&dir)?;
        Ok(Self {
            groups: outside
                .packages
                .into_iter()
                .flat_map(|package| package.benches)
                .collect(),
            features: Vec::new(),
            lock: dir.join("Cargo.lock"),
            scope: vec![
                "--manifest-path".into(),
                manifest.into(),
                "--target-dir".into(),
                workspace.target.join("peers").into(),
            ],
        })
    }

    /// Prepares a run of a group.
    pub(super) fn bench(&self, workspace: &Workspace, group: &str) -> Process {
        let cargo = Process::cargo(&workspace.root).args(["bench", "--bench", group]);
        let feature = self.features.iter().filter(|feature| *feature == group);
        let features = feature.flat_map(|feature| ["--features", feature.as_str()]);
        cargo.args(features).args(self.scope.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn groups_are_found_in_the_workspace_and_beside_it() {
        let workspace = Workspace::at(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let [member, peers] = Home::all(&workspace).unwrap();
        assert!(member.groups.iter().any(|group| group == "engine"), "{member:?}");
        assert!(peers.groups.iter().any(|group| group == "eviction"), "{peers:?}");
        assert!(member.lock.is_file() && peers.lock.is_file());
    }
}
