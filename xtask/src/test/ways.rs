//! The tests of PostgreSQL once more: in a container where they ran natively, and the other way round.

use std::path::Path;

use super::tally::Tally;
use super::with_nextest;
use crate::failure::Outcome;
use crate::services::{self, Said, Services};
use crate::tools::NEXTEST;
use crate::workspace::{Package, Workspace};

/// What a package takes from the testkit when its tests need PostgreSQL.
const FEATURE: &str = "services-postgres";

const PROVIDER: &str = "LAYERSTORE_TEST_PROVIDER";
const CONTAINER: &str = "container";
const ADDRESS: &str = "LAYERSTORE_TEST_POSTGRES";

/// Tests of the testkit itself that belong to them.
const OWN_TESTS: &str = "binary_id(=layerstore-testkit::postgres)";

/// Runs them with the other provider; what cannot be had here is skipped by name.
pub(super) fn other(
    workspace: &Workspace,
    program: &Path,
    first: &Said,
    filters: &[String],
) -> Outcome<Tally> {
    let Some(way) = other_way(&first.providers) else {
        return Ok(skipped("the first run had no server that was started here"));
    };
    if way == CONTAINER {
        services::build_images(workspace, program)?;
    }
    let servers = Services::start(workspace, program, &[(PROVIDER, way)])?;
    let said = servers.said();
    let Some(address) = said.envs.iter().find(|(name, _)| name == ADDRESS) else {
        let why = said.failed.first().map_or("no server", String::as_str);
        return Ok(skipped(why.trim_start_matches("FAILED ")));
    };
    let nextest = match NEXTEST.ensure(workspace) {
        Ok(nextest) => nextest,
        Err(failure) => return Ok(skipped(&failure.to_string())),
    };
    // All other servers as in the first run.
    let others = first.envs.iter().filter(|(name, _)| name != ADDRESS);
    let mut envs: Vec<(String, String)> = others.chain([address]).cloned().collect();
    envs.push((PROVIDER.to_owned(), way.to_owned()));
    let filters = [&["-E".to_owned(), filterset(&workspace.packages)], filters].concat();
    let mut tally = with_nextest(workspace, &nextest, &envs, &filters)?;
    let provider = said
        .providers
        .iter()
        .find(|provider| provider.starts_with("PostgreSQL"));
    tally.providers = provider
        .map(|provider| format!("{provider} (once more)"))
        .into_iter()
        .collect();
    Ok(tally)
}

fn skipped(why: &str) -> Tally {
    Tally {
        skipped: 1,
        reasons: vec![format!("SKIPPED PostgreSQL, the other way: {why}")],
        ..Tally::default()
    }
}

fn other_way(providers: &[String]) -> Option<&'static str> {
    let found = providers
        .iter()
        .find_map(|line| line.strip_prefix("PostgreSQL: "))?;
    match found {
        CONTAINER => Some("native"),
        "native" | "download" => Some(CONTAINER),
        _ => None,
    }
}

fn filterset(packages: &[Package]) -> String {
    let needs = |package: &&Package| {
        let mut dependencies = package.dependencies.iter();
        dependencies.any(|dependency| dependency.features.iter().any(|feature| feature == FEATURE))
    };
    let names = packages
        .iter()
        .filter(needs)
        .map(|package| format!("package(={})", package.name));
    names
        .chain([OWN_TESTS.to_owned()])
        .collect::<Vec<_>>()
        .join(" + ")
}

#[cfg(test)]
mod tests {
    use super::{filterset, other_way};
    use crate::workspace::{Dependency, Package};

    #[test]
    fn the_other_way_is_the_one_that_the_first_run_did_not_take() {
        let other = |provider: &str| {
            other_way(&[
                "S3 server: in process".to_owned(),
                format!("PostgreSQL: {provider}"),
            ])
        };
        assert_eq!(other("native"), Some("container"));
        assert_eq!(other("download"), Some("container"));
        assert_eq!(other("container"), Some("native"));
        assert_eq!(other("address"), None);
        assert_eq!(other_way(&[]), None);
    }

    #[test]
    fn packages_whose_tests_need_a_server_are_run_again() {
        let package = |name: &str, feature: &str| Package {
            name: name.to_owned(),
            dependencies: vec![Dependency {
                features: vec![feature.to_owned()],
                ..Dependency::default()
            }],
            ..Package::default()
        };
        let packages = [package("a", "services-postgres"), package("b", "services-s3")];
        assert_eq!(
            filterset(&packages),
            "package(=a) + binary_id(=layerstore-testkit::postgres)"
        );
    }
}
