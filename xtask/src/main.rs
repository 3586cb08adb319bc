//! Repository tasks, run as `cargo xtask TASK`. `cargo xtask` alone lists them.
//!
//! This package gates everything else, so it compiles in seconds: std and a JSON parser.

mod bench;
mod ci;
mod console;
mod defects;
mod deny;
mod failure;
mod features;
mod outside;
mod process;
mod prove;
mod services;
mod test;
mod tidy;
mod tools;
mod workspace;

use std::process::ExitCode;

use console::say;
use failure::{Failure, Outcome};
use workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask TASK

  test [FILTER…]         every test and doc test, and a closing count; with --both-ways before the filters, those that need
                         PostgreSQL natively and in a container
  services               the servers that tests need, for work by hand, until Ctrl-C
  images                 an image of PostgreSQL for an engine without a registry
  ci [--no-test]         what must hold before a change lands
  tidy                   the rules of this repository that no compiler knows
  prove                  lists the suites of proofs
  prove SUITE [--again] [PACKAGE…]
                         the full figures, into docs/proof.md
  prove defects [NAME…]  every seeded defect must be caught by the test that it names
  bench [GROUP…] [--quick] [--large] [--json FILE] [--trace FILE]…
                         the measurements of benches/, into docs/benchmarks.md
";

/// A command line that makes no sense, as other tools of this kind answer it.
const USAGE_EXIT: u8 = 2;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((task, rest)) = args.split_first() else {
        say(USAGE);
        return ExitCode::from(USAGE_EXIT);
    };
    match run(task, rest) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            say(format!("xtask {task}: {failure}"));
            ExitCode::FAILURE
        }
    }
}

fn run(task: &str, rest: &[String]) -> Outcome<bool> {
    let workspace = Workspace::read()?;
    match (task, rest) {
        ("test", filters) => test::run(&workspace, filters),
        ("services", []) => services::run(&workspace),
        ("images", []) => services::images(&workspace),
        ("ci", []) => ci::run(&workspace, true),
        ("ci", [flag]) if flag == "--no-test" => ci::run(&workspace, false),
        ("tidy", []) => tidy::run(&workspace).map(|()| true),
        ("bench", groups) => bench::run(&workspace, groups),
        ("prove", []) => prove::list(&workspace).map(|()| true),
        ("prove", [suite, rest @ ..]) => prove::run(&workspace, suite, rest),
        _ => Err(Failure::new(format!("unknown task or argument\n\n{USAGE}"))),
    }
}
