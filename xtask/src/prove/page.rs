//! `docs/proof.md`: the last result of every proof, each row rewritten only by its own proof.

use std::path::PathBuf;

use super::mutants::MUTANTS_PROOFS;
use super::suites::{DEFECTS_PROOF, PROOFS, Proof};
use super::targets::TARGETS;
use crate::failure::{Context, Outcome};
use crate::workspace::Workspace;

const PAGE: &str = "docs/proof.md";

const HEAD: &str = "\
# Proof

What the promises of this repository rest on: the last full run of every proof, on two cores. `cargo xtask prove SUITE`
runs the full figures and rewrites its own rows; ordinary tests run a twentieth of them. A violation, a test that did
not say what it did, and a suite that does not build are all FAILED. What could not be run is SKIPPED, with the reason.
";

const COLUMNS: [&str; 9] = [
    "proof", "package", "what", "suite", "cycles", "seeds", "minutes", "result", "commit",
];

/// What a run found out about a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) cycles: String,
    pub(crate) seeds: String,
    pub(crate) minutes: String,
    pub(crate) result: String,
    pub(crate) commit: String,
}

impl Finding {
    fn none() -> Self {
        let dash = || "-".to_owned();
        Self {
            cycles: dash(),
            seeds: dash(),
            minutes: dash(),
            result: "not run yet".to_owned(),
            commit: dash(),
        }
    }
}

/// The page, row by row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    path: PathBuf,
    rows: Vec<(Proof, Finding)>,
}

impl Page {
    /// Reads the page; proofs that it does not have yet have not run.
    pub(crate) fn read(workspace: &Workspace) -> Self {
        let path = workspace.root.join(PAGE);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        Self::parse(path, &text)
    }

    /// Puts a new finding into the row of `proof` and writes the page.
    pub(crate) fn record(&mut self, proof: &Proof, finding: Finding) -> Outcome<()> {
        for (_, row) in self.rows.iter_mut().filter(|(of, _)| of == proof) {
            *row = finding.clone();
        }
        self.write()
    }

    /// Writes the page.
    pub(crate) fn write(&self) -> Outcome<()> {
        std::fs::write(&self.path, self.text()).context(|| format!("write {}", self.path.display()))
    }

    /// What the page says of a proof.
    pub(crate) fn finding(&self, proof: &Proof) -> Option<&Finding> {
        self.rows
            .iter()
            .find(|(of, _)| of == proof)
            .map(|(_, finding)| finding)
    }

    /// Whether the file is not what would be written now.
    pub(crate) fn is_stale(&self) -> bool {
        std::fs::read_to_string(&self.path)
            .ok()
            .is_none_or(|text| text != self.text())
    }

    fn parse(path: PathBuf, text: &str) -> Self {
        let lines: Vec<Vec<&str>> = text.lines().filter_map(cells).collect();
        let known = |proof: &Proof| {
            let mut rows = lines
                .iter()
                .filter(|row| row[0] == proof.id && row[1] == proof.package);
            rows.next().map_or_else(Finding::none, |row| finding(row))
        };
        let proofs = PROOFS
            .iter()
            .chain(&TARGETS)
            .chain([&DEFECTS_PROOF])
            .chain(&MUTANTS_PROOFS);
        Self {
            path,
            rows: proofs.map(|proof| (*proof, known(proof))).collect(),
        }
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{HEAD}\n| {} |\n|{}\n",
            COLUMNS.join(" | "),
            " --- |".repeat(COLUMNS.len())
        );
        for (proof, finding) in &self.rows {
            let Finding {
                cycles,
                seeds,
                minutes,
                result,
                commit,
            } = finding;
            let about = [proof.id, proof.package, proof.what, proof.suite];
            let found = [cycles, seeds, minutes, result, commit].map(String::as_str);
            text.push_str(&format!(
                "| {} |\n",
                [&about[..], &found[..]].concat().join(" | ")
            ));
        }
        text
    }
}

fn cells(line: &str) -> Option<Vec<&str>> {
    let cells: Vec<&str> = line
        .strip_prefix("| ")?
        .strip_suffix(" |")?
        .split(" | ")
        .map(str::trim)
        .collect();
    (cells.len() == COLUMNS.len()).then_some(cells)
}

fn finding(row: &[&str]) -> Finding {
    let [.., cycles, seeds, minutes, result, commit] = row else {
        return Finding::none();
    };
    let own = |text: &&str| (*text).to_owned();
    Finding {
        cycles: own(cycles),
        seeds: own(seeds),
        minutes: own(minutes),
        result: own(result),
        commit: own(commit),
    }
}

#[cfg(test)]
mod tests {
    use super::{Finding, PROOFS, Page};

    fn passed() -> Finding {
        Finding {
            cycles: "10000 histories".into(),
            seeds: "7".into(),
            minutes: "1.5".into(),
            result: "passed".into(),
            commit: "abc1234".into(),
        }
    }

    #[test]
    fn a_page_is_read_back_as_written() {
        let mut page = Page::parse("p".into(), "");
        page.rows[0].1 = passed();
        let again = Page::parse("p".into(), &page.text());
        assert_eq!(again, page);
        assert_eq!(again.finding(&PROOFS[0]), Some(&passed()));
        assert_eq!(
            again.finding(&PROOFS[1]).map(|row| row.result.as_str()),
            Some("not run yet")
        );
    }

    #[test]
    fn a_proof_rewrites_only_its_own_row() {
        let folder = std::env::temp_dir().join(format!("layerstore-proof-page-{}", std::process::id()));
        let mut page = Page::parse(folder.clone(), "");
        page.record(&PROOFS[1], passed()).unwrap();
        let written = std::fs::read_to_string(&folder).unwrap();
        std::fs::remove_file(&folder).unwrap();
        let again = Page::parse(folder, &written);
        let changed: Vec<_> = again
            .rows
            .iter()
            .filter(|(_, row)| row.result == "passed")
            .collect();
        assert_eq!(changed.len(), 1);
        assert_eq!(changed[0].0, PROOFS[1]);
    }
}
