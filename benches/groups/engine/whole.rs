//! What the bare map cannot do in any time worth comparing: a sample, and a page. Both against the time that they may take.

use std::hint::black_box;
use std::time::Duration;

use layerstore_benches::workload::key;
use layerstore_benches::{BenchError, Case, Group};
use layerstore_engine::{Cursor, HashMapEngine, StorageEngine};

use crate::subjects::{Subjects, Writer};

/// Records of a sample: what the default eviction policy draws.
const SAMPLE: usize = 16;

/// Samples of a round.
const SAMPLES: u32 = 20_000;

/// What a sample of a million records may take.
const SAMPLE_TIME: Duration = Duration::from_nanos(1_300);

/// A map four times as large may take 1.8 times as long.
const GROWN: u64 = 4;
const GROWN_TARGET: f64 = 1.0 / 1.8;

/// Records of a page, and what each of them may take.
const PAGE: usize = 1_000;
const RECORD_TIME: Duration = Duration::from_nanos(60);

/// Any fixed number: every run draws the same.
const SEED: u64 = 7;

pub(crate) async fn measure(group: &mut Group, subjects: &Subjects) -> Result<(), BenchError> {
    let case = samples("sample of 16, against the 1.3 us that it may take", 1.0);
    let work = async |round| sample(&subjects.engine, round);
    group.hold_to(case, SAMPLE_TIME, work).await?;
    let case = Case {
        what: "scan in pages of 1,000, against the 60 ns that a record may take",
        unit: "records",
        count: u32::try_from(subjects.keys.len())?,
        target: 1.0,
    };
    group
        .hold_to(case, RECORD_TIME, async |_| scan(&subjects.engine))
        .await
}

/// Samples a map that is four times as large, in turn with one that is not.
pub(crate) async fn grown(group: &mut Group, size: u64) -> Result<(), BenchError> {
    let (small, large) = (filled(size)?, filled(size * GROWN)?);
    let case = samples(
        "sample of 16, from four times as many records against once",
        GROWN_TARGET,
    );
    let ours = async |round| sample(&large, round);
    group
        .compare(case, ours, async |round| sample(&small, round))
        .await
}

/// Makes an engine of records that share their value: what is sampled is not looked into.
fn filled(size: u64) -> Result<HashMapEngine, BenchError> {
    let (engine, mut writer) = (HashMapEngine::new(), Writer::new());
    for number in 0..size {
        engine.put(key(number)?, writer.write());
    }
    Ok(engine)
}

fn sample(engine: &HashMapEngine, round: u64) -> Result<(), BenchError> {
    let mut rng = fastrand::Rng::with_seed(SEED ^ round);
    for _ in 0..SAMPLES {
        if black_box(engine.sample(&mut rng, SAMPLE)).len() < SAMPLE {
            return Err("a sample is too small".into());
        }
    }
    Ok(())
}

fn scan(engine: &HashMapEngine) -> Result<(), BenchError> {
    let (mut cursor, mut found) = (Some(Cursor::start()), 0);
    while let Some(from) = cursor {
        let page = engine.fetch(&from, PAGE);
        found += page.slots.len();
        cursor = page.next;
    }
    if found == engine.len() {
        Ok(())
    } else {
        Err("a scan has left something out".into())
    }
}

fn samples(what: &'static str, target: f64) -> Case {
    Case {
        what,
        unit: "samples",
        count: SAMPLES,
        target,
    }
}
