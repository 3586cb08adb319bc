//! `cargo xtask tidy`: the rules of this repository that no compiler knows.

mod architecture;
mod arrows;
mod clauses;
mod dependencies;
mod links;
mod manifests;
mod source;
mod tree;
mod words;

use crate::console::say;
use crate::defects::{self, Defect};
use crate::failure::{Failure, Outcome};
use crate::prove;
use crate::workspace::Workspace;
use tree::Tree;

/// Runs every check and prints what each finds.
pub(crate) fn run(workspace: &Workspace) -> Outcome<()> {
    let tree = Tree::read(&workspace.root)?;
    let defects = Defect::all(&workspace.root)?;
    let found = [
        clauses::check(workspace, &tree, &defects),
        architecture::check(&tree),
        defects::stale(workspace, &defects),
        arrows::check(workspace),
        manifests::check(workspace),
        manifests::check_lints(workspace, &tree),
        dependencies::check(workspace, &tree),
        source::check(&tree),
        words::check(&tree),
        links::check(&tree),
        prove::check_page(workspace),
    ]
    .concat();
    found.iter().for_each(say);
    if found.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("{} violations", found.len())))
}
