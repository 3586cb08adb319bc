//! R14: random operations on a store agree with a sorted map, and with the contract written down once more in plain steps.

mod case;
mod operation;
mod reference;

use std::time::Duration;

use self::case::Case;
use self::operation::Operation;
use super::fixture::{Subject, TestStore};
use crate::proof;

/// How long one case may take: a store that hangs fails the test.
const CASE_DEADLINE: Duration = Duration::from_secs(120);

/// How many shorter cases are tried to make a failure readable.
const SHRINK_TRIES: usize = 500;

/// How much the model test does, as full figures: an ordinary run does a twentieth of the cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelScale {
    /// How many cases.
    pub cases: u64,
    /// How many operations a case has.
    pub operations: usize,
    /// After how many cases a fresh fixture is made; every case has maps of its own.
    pub cases_per_fixture: u64,
    /// How many operations of 10,000 are restarts.
    pub restarts: u32,
}

impl ModelScale {
    /// For a store whose opening costs nothing: 20,000 cases of 200 operations, a restart every 50.
    pub const IN_MEMORY: Self = Self {
        cases: 20_000,
        operations: 200,
        cases_per_fixture: 50,
        restarts: 200,
    };

    /// For a store on a disk, whose opening takes milliseconds and longer the more was written: as many, with a restart every
    /// 2,000 operations.
    pub const ON_DISK: Self = Self {
        cases: 20_000,
        operations: 200,
        cases_per_fixture: 25,
        restarts: 5,
    };

    /// For a store over a network: 500 cases of 200 operations, a restart every 500.
    pub const NETWORK: Self = Self {
        cases: 500,
        operations: 200,
        cases_per_fixture: 25,
        restarts: 20,
    };
}

/// Runs the cases of a store and reports how many there were; at the first that disagrees, it is shortened and shown.
///
/// # Panics
/// When a store disagrees with the model, with the seed and the operations that show it.
pub fn r14_random_operations_agree_with_a_sorted_map<F: TestStore>(name: &str, fixture: impl Fn() -> F) {
    let seed = proof::seed();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a tokio runtime for the test");
    runtime.block_on(async {
        let mut subject = Subject::new(fixture());
        if let Some(why) = subject.lacks().await {
            return proof::skip(&format!("R14 {name}"), &why);
        }
        let scale = subject.model();
        let cases = proof::scaled(scale.cases);
        for number in 0..cases {
            if number > 0 && number % scale.cases_per_fixture == 0 {
                subject = Subject::new(fixture());
            }
            let mut rng = fastrand::Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let operations = Operation::many(&mut rng, scale);
            if let Err(violation) = attempt(&subject, number, &operations).await {
                let shown = shrunk(&fixture, &operations[..=violation.step]).await;
                panic!(
                    "R14 {name}: case {number} of LAYERSTORE_SEED={seed}: {}\n{shown}",
                    violation.what
                );
            }
        }
        report(name, seed, cases, scale);
    });
}

fn report(name: &str, seed: u64, cases: u64, scale: ModelScale) {
    let operations = cases.saturating_mul(u64::try_from(scale.operations).unwrap_or(u64::MAX));
    // One word, so that a line of the report splits at its spaces.
    let row = format!("R14 store={}", name.rsplit("::").next().unwrap_or(name));
    proof::report(
        &row,
        &[
            ("cases", cases),
            ("operations", operations),
            ("seed", seed),
            ("violations", 0),
        ],
    );
}

/// A store did what the model did not.
struct Violation {
    /// The operation that showed it.
    step: usize,
    what: String,
}

async fn attempt(subject: &Subject, number: u64, operations: &[Operation]) -> Result<(), Violation> {
    let mut step = 0;
    let run = async {
        let mut case = Case::open(subject, number).await?;
        for (at, operation) in operations.iter().enumerate() {
            step = at;
            case.run(operation).await?;
        }
        case.finish().await
    };
    let what = match tokio::time::timeout(CASE_DEADLINE, run).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(what)) => what,
        Err(_) => format!("an operation did not end within {CASE_DEADLINE:?}"),
    };
    Err(Violation { step, what })
}

/// Leaves out operations as long as the rest still fails, each time on fresh storage, and shows what remains.
async fn shrunk<F: TestStore>(fixture: &impl Fn() -> F, operations: &[Operation]) -> String {
    let fails = async |operations: &[Operation]| attempt(&Subject::new(fixture()), 0, operations).await.err();
    let mut shortest = operations.to_vec();
    let Some(mut violation) = fails(&shortest).await else {
        return format!(
            "alone, on fresh storage, its {} operations pass: an earlier case is part of it",
            shortest.len()
        );
    };
    let mut tries = 0;
    for at in (0..operations.len()).rev() {
        if at >= shortest.len() || tries == SHRINK_TRIES {
            continue;
        }
        tries += 1;
        let mut shorter = shortest.clone();
        shorter.remove(at);
        if let Some(smaller) = fails(&shorter).await {
            shorter.truncate(smaller.step + 1);
            (shortest, violation) = (shorter, smaller);
        }
    }
    let shown: Vec<String> = shortest
        .iter()
        .map(|operation| format!("    {operation:?}\n"))
        .collect();
    format!(
        "  the shortest that fails has {} operations:\n{}  {}",
        shown.len(),
        shown.concat(),
        violation.what
    )
}
