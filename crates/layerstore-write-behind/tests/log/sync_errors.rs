//! R9: after a sync that failed nothing is acknowledged, and what was acknowledged before is there.

use layerstore_testkit::disk::{Restart, SimulatedDisk};
use layerstore_testkit::proof;
use layerstore_write_behind::{LogError, SyncPolicy};

use crate::script::{Known, POLICIES, run};
use crate::support::{NOW, contents, encoded, open, options};

const SYNCS: u64 = 200;

#[test]
fn r9_after_a_failed_sync_nothing_is_acknowledged_and_nothing_acknowledged_is_lost() {
    let seed = proof::seed();
    let mut runs = 0;
    for policy in POLICIES {
        for sync in 1..=SYNCS {
            let disk = SimulatedDisk::new();
            disk.fail_sync_at(sync);
            let mut known = Known::default();
            let ended = run(&disk, policy, 400, seed, &mut known);
            if ended.is_ok() {
                assert!(
                    disk.syncs() < sync,
                    "{policy}: sync {sync} failed and nobody was told"
                );
                continue;
            }
            runs += 1;
            assert!(
                matches!(ended, Err(LogError::Failed { .. })),
                "{policy}, {sync}: {ended:?}"
            );
            // The process opens the log again; what the failed sync left is in memory alone. Then the power goes.
            let (mut log, _) = open(&disk, options(policy)).unwrap();
            known.check(&contents(&mut log), policy).unwrap();
            drop(log);
            for restart in Restart::POWER_CUTS {
                let (mut log, _) = open(&disk.after(restart, sync), options(policy))
                    .unwrap_or_else(|error| panic!("{policy}, sync {sync}, {restart:?}: {error}"));
                let checked = known.check(&contents(&mut log), policy);
                assert_eq!(checked, Ok(()), "{policy}, sync {sync}, {restart:?}");
            }
        }
    }
    assert!(runs >= SYNCS, "{runs}");
    proof::report("R9", &[("failed_syncs", runs), ("seed", seed), ("violations", 0)]);
}

#[test]
fn l4_a_failed_sync_poisons_the_log() {
    let disk = SimulatedDisk::new();
    let (mut log, _) = open(&disk, options(SyncPolicy::Always)).unwrap();
    log.append(&[encoded(1, 9)], NOW).unwrap();
    disk.fail_sync_at(disk.syncs() + 1);
    let failed = log.append(&[encoded(2, 9)], NOW).unwrap_err();
    assert!(
        failed.outcome_is_unknown() && failed.to_string().starts_with("sync "),
        "{failed}"
    );
    assert!(log.stats().is_poisoned);
    for refused in [
        log.append(&[encoded(3, 9)], NOW).map(drop),
        log.sync(NOW),
        log.tick(NOW),
        log.done(&[]),
    ] {
        assert!(matches!(refused, Err(LogError::Poisoned(_))), "{refused:?}");
    }
    // What is there can be read.
    assert_eq!(contents(&mut log)[0].sequence.0, 1);
    assert!(matches!(log.close(NOW), Err(LogError::Poisoned(_))));
    let (mut log, recovered) = open(&disk, options(SyncPolicy::Always)).unwrap();
    assert!(!recovered.was_closed);
    log.append(&[encoded(4, 9)], NOW).unwrap();
}
