//! `cargo xtask tidy`: the rules of this repository that no compiler knows.

mod arrows;
mod dependencies;
mod manifests;
mod source;
mod tree;

use crate::console::say;
use crate::failure::{Failure, Outcome};
use crate::workspace::Workspace;
use tree::Tree;

/// Runs every check and prints what each finds.
pub(crate) fn run(workspace: &Workspace) -> Outcome<()> {
    let tree = Tree::read(&workspace.root)?;
    let found = [
        arrows::check(workspace),
        manifests::check(workspace),
        dependencies::check(workspace, &tree),
        source::check(&tree),
    ]
    .concat();
    found.iter().for_each(say);
    if found.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("{} violations", found.len())))
}
