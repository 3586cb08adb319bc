//! Counts, seeds and result lines of long tests.
//!
//! A count that a proof states is the full figure; an ordinary run does a twentieth of it, at least once.
//! `cargo xtask prove` sets `LAYERSTORE_PROOF_SCALE=20` for the whole, and collects the `PROOF` lines.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Environment variable with the twentieths of the full figure to run (default 1; `prove` sets 20).
pub const SCALE_VARIABLE: &str = "LAYERSTORE_PROOF_SCALE";

/// Environment variable that fixes the seed of every random test of a process.
pub const SEED_VARIABLE: &str = "LAYERSTORE_SEED";

/// What `SCALE_VARIABLE` must be for the full figure.
const FULL_SCALE: u64 = 20;

/// Scales a full figure to this run: `full * LAYERSTORE_PROOF_SCALE / 20`, at least 1.
///
/// ```
/// // An ordinary run does a twentieth.
/// let cases = layerstore_testkit::proof::scaled(20_000);
/// assert!((1..=20_000).contains(&cases));
/// ```
#[must_use]
pub fn scaled(full: u64) -> u64 {
    scale_to(full, scale())
}

/// Tells whether this run does the full figures, as `cargo xtask prove` does.
#[must_use]
pub fn is_full() -> bool {
    scale() >= FULL_SCALE
}

/// Returns the seed of this process: `LAYERSTORE_SEED`, or a random one. Prints it, so that a failing test shows it.
///
/// Every call in one process gives the same seed; mix the test's own number in to get different streams.
///
/// ```
/// let mut rng = fastrand::Rng::with_seed(layerstore_testkit::proof::seed());
/// let die = rng.u8(1..=6);
/// assert!((1..=6).contains(&die));
/// ```
///
/// # Panics
/// When `LAYERSTORE_SEED` is set and is not a decimal number: a typo must not silently become a random run.
#[must_use]
#[expect(
    clippy::print_stdout,
    reason = "the test harness captures it and shows it when the test fails"
)]
pub fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    let seed =
        *SEED.get_or_init(|| number(SEED_VARIABLE).unwrap_or_else(|| RandomState::new().hash_one(0_u8)));
    println!("{SEED_VARIABLE}={seed}");
    seed
}

/// Prints `PROOF test name=count …` on a line of its own, past the capture of the test harness.
///
/// ```
/// layerstore_testkit::proof::report("R14", &[("cases", 1_000), ("seed", 42), ("violations", 0)]);
/// ```
pub fn report(test: &str, counts: &[(&str, u64)]) {
    print_past_capture(&line(test, counts));
}

/// Prints `SKIPPED what: why` on a line of its own, past the capture of the test harness: a test that cannot run here
/// returns after it, and counts as skipped instead of passed.
///
/// ```
/// layerstore_testkit::proof::skip("power cut", "needs root");
/// ```
pub fn skip(what: &str, why: &str) {
    print_past_capture(&format!("\nSKIPPED {what}: {why}\n"));
}

/// Gives `check` every input that a fuzzer of this repository has kept in the corpus of this name, with the input's own
/// name, in the order of these; then reports how many there were (R23).
///
/// # Panics
/// When there are none, since a replay of nothing would show nothing; and where `check` does, after the input's name.
#[expect(
    clippy::print_stdout,
    reason = "the test harness captures it and shows it when the test fails"
)]
pub fn replay(corpus: &str, mut check: impl FnMut(&str, &[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(corpus);
    let inputs = inputs(&folder);
    assert!(!inputs.is_empty(), "{} has no inputs", folder.display());
    for (name, input) in &inputs {
        println!("{name}");
        check(name, input);
    }
    report("R23", &[("inputs", inputs.len() as u64), ("violations", 0)]);
}

fn inputs(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(folder).map(|files| {
        let files = files.filter_map(Result::ok).map(|file| file.path());
        let read = |path: PathBuf| {
            Some((
                path.file_name()?.to_string_lossy().into_owned(),
                std::fs::read(&path).ok()?,
            ))
        };
        files.filter_map(read).collect::<Vec<_>>()
    });
    let mut inputs = files.unwrap_or_default();
    inputs.sort();
    inputs
}

fn print_past_capture(line: &str) {
    let mut out = std::io::stdout().lock();
    // A closed stdout loses the row of a table, which `prove` notices; the test's own assertions stand.
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}

fn line(test: &str, counts: &[(&str, u64)]) -> String {
    // The harness may have written the start of a line: begin on a new one.
    let mut line = format!("\nPROOF {test}");
    for (name, count) in counts {
        line.push_str(&format!(" {name}={count}"));
    }
    line.push('\n');
    line
}

fn scale() -> u64 {
    number(SCALE_VARIABLE).unwrap_or(1)
}

fn scale_to(full: u64, scale: u64) -> u64 {
    (full.saturating_mul(scale) / FULL_SCALE).max(1)
}

#[expect(clippy::panic, reason = "a wrong setting of a test run must stop the run")]
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{variable} must be a decimal number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_run_does_a_twentieth_and_prove_the_whole() {
        assert_eq!(scale_to(20_000, 1), 1_000);
        assert_eq!(scale_to(20_000, 20), 20_000);
        assert_eq!(scale_to(3, 1), 1);
        assert_eq!(scale_to(0, 20), 1);
    }

    #[test]
    fn one_process_has_one_seed() {
        assert_eq!(seed(), seed());
    }

    #[test]
    fn a_proof_line_stands_alone() {
        assert_eq!(
            line("R14", &[("cases", 5), ("seed", 7)]),
            "\nPROOF R14 cases=5 seed=7\n"
        );
    }
}
