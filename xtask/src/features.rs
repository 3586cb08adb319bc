//! Each feature of each crate, alone: what compiles together may still not compile apart.

use crate::failure::{Failure, Outcome};
use crate::process::{Ended, Process};
use crate::workspace::{Package, Workspace};

/// Checks every package with no feature, and with each of its features by itself, warnings denied.
pub(crate) fn check(workspace: &Workspace) -> Outcome<()> {
    let mut broken = Vec::new();
    for package in &workspace.packages {
        for feature in selections(package) {
            let ended = Process::cargo(&workspace.root)
                .args([
                    "clippy",
                    "--quiet",
                    // Each package has its own turn.
                    "--no-deps",
                    "--package",
                    &package.name,
                    "--no-default-features",
                ])
                .args(["--features", &feature, "--", "-D", "warnings"])
                .status()?;
            if ended != Ended::Success {
                broken.push(format!(
                    "{} --no-default-features --features '{feature}'",
                    package.name
                ));
            }
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "does not build clean alone:\n  {}",
        broken.join("\n  ")
    )))
}

/// The empty selection and each feature; only the former for a package without features.
fn selections(package: &Package) -> Vec<String> {
    let own = package.features.iter().filter(|name| *name != "default").cloned();
    std::iter::once(String::new()).chain(own).collect()
}

#[cfg(test)]
mod tests {
    use super::selections;
    use crate::workspace::Package;

    #[test]
    fn every_feature_stands_alone_once() {
        let features = ["default", "embedded", "toml"].map(str::to_owned).to_vec();
        let package = Package {
            features,
            ..Package::default()
        };
        assert_eq!(selections(&package), ["", "embedded", "toml"]);
        assert_eq!(selections(&Package::default()), [""]);
    }
}
