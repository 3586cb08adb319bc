//! What a crate must say about itself before anyone can find it, read it or build its docs.

use crate::workspace::{Package, Workspace};

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
    use super::{check, lacks};
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
}
