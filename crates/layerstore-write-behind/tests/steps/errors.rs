//! A step returns the error of its kind: the client is told by the contract, and loses nothing that was acknowledged.

use std::collections::BTreeSet;

use futures::StreamExt;
use layerstore_data_store::MapDataStore;
use layerstore_testkit::proof;
use layerstore_testkit::records::version;
use layerstore_write_behind::{DiskStorage, Failpoint};

use crate::answers::{self, TAKES_SPACE};
use crate::hook::{Act, Hook, Plan};
use crate::ledger::{Ledger, key, map};
use crate::script::Script;
use crate::verify::{rises, verify};
use crate::world::World;

/// Runs wait most of their time.
const AT_A_TIME: usize = 8;

pub(crate) fn script(plan: Option<Plan>) -> Script {
    Script::new(World::simulated(), Ledger::default(), Hook::new(plan))
}

/// Counts how often a script passes each step when nothing fails; checks that nothing does.
pub(crate) async fn dry_run() -> std::collections::BTreeMap<Failpoint, u64> {
    let mut dry = script(None);
    dry.run().await;
    assert_eq!(dry.told, [], "nothing was told to fail");
    let passes = dry.hook.passes();
    verify(&mut dry.world, &dry.ledger).await.unwrap();
    passes
}

/// Each pass in a full run; otherwise the first, the last, and a twentieth of those between.
pub(crate) fn chosen(passes: u64, rng: &mut fastrand::Rng) -> Vec<u64> {
    let is_chosen = |pass: &u64| proof::is_full() || *pass == 1 || *pass == passes || rng.u8(0..20) == 0;
    (1..=passes).filter(is_chosen).collect()
}

async fn fail(plan: Plan) -> (Plan, bool) {
    let mut script = script(Some(plan));
    script.run().await;
    let Some(during) = script.hook.struck() else {
        return (plan, false);
    };
    script.hook.disarm();
    let complain = |what: String| -> () { panic!("R24: {plan:?} during {during:?}: {what}") };
    answers::check(plan, during, &script.told).unwrap_or_else(complain);
    rises(&script.world).unwrap_or_else(complain);
    script.world.lose_power();
    verify(&mut script.world, &script.ledger)
        .await
        .unwrap_or_else(complain);
    (plan, true)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r24_a_failing_step_is_answered_by_the_contract_and_loses_nothing() {
    let seed = proof::seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut plans = Vec::new();
    for (step, passes) in dry_run().await {
        for pass in chosen(passes, &mut rng) {
            let fails = Plan {
                step,
                pass,
                act: Act::Fail,
            };
            plans.push(fails);
            if TAKES_SPACE.contains(&step) {
                plans.push(Plan {
                    act: Act::Full,
                    ..fails
                });
            }
        }
    }
    let cases = futures::stream::iter(plans).map(|plan| tokio::spawn(fail(plan)));
    let done: Vec<_> = cases.buffer_unordered(AT_A_TIME).collect().await;
    let struck = done.into_iter().map(Result::unwrap).filter(|(_, struck)| *struck);
    let struck: Vec<Plan> = struck.map(|(plan, _)| plan).collect();
    let hit: BTreeSet<Failpoint> = struck.iter().map(|plan| plan.step).collect();
    assert_eq!(hit, Failpoint::ALL.iter().copied().collect());
    let counts = [
        ("errors", struck.len() as u64),
        ("points_failed", hit.len() as u64),
        ("seed", seed),
        ("violations", 0),
    ];
    proof::report("R24", &counts);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r24_an_opening_that_is_refused_lets_go_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    for step in [Failpoint::RecoverEnd, Failpoint::TakeOver, Failpoint::TakenOver] {
        let plan = Plan {
            step,
            pass: 1,
            act: Act::Fail,
        };
        let refused = World::in_folder(folder.path()).open(&Hook::new(Some(plan))).await;
        assert!(refused.is_err(), "{step:?}");
        let again = DiskStorage::open(folder.path().join("log"));
        assert!(again.is_ok(), "{step:?}: {again:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r24_a_write_of_unknown_outcome_does_not_come_back_after_it_was_removed_and_purged() {
    let plan = Plan {
        step: Failpoint::LogAppended,
        pass: 1,
        act: Act::Fail,
    };
    let hook = Hook::new(Some(plan));
    let (mut world, mut ledger) = (World::simulated(), Ledger::default());
    let store = world.open(&hook).await.unwrap();
    store.claim(&map()).await.unwrap();
    for is_removal in [false, true] {
        let write = ledger.attempt(1, is_removal);
        let answers = store.apply(vec![write]).await;
        assert_eq!(answers[0].is_applied(), is_removal, "{answers:?}");
    }
    store.hard_flush().await.unwrap();
    store.purge(&map(), version(9)).await.unwrap();
    world.lose_power();
    let store = world.open(&hook).await.unwrap();
    store.claim(&map()).await.unwrap();
    assert_eq!(store.load(&map(), &key(1)).await.unwrap(), None);
    store.hard_flush().await.unwrap();
    assert_eq!(store.dead_letters(), []);
}
