//! A step takes long: nothing is reordered, and flushes and closing end when they should.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use layerstore_testkit::proof;
use layerstore_write_behind::{Failpoint, Runs};
use tokio::time::{Instant, timeout};

use crate::errors::{chosen, dry_run, script};
use crate::hook::{Act, During, Plan};
use crate::script::{DEADLINE, SHORT, Told};
use crate::verify::{rises, verify};

const AT_A_TIME: usize = 8;

/// Long beside what a step takes on a simulated disk.
const DELAY: Duration = Duration::from_millis(1);

/// How long a flush may take, and what may come on top on a machine that is busy.
const FLUSH: Duration = Duration::from_millis(50);
const SLACK: Duration = Duration::from_secs(5);

async fn delay(plan: Plan) -> Option<Plan> {
    let mut script = script(Some(plan));
    script.run().await;
    script.hook.struck()?;
    script.hook.disarm();
    let complain = |what: String| -> () { panic!("R24: {plan:?}: {what}") };
    // A close that is to end soon may not get as far as to seal the log, and says so.
    let others = script
        .told
        .iter()
        .filter(|told| !matches!(told, Told::NotClosed(_)));
    assert_eq!(
        others.count(),
        0,
        "{plan:?}: the client was told {:?}",
        script.told
    );
    rises(&script.world).unwrap_or_else(complain);
    verify(&mut script.world, &script.ledger)
        .await
        .unwrap_or_else(complain);
    Some(plan)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r24_a_step_that_takes_long_reorders_nothing() {
    let steps = dry_run().await.into_keys();
    let plans = steps.map(|step| Plan {
        step,
        pass: 1,
        act: Act::Delay(DELAY),
    });
    let cases = futures::stream::iter(plans).map(|plan| tokio::spawn(delay(plan)));
    let done: Vec<_> = cases.buffer_unordered(AT_A_TIME).collect().await;
    let struck = done.into_iter().filter_map(Result::unwrap);
    let hit: BTreeSet<Failpoint> = struck.map(|plan| plan.step).collect();
    assert_eq!(hit, Failpoint::ALL.iter().copied().collect());
    let counts = [("points_delayed", hit.len() as u64), ("violations", 0)];
    proof::report("R24", &counts);
}

/// Holds a step until a flush, or the closing that it is a part of, has ended all the same.
async fn hold(plan: Plan) -> Option<Plan> {
    let mut script = script(Some(plan));
    let (hook, mut open) = (std::sync::Arc::clone(&script.hook), script.open.subscribe());
    script.hook_holders += 1;
    let mut struck = hook.watch();
    let mut run = tokio::spawn(async move {
        script.run().await;
        script
    });
    let mut ended = None;
    let during = tokio::select! {
        struck = struck.wait_for(Option::is_some) => *struck.unwrap(),
        // The run ended without this pass.
        script = &mut run => {
            ended = Some(script.unwrap());
            None
        }
    };
    match during {
        // Opening takes as long as it takes, and the last close has all the time there is.
        None | Some(During::Open | During::Close) => {}
        Some(During::Work) => {
            let store = open.borrow().clone();
            if let Some(store) = store {
                let began = Instant::now();
                drop(store.flush(FLUSH).await);
                assert!(began.elapsed() < FLUSH + SLACK, "{plan:?}: a flush took too long");
            }
        }
        Some(During::Leave) => {
            let closed = timeout(SHORT + SLACK, open.wait_for(Option::is_none)).await;
            assert!(closed.is_ok(), "{plan:?}: closing took too long");
        }
    }
    hook.release();
    let mut script = match ended {
        Some(script) => script,
        None => timeout(2 * DEADLINE, run)
            .await
            .expect("a script that ends")
            .unwrap(),
    };
    hook.disarm();
    let complain = |what: String| -> () { panic!("R24: {plan:?} during {during:?}: {what}") };
    rises(&script.world).unwrap_or_else(complain);
    verify(&mut script.world, &script.ledger)
        .await
        .unwrap_or_else(complain);
    during.map(|_| plan)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r24_a_flush_ends_in_time_whichever_step_takes_long() {
    let seed = proof::seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut plans = Vec::new();
    for (step, passes) in dry_run().await {
        for pass in chosen(passes, &mut rng) {
            plans.push(Plan {
                step,
                pass,
                act: Act::Hold,
            });
        }
    }
    let cases = futures::stream::iter(plans).map(|plan| tokio::spawn(hold(plan)));
    let done: Vec<_> = cases.buffer_unordered(AT_A_TIME).collect().await;
    let struck: Vec<Plan> = done.into_iter().filter_map(Result::unwrap).collect();
    let hit: BTreeSet<Failpoint> = struck.iter().map(|plan| plan.step).collect();
    assert_eq!(hit, Failpoint::ALL.iter().copied().collect());
    let on_threads = hit.iter().filter(|step| step.runs() == Runs::Thread).count();
    assert!(on_threads > 0 && on_threads < hit.len());
    let counts = [
        ("held", struck.len() as u64),
        ("points_held", hit.len() as u64),
        ("seed", seed),
        ("violations", 0),
    ];
    proof::report("R24", &counts);
}
