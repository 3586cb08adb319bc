//! `docs/benchmarks.md`: a section a group, rewritten only by a run of that group, with a chart and the raw figures beside it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::chart;
use super::tables::{array, comparisons, several, text};
use crate::failure::{Context, Outcome};
use crate::workspace::Workspace;

const PAGE: &str = "docs/benchmarks.md";

/// Where charts and raw figures are, from the root, and its name from the page.
const BESIDE: (&str, &str) = ("docs/benchmarks", "benchmarks");

/// Puts the figures of these groups onto the page, each with what is around them.
pub(super) fn write(workspace: &Workspace, found: &[Value]) -> Outcome<()> {
    if found.is_empty() {
        return Ok(());
    }
    let path = workspace.root.join(PAGE);
    let mut page = fs::read_to_string(&path).context(|| format!("read {}", path.display()))?;
    let beside = workspace.root.join(BESIDE.0);
    fs::create_dir_all(&beside).context(|| format!("create {}", beside.display()))?;
    for found in found {
        write_beside(&beside, found)?;
        page = replaced(&page, text(&found["figures"]["group"]), &section(found));
    }
    put(&path, &page)
}

fn write_beside(dir: &Path, found: &Value) -> Outcome<()> {
    let group = text(&found["figures"]["group"]);
    if let Some(svg) = chart::draw(&found["figures"]) {
        put(&dir.join(format!("{group}.svg")), &svg)?;
    }
    let json = serde_json::to_string_pretty(found).context(|| "write JSON".into())?;
    put(&dir.join(format!("{group}.json")), &format!("{json}\n"))
}

fn put(path: &Path, text: &str) -> Outcome<()> {
    fs::write(path, text).context(|| format!("write {}", path.display()))
}

/// Puts a section between its two marks, or at the end of the page with marks around it.
fn replaced(page: &str, group: &str, section: &str) -> String {
    let (begin, end) = (
        format!("<!-- figures of {group} -->"),
        format!("<!-- end of {group} -->"),
    );
    let marked = format!("{begin}\n{section}{end}");
    let found = page
        .split_once(&begin)
        .and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    match found {
        Some((before, after)) => format!("{before}{marked}{after}"),
        None => format!("{}\n\n## {group}\n{marked}\n", page.trim_end()),
    }
}

fn section(found: &Value) -> String {
    let figures = &found["figures"];
    let group = text(&figures["group"]);
    let versions: Vec<&str> = array(&found["versions"]).map(text).collect();
    let setting: Vec<&str> = array(&figures["setting"]).map(text).collect();
    let facts = [
        text(&found["machine"]),
        text(&found["rustc"]),
        &versions.join(", "),
        &setting.join("; "),
    ];
    let facts = facts
        .into_iter()
        .filter(|fact| !fact.is_empty())
        .collect::<Vec<_>>()
        .join("; ");
    let mut parts = vec![format!(
        "`cargo xtask bench {group}` at {}: {facts}.\n",
        text(&found["commit"])
    )];
    let compared: Vec<Value> = array(&figures["figures"]).cloned().collect();
    if !compared.is_empty() {
        parts.push(comparisons(&compared));
    }
    parts.extend(array(&figures["tables"]).map(several));
    let dir = BESIDE.1;
    parts.push(format!(
        "![{group}]({dir}/{group}.svg)\n\n[Raw figures]({dir}/{group}.json)\n"
    ));
    parts.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_rewrites_its_own_section_and_no_other() {
        let page = replaced("# Figures\n", "one", "first\n");
        let page = replaced(&page, "two", "second\n");
        let page = replaced(&page, "one", "third\n");
        let expected = "# Figures\n\n## one\n<!-- figures of one -->\nthird\n<!-- end of one -->\n\n## two\n<!-- figures of two -->\nsecond\n<!-- end of two -->\n";
        assert_eq!(page, expected);
    }

    #[test]
    fn a_section_says_where_its_figures_come_from() {
        let found = json!({
            "machine": "2 cores", "commit": "abc", "rustc": "rustc 1", "versions": ["papaya 1.0"],
            "figures": {"group": "peers", "setting": ["in turn"], "figures": [], "tables": []},
        });
        let expected = "`cargo xtask bench peers` at abc: 2 cores; rustc 1; papaya 1.0; in turn.\n\n\
            ![peers](benchmarks/peers.svg)\n\n[Raw figures](benchmarks/peers.json)\n";
        assert_eq!(section(&found), expected);
    }
}
