//! Which crate may import which. An arrow that is not in this table is a decision to record in `docs/adr/`.

use crate::workspace::{Dependency, Package, Workspace};

/// Each crate of ours and what it may import of ours, without the `layerstore-` that all of them carry.
pub(super) const ARROWS: [(&str, &[&str]); 20] = [
    ("record", &[]),
    ("engine", &["record"]),
    ("observer", &["record"]),
    ("data-store", &["record"]),
    ("kv", &[]),
    ("kv-fjall", &["kv"]),
    ("embedded", &["record", "data-store", "kv", "kv-fjall"]),
    ("postgres", &["record", "data-store"]),
    ("opendal", &["record", "data-store"]),
    ("slatedb", &["record", "data-store", "kv", "embedded", "opendal"]),
    ("write-behind", &["record", "data-store"]),
    ("tiered", &["record", "data-store"]),
    ("record-store", &["record", "engine", "observer", "data-store"]),
    (
        "query",
        &["record", "engine", "observer", "data-store", "record-store"],
    ),
    ("sync", &["record", "observer", "data-store", "record-store"]),
    ("layerstore", &ALL),
    ("cli", &["layerstore"]),
    (TESTKIT, &ALL),
    ("xtask", &[]),
    // Beside the facade, what users pull by itself: a layer is measured against what it is built on.
    (
        "benches",
        &[
            "layerstore",
            "record",
            "engine",
            "record-store",
            "data-store",
            "embedded",
            "postgres",
            "opendal",
            "slatedb",
            "write-behind",
            "record-store",
        ],
    ),
];

/// What the facade may import: everything but the testkit. The testkit may import the same.
pub(super) const ALL: [&str; 15] = [
    "record",
    "engine",
    "observer",
    "data-store",
    "kv",
    "kv-fjall",
    "embedded",
    "postgres",
    "opendal",
    "slatedb",
    "write-behind",
    "tiered",
    "record-store",
    "query",
    "sync",
];

/// What tests may import on top, and nothing else may.
const TESTKIT: &str = "testkit";

/// Finds arrows between our crates that the table does not have.
pub(crate) fn check(workspace: &Workspace) -> Vec<String> {
    workspace.packages.iter().flat_map(of_package).collect()
}

fn of_package(package: &Package) -> Vec<String> {
    let name = short(&package.name);
    let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == name) else {
        return vec![format!(
            "crate {} is not in the table of arrows (xtask/src/tidy/arrows.rs)",
            package.name
        )];
    };
    let ours = package.dependencies.iter().filter(|dependency| dependency.local);
    let forbidden = ours.filter(|dependency| !may(allowed, dependency));
    forbidden
        .map(|dependency| violation(package, dependency))
        .collect()
}

fn may(allowed: &[&str], dependency: &Dependency) -> bool {
    let to = short(&dependency.name);
    allowed.contains(&to) || (dependency.dev && to == TESTKIT)
}

fn violation(package: &Package, dependency: &Dependency) -> String {
    let kind = if dependency.dev { "the tests of" } else { "crate" };
    format!(
        "{kind} {} may not import {}: the arrow is not in the design",
        package.name, dependency.name
    )
}

fn short(name: &str) -> &str {
    name.strip_prefix("layerstore-").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::of_package;
    use crate::workspace::{Dependency, Package};

    fn package(name: &str, to: &str, dev: bool) -> Package {
        let dependency = Dependency {
            name: to.into(),
            dev,
            local: true,
            ..Dependency::default()
        };
        Package {
            name: name.into(),
            dependencies: vec![dependency],
            ..Package::default()
        }
    }

    #[test]
    fn arrows_of_the_table_pass() {
        assert!(of_package(&package("layerstore-engine", "layerstore-record", false)).is_empty());
        assert!(of_package(&package("layerstore-cli", "layerstore", false)).is_empty());
        assert!(of_package(&package("layerstore-engine", "layerstore-testkit", true)).is_empty());
    }

    #[test]
    fn other_arrows_are_found() {
        for (from, to, dev) in [
            ("layerstore-engine", "layerstore-data-store", false),
            ("layerstore-embedded", "layerstore-record-store", false),
            ("layerstore-postgres", "layerstore-embedded", true),
            ("layerstore-record-store", "layerstore", false),
            ("layerstore-testkit", "layerstore", false),
            ("layerstore", "layerstore-testkit", false),
            ("layerstore-engine", "layerstore-testkit", false),
        ] {
            let found = of_package(&package(from, to, dev));
            assert_eq!(found.len(), 1, "{from} to {to}");
            assert!(found[0].contains(from) && found[0].contains(to), "{found:?}");
        }
    }

    #[test]
    fn a_crate_outside_the_table_is_found() {
        let stranger = Package {
            name: "layerstore-new".into(),
            ..Package::default()
        };
        assert!(of_package(&stranger)[0].contains("layerstore-new"));
    }

    #[test]
    fn crates_of_others_are_no_arrows() {
        let mut package = package("layerstore-record", "layerstore", false);
        package.dependencies[0].local = false;
        assert!(of_package(&package).is_empty());
    }
}
