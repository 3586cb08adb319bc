//! What a crate must say about itself before anyone can find it, read it or build its docs, and the lints that all share.

use super::tree::Tree;
use crate::workspace::{Package, Workspace};

/// Takes the lints of the workspace, `unsafe_code = "forbid"` among them.
const LINTS: &str = "[lints]\nworkspace = true";

/// Finds members that go without the lints of the workspace.
pub(crate) fn check_lints(workspace: &Workspace, tree: &Tree) -> Vec<String> {
    let manifests = workspace.packages.iter().filter_map(|package| {
        let manifest = package.dir.strip_prefix(&workspace.root).ok()?.join("Cargo.toml");
        Some(manifest.to_string_lossy().into_owned())
    });
    let without = manifests.filter(|manifest| !tree.text(manifest).is_some_and(|text| text.contains(LINTS)));
    without
        .map(|manifest| format!("{manifest}: needs `[lints] workspace = true`"))
        .collect()
}

/// Finds members without README, description, keywords or docs.rs metadata.
pub(crate) fn check(workspace: &Workspace) -> Vec<String> {
    let crates = workspace
        .packages
        .iter()
        .filter(|package| package.dir.starts_with(workspace.root.join("crates")));
    crates.flat_map(lacks).collect()
}

fn lacks(package: &Package) -> Vec<String> {
    let readme = package
        .readme
        .as_ref()
        .is_some_and(|readme| package.dir.join(readme).is_file());
    let folder = package
        .dir
        .file_name()
        .is_some_and(|name| name == package.name.as_str());
    let needs = [
        (readme, "a README.md"),
        (!package.description.is_empty(), "a description"),
        (!package.keywords.is_empty(), "keywords"),
        (package.docs_rs, "[package.metadata.docs.rs]"),
        (folder, "a folder of its own name"),
    ];
    let missing = needs.into_iter().filter(|(there, _)| !there);
    missing
        .map(|(_, what)| format!("crate {} needs {what}", package.name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{LINTS, check, check_lints, lacks};
    use crate::tidy::tree::Tree;
    use crate::workspace::{Package, Workspace};

    #[test]
    fn each_missing_part_is_named() {
        let bare = Package {
            name: "bare".into(),
            ..Package::default()
        };
        let found = lacks(&bare).join("\n");
        for part in ["README.md", "description", "keywords", "docs.rs", "folder"] {
            assert!(found.contains(part), "{part} in {found}");
        }
    }

    #[test]
    fn only_crates_are_asked() {
        let xtask = Package {
            name: "xtask".into(),
            dir: "/r/xtask".into(),
            ..Package::default()
        };
        let workspace = Workspace {
            root: "/r".into(),
            target: "/r/target".into(),
            packages: vec![xtask],
        };
        assert!(check(&workspace).is_empty());
    }

    #[test]
    fn a_member_without_the_lints_is_found() {
        let package = Package {
            dir: "/r/crates/a".into(),
            ..Package::default()
        };
        let workspace = Workspace {
            root: "/r".into(),
            target: "/r/target".into(),
            packages: vec![package],
        };
        let with = Tree::from([("crates/a/Cargo.toml", LINTS)]);
        assert!(check_lints(&workspace, &with).is_empty());
        let without = Tree::from([("crates/a/Cargo.toml", "[lints.rust]\nunsafe_code = \"warn\"")]);
        assert_eq!(
            check_lints(&workspace, &without),
            ["crates/a/Cargo.toml: needs `[lints] workspace = true`"]
        );
    }
}
