//! The archiver has an owner, a deadline, and a report.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::{ErrorKind, MapDataStore};
use layerstore_testkit::doubles::{Call, Fault, Side};
use layerstore_testkit::records::key;
use layerstore_tiered::{Archiver, Schedule};

use crate::support::{Pair, everything};

const PAUSE: Duration = Duration::from_secs(60);

fn start(pair: &Pair) -> Archiver {
    Archiver::start(Arc::clone(&pair.store), Schedule::new(everything()).pause(PAUSE))
}

/// Waits until the archiver has ended so many rounds; tokio's clock goes on by itself.
async fn until_rounds(archiver: &Archiver, rounds: u64) {
    let waited = async {
        while archiver.report().rounds < rounds {
            tokio::time::sleep(PAUSE / 10).await;
        }
    };
    tokio::time::timeout(PAUSE * 100, waited).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn t_work_an_archiver_archives_sweeps_and_ends_with_a_report() {
    let pair = Pair::new().await;
    for number in 1..=10 {
        pair.put(number, number).await;
    }
    let archiver = start(&pair);
    until_rounds(&archiver, 1).await;
    assert_eq!(pair.cold.keys(&pair.map).await.len(), 10);
    pair.remove(1, 11).await;
    pair.put(2, 12).await;
    until_rounds(&archiver, 3).await;
    let report = archiver.shutdown(PAUSE).await;
    assert_eq!(
        (report.archived, report.removed, report.failed),
        (11, 1, 0),
        "{report:?}"
    );
    assert!(report.ended_in_time && report.error.is_none(), "{report:?}");
    pair.assert_held(2, Some(12)).await;
    pair.put(3, 13).await;
    tokio::time::sleep(PAUSE * 3).await;
    assert_eq!(
        pair.hot.row(&pair.map, &key(3)).await.unwrap(),
        *layerstore_testkit::records::record(13),
        "after its end it does nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn t_work_an_archiver_goes_on_after_errors_and_tells_them() {
    let pair = Pair::new().await;
    pair.put(1, 1).await;
    pair.cold
        .failing
        .fail_always(Call::LoadAll, Fault::before(ErrorKind::Unavailable));
    let archiver = start(&pair);
    until_rounds(&archiver, 2).await;
    assert!(archiver.report().failed >= 2);
    pair.cold.failing.heal();
    until_rounds(&archiver, 4).await;
    let report = archiver.shutdown(PAUSE).await;
    assert_eq!(report.archived, 1, "{report:?}");
    assert_eq!(report.error.unwrap().kind(), ErrorKind::Unavailable);
    pair.assert_held(1, Some(1)).await;
}

#[tokio::test(start_paused = true)]
async fn t_work_an_archiver_is_cut_off_at_the_deadline_and_loses_nothing() {
    let sides = [
        (Call::Apply, Side::Before),
        (Call::Apply, Side::After),
        (Call::HardFlush, Side::Before),
        (Call::LoadAll, Side::After),
    ];
    for (call, side) in sides {
        let pair = Pair::new().await;
        pair.put(1, 1).await;
        pair.cold.slow.shut(call, side);
        let archiver = start(&pair);
        pair.cold.slow.until_waiting(call, side, 1).await;
        let report = archiver.shutdown(Duration::from_secs(1)).await;
        assert!(!report.ended_in_time, "{report:?}");
        assert_eq!(
            pair.cold.slow.waiting(call, side),
            0,
            "it is not at work any more"
        );
        pair.cold.slow.open_all();
        pair.assert_held(1, Some(1)).await;
        pair.archive().await;
        pair.assert_held(1, Some(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn t_work_a_dropped_archiver_ends_and_does_not_keep_the_store() {
    let pair = Pair::new().await;
    let archiver = start(&pair);
    until_rounds(&archiver, 1).await;
    drop(archiver);
    tokio::time::sleep(PAUSE * 2).await;
    assert_eq!(Arc::strong_count(&pair.store), 1);
    assert!(pair.store.close(PAUSE).await.is_complete());
}
