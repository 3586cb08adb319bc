//! The workspace as cargo describes it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failure::{Context, Failure, Outcome};
use crate::process::Process;

/// The workspace: where it is and what its members are.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// A member of the workspace.
#[derive(Debug, Clone, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// The folder of its manifest.
    pub(crate) dir: PathBuf,
    pub(crate) description: String,
    pub(crate) keywords: Vec<String>,
    pub(crate) readme: Option<String>,
    /// False for packages with `publish = false`.
    pub(crate) publish: bool,
    pub(crate) docs_rs: bool,
    pub(crate) features: Vec<String>,
    pub(crate) dependencies: Vec<Dependency>,
    /// The names of its bench targets.
    pub(crate) benches: Vec<String>,
}

/// A dependency of a member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// True for `[dev-dependencies]`.
    pub(crate) dev: bool,
    /// True where it comes from a folder of this repository.
    pub(crate) local: bool,
    /// What is switched on of it.
    pub(crate) features: Vec<String>,
}

impl Workspace {
    /// Reads the workspace that holds this task.
    pub(crate) fn read() -> Outcome<Self> {
        let here = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(
            || std::env::current_dir().context(|| "find the current folder".into()),
            |dir| Ok(dir.into()),
        )?;
        Self::at(&here)
    }

    /// Reads the workspace that `dir` belongs to.
    pub(crate) fn at(dir: &Path) -> Outcome<Self> {
        let json = Process::cargo(dir)
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .stdout()?;
        let value: Value = serde_json::from_str(&json).context(|| "parse cargo metadata".into())?;
        Self::parse(&value)
    }

    fn parse(value: &Value) -> Outcome<Self> {
        let path = |name: &str| {
            value[name]
                .as_str()
                .map(PathBuf::from)
                .context(|| format!("cargo metadata has no {name}"))
        };
        let mut packages: Vec<Package> = array(&value["packages"]).map(package).collect::<Outcome<_>>()?;
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self {
            root: path("workspace_root")?,
            target: path("target_directory")?,
            packages,
        })
    }
}

fn package(value: &Value) -> Outcome<Package> {
    let manifest = value["manifest_path"].as_str().unwrap_or_default();
    let dir = Path::new(manifest)
        .parent()
        .ok_or_else(|| Failure::new("a package without a manifest path"))?;
    Ok(Package {
        name: text(&value["name"]),
        dir: dir.to_owned(),
        description: text(&value["description"]),
        keywords: array(&value["keywords"]).map(text).collect(),
        readme: value["readme"].as_str().map(str::to_owned),
        publish: value["publish"]
            .as_array()
            .is_none_or(|registries| !registries.is_empty()),
        docs_rs: value["metadata"]["docs"]["rs"].is_object(),
        features: value["features"]
            .as_object()
            .map(|map| map.keys().cloned().collect())
            .unwrap_or_default(),
        dependencies: array(&value["dependencies"]).map(dependency).collect(),
        benches: array(&value["targets"])
            .filter(|target| is_bench(target))
            .map(|target| text(&target["name"]))
            .collect(),
    })
}

fn dependency(value: &Value) -> Dependency {
    Dependency {
        name: text(&value["name"]),
        dev: value["kind"].as_str() == Some("dev"),
        local: value["path"].is_string(),
        features: array(&value["features"]).map(text).collect(),
    }
}

fn is_bench(target: &Value) -> bool {
    array(&target["kind"]).any(|kind| kind == "bench")
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Workspace;

    #[test]
    fn this_workspace_is_read() {
        let workspace = Workspace::at(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let package = |name| {
            workspace
                .packages
                .iter()
                .find(|package| package.name == name)
                .unwrap()
        };
        let xtask = package("xtask");
        assert!(!xtask.publish);
        assert!(
            xtask
                .dependencies
                .iter()
                .any(|d| d.name == "serde_json" && !d.dev && !d.local)
        );
        let record = package("layerstore-record");
        assert!(record.publish && record.docs_rs && !record.keywords.is_empty());
    }
}
