//! What a proof says of itself: lines `PROOF R11 histories=10000 seed=7 violations=0`.

use std::collections::{BTreeMap, BTreeSet};

/// The lines of one proof, one for each subject that it was run on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// How many `PROOF` lines there were.
    pub(crate) lines: usize,
    /// What a line counted, and how many lines counted the same.
    counts: BTreeMap<String, usize>,
    seeds: BTreeSet<u64>,
    pub(crate) violations: u64,
    pub(crate) skips: Vec<String>,
}

impl Evidence {
    /// Takes one line of output, if it speaks of the proof `id`.
    pub(crate) fn read(&mut self, id: &str, line: &str) {
        // The test harness may have written the name of the test before it.
        if let Some((_, reason)) = line.split_once("SKIPPED ") {
            self.skips.push(reason.trim().to_owned());
        }
        let Some((_, rest)) = line.split_once("PROOF ") else {
            return;
        };
        let mut words = rest.split_whitespace();
        if words.next() != Some(id) {
            return;
        }
        self.lines += 1;
        let mut counted = Vec::new();
        for (name, count) in words.filter_map(|word| word.split_once('=')) {
            let Ok(count) = count.parse::<u64>() else { continue };
            match name {
                "seed" => drop(self.seeds.insert(count)),
                "violations" => self.violations += count,
                _ => counted.push(format!("{count} {name}")),
            }
        }
        *self.counts.entry(counted.join(", ")).or_default() += 1;
    }

    /// The counts, as they stand in the table.
    pub(crate) fn cycles(&self) -> String {
        let counted = self.counts.iter().filter(|(counted, _)| !counted.is_empty());
        join(counted.map(|(counted, times)| match times {
            1 => counted.clone(),
            _ => format!("{times} x ({counted})"),
        }))
    }

    /// The seeds, as they stand in the table.
    pub(crate) fn seeds(&self) -> String {
        join(self.seeds.iter().map(u64::to_string))
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() {
        "-".to_owned()
    } else {
        parts.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::Evidence;

    #[test]
    fn lines_of_one_proof_are_gathered() {
        let mut evidence = Evidence::default();
        for line in [
            "test r11_resize ... PROOF R11 histories=9000 seed=7 violations=0",
            "PROOF R11 histories=1000 keys=3 seed=7 violations=2",
            "PROOF R11 histories=9000 seed=8 violations=0",
            "PROOF R14 cases=5 seed=9 violations=1",
            "SKIPPED r11 on disk: no disk",
        ] {
            evidence.read("R11", line);
        }
        assert_eq!(evidence.lines, 3);
        assert_eq!(evidence.cycles(), "1000 histories, 3 keys; 2 x (9000 histories)");
        assert_eq!(evidence.seeds(), "7; 8");
        assert_eq!(evidence.violations, 2);
        assert_eq!(evidence.skips, ["r11 on disk: no disk"]);
    }

    #[test]
    fn nothing_is_shown_as_a_dash() {
        assert_eq!(
            (Evidence::default().cycles(), Evidence::default().seeds()),
            ("-".into(), "-".into())
        );
    }
}
