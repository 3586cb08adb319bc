//! R5: whatever the moment at which the power goes, what was promised is there.

use layerstore_testkit::disk::{Restart, SimulatedDisk};
use layerstore_testkit::proof;
use layerstore_write_behind::SyncPolicy;

use crate::script::{Known, POLICIES, run};
use crate::support::{NOW, contents, open, options};

const OPERATIONS: u64 = 200;

/// How many images of each stop: random ones need more than one.
const IMAGES: [(Restart, u64); 4] = [
    (Restart::Keep, 1),
    (Restart::Drop, 1),
    (Restart::Tear, 2),
    (Restart::Reorder, 3),
];

#[test]
fn r5_a_power_cut_at_any_write_sync_or_rename_loses_nothing_that_was_promised() {
    let seed = proof::seed();
    let (mut images, mut cuts, mut steps) = (0, 0, 0);
    for policy in POLICIES {
        let whole = SimulatedDisk::new();
        run(&whole, policy, OPERATIONS, seed, &mut Known::default()).unwrap();
        steps += whole.steps();
        for step in 1..=whole.steps() {
            let disk = SimulatedDisk::new();
            disk.cut_at(step);
            let mut known = Known::default();
            assert!(run(&disk, policy, OPERATIONS, seed, &mut known).is_err());
            for (restart, count) in IMAGES {
                for image in 0..count {
                    let at = format!("{policy}, step {step}, {restart:?}, image {image}");
                    let found = disk.after(restart, seed ^ step ^ image);
                    cuts += u64::from(check(&found, policy, &known, seed ^ step, &at));
                    images += 1;
                }
            }
        }
    }
    assert!(images >= 10_000, "{images} images of {steps} steps");
    proof::report(
        "R5",
        &[
            ("images", images),
            ("steps", steps),
            ("tail_cuts", cuts),
            ("seed", seed),
            ("violations", 0),
        ],
    );
}

/// Opens an image, stopping once on the way; appends, and stops again. Returns whether a tail was cut.
fn check(disk: &SimulatedDisk, policy: SyncPolicy, known: &Known, seed: u64, at: &str) -> bool {
    // The power goes a second time while the log is opened.
    let again = disk.fork();
    again.cut_at(1 + seed % 12);
    let _ = open(&again, options(policy));
    for restart in Restart::POWER_CUTS {
        let twice = again.after(restart, seed);
        let (mut log, _) =
            open(&twice, options(policy)).unwrap_or_else(|error| panic!("{at}, twice: {error}"));
        if let Err(what) = known.check(&contents(&mut log), policy) {
            panic!("{at}, and {restart:?} while opening: {what}");
        }
    }
    let (mut log, recovered) = open(disk, options(policy)).unwrap_or_else(|error| panic!("{at}: {error}"));
    if let Err(what) = known.check(&contents(&mut log), policy) {
        panic!("{at}: {what}");
    }
    // It goes on, and what follows is as safe.
    let mut known = known.clone();
    known.go_on(&mut log, recovered.last);
    let mut rng = fastrand::Rng::with_seed(seed);
    known.append(&mut log, &mut rng, NOW).unwrap();
    log.sync(NOW).unwrap();
    drop(log);
    let (mut log, _) = open(&disk.after(Restart::Drop, 0), options(policy)).unwrap();
    if let Err(what) = known.check(&contents(&mut log), SyncPolicy::Always) {
        panic!("{at}, then appended: {what}");
    }
    recovered.tail_cut.is_some()
}
