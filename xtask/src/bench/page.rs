//! `docs/benchmarks.md`: a section a group, rewritten only by a run of that group.

use std::fs;

use serde_json::Value;

use super::machine::Machine;
use crate::failure::{Context, Outcome};
use crate::workspace::Workspace;

const PAGE: &str = "docs/benchmarks.md";

/// Puts the figures of these groups onto the page.
pub(super) fn write(workspace: &Workspace, machine: &Machine, groups: &[Value]) -> Outcome<()> {
    if groups.is_empty() {
        return Ok(());
    }
    let path = workspace.root.join(PAGE);
    let mut page = fs::read_to_string(&path).context(|| format!("read {}", path.display()))?;
    for group in groups {
        page = replaced(&page, text(&group["group"]), &section(machine, group));
    }
    fs::write(&path, page).context(|| format!("write {}", path.display()))
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

fn section(machine: &Machine, group: &Value) -> String {
    let peers: Vec<String> = array(&group["peers"])
        .map(|peer| machine.versioned(text(peer)))
        .collect();
    let setting: Vec<&str> = array(&group["setting"]).map(text).collect();
    let mut section = format!(
        "`cargo xtask bench {}` at {}: {}; {}; {}; {}.\n\n",
        text(&group["group"]),
        machine.commit,
        machine.shown,
        machine.rustc,
        peers.join(", "),
        setting.join("; "),
    );
    section.push_str("| what | ours, a second | bare, a second | ratio | half of the rounds | target | CPU ns each, ours / bare |\n");
    section.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
    for figures in array(&group["figures"]) {
        section.push_str(&row(figures));
    }
    section
}

fn row(figures: &Value) -> String {
    let number = |name: &str| figures[name].as_f64().unwrap_or(f64::NAN);
    let [low, high] = [0, 1].map(|at| figures["ratio_quartiles"][at].as_f64().unwrap_or(f64::NAN));
    let reached = if number("ratio") >= number("target") {
        ""
    } else {
        " **missed**"
    };
    let cpu = match (figures["ours_cpu_ns"].as_f64(), figures["bare_cpu_ns"].as_f64()) {
        (Some(ours), Some(bare)) => format!("{} / {}", thousands(ours), thousands(bare)),
        _ => "-".to_owned(),
    };
    format!(
        "| {} | {} | {} | {:.2} | {low:.2}-{high:.2} | {:.2}{reached} | {cpu} |\n",
        text(&figures["what"]),
        thousands(number("ours_per_second")),
        thousands(number("bare_per_second")),
        number("ratio"),
        number("target"),
    )
}

/// Shows a number without its fraction, with commas.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
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
    fn a_loss_is_shown_as_one() {
        let figures = |ratio: f64| {
            json!({
                "what": "put", "ours_per_second": 1_234_567.8, "bare_per_second": 999.0, "ratio": ratio, "target": 0.9,
                "ratio_quartiles": [0.5, 1.5], "ours_cpu_ns": null, "bare_cpu_ns": null,
            })
        };
        assert_eq!(
            row(&figures(0.9)),
            "| put | 1,234,568 | 999 | 0.90 | 0.50-1.50 | 0.90 | - |\n"
        );
        assert!(row(&figures(0.89)).contains("**missed**"));
    }
}
