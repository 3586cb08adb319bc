//! The handle that many callers share.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use layerstore_record::Millis;
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::disk::{Restart, SimulatedDisk};
use layerstore_write_behind::{DiskStorage, DurableLog, LogError, LogOptions, Sequence, SyncPolicy};

use crate::support::{NOW, encoded, is_of, options};

const DEADLINE: Duration = Duration::from_secs(30);

async fn open(disk: &SimulatedDisk, options: LogOptions) -> DurableLog {
    let clock = ManualClock::at(NOW).shared();
    DurableLog::open(Arc::new(disk.clone()), options, clock)
        .await
        .unwrap()
        .0
}

fn large(sync: SyncPolicy) -> LogOptions {
    options(sync).segment_bytes(1 << 16).max_bytes(1 << 22)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l1_many_callers_share_syncs_and_each_gets_its_own_sequences() {
    let disk = SimulatedDisk::new();
    let log = Arc::new(open(&disk, large(SyncPolicy::Always)).await);
    let mut callers = Vec::new();
    for caller in 0..16_u64 {
        let log = Arc::clone(&log);
        callers.push(tokio::spawn(async move {
            let mut own = Vec::new();
            for step in 0..50 {
                let number = 1 + caller * 100 + step * 2;
                let pair = vec![encoded(number, 20), encoded(number + 1, 20)];
                let appended = log.append(pair).await.unwrap();
                assert_eq!(appended.last.0, appended.first.0 + 1);
                own.push((appended.first.0, number));
            }
            assert!(own.windows(2).all(|pair| pair[0].0 < pair[1].0));
            own
        }));
    }
    let mut all = Vec::new();
    for caller in callers {
        all.extend(caller.await.unwrap());
    }
    let stats = log.stats();
    assert_eq!((stats.pending, stats.last), (1600, Sequence(1600)));
    // At this moment the power goes: every acknowledgement stands.
    let after = open(&disk.after(Restart::Drop, 0), large(SyncPolicy::Always)).await;
    let found = after.pending_after(Sequence(0), u64::MAX).await.unwrap();
    assert_eq!(found.len(), 1600);
    for (first, number) in all {
        let at = usize::try_from(first - 1).unwrap();
        assert!(is_of(&found[at], number, 20) && is_of(&found[at + 1], number + 1, 20));
    }
    assert_eq!(log.close(DEADLINE).await.unwrap().pending, 1600);
}

#[tokio::test]
async fn l1_nobody_is_answered_before_the_sync_that_serves_it() {
    let disk = SimulatedDisk::new();
    let log = open(&disk, large(SyncPolicy::Always)).await;
    disk.fail_sync_at(disk.syncs() + 1);
    let answer = log.append(vec![encoded(1, 9)]).await;
    assert!(matches!(answer, Err(LogError::Failed { .. })), "{answer:?}");
}

#[tokio::test]
async fn l4_after_a_failed_sync_everyone_gets_the_error() {
    let disk = SimulatedDisk::new();
    let log = open(&disk, large(SyncPolicy::Always)).await;
    log.append(vec![encoded(1, 9)]).await.unwrap();
    disk.fail_sync_at(disk.syncs() + 1);
    let entry = || vec![encoded(2, 9)];
    let (a, b, c) = tokio::join!(log.append(entry()), log.append(entry()), log.append(entry()));
    for answer in [a, b, c, log.append(entry()).await] {
        assert!(
            matches!(answer, Err(LogError::Failed { .. } | LogError::Poisoned(_))),
            "{answer:?}"
        );
    }
    assert!(matches!(log.sync().await, Err(LogError::Poisoned(_))));
    assert_eq!(
        log.pending_after(Sequence(0), 1).await.unwrap()[0].sequence,
        Sequence(1)
    );
    assert!(log.stats().is_poisoned);
    assert!(log.close(DEADLINE).await.is_err());
    let log = open(&disk, large(SyncPolicy::Always)).await;
    log.append(entry()).await.unwrap();
}

#[tokio::test]
async fn l5_what_fits_is_appended_where_all_that_wait_do_not() {
    let disk = SimulatedDisk::new();
    let log = open(&disk, options(SyncPolicy::Always)).await;
    while log.append(vec![encoded(1, 900)]).await.is_ok() {}
    let room = log.stats();
    assert_eq!(
        room.bytes,
        disk.used() - disk.contents("sidecar").unwrap().len() as u64
    );
    let (large, small) = tokio::join!(log.append(vec![encoded(2, 900)]), log.append(vec![encoded(3, 0)]));
    assert!(large.unwrap_err().is_full());
    assert_eq!(small.unwrap().last.0, room.last.0 + 1);
    // Room comes when some are done, and whoever waits for it is told.
    let mut stats = log.watch();
    log.done((1..=10).map(Sequence));
    let changed = stats.wait_for(|stats| stats.watermark == Sequence(10));
    tokio::time::timeout(DEADLINE, changed).await.unwrap().unwrap();
    log.append(vec![encoded(4, 900)]).await.unwrap();
}

#[tokio::test]
async fn l8_closing_answers_whoever_waits_and_seals_the_log() {
    let disk = SimulatedDisk::new();
    let log = open(&disk, large(SyncPolicy::Os)).await;
    let (appended, closed) = tokio::join!(log.append(vec![encoded(1, 9)]), log.close(DEADLINE));
    assert_eq!(
        (appended.unwrap().last, closed.unwrap().pending),
        (Sequence(1), 1)
    );
    assert!(matches!(
        log.append(vec![encoded(2, 9)]).await,
        Err(LogError::Closed)
    ));
    assert_eq!(log.close(DEADLINE).await.unwrap().pending, 1);
    let clock = ManualClock::at(NOW).shared();
    let disk = disk.after(Restart::Drop, 0);
    let (_, recovered) = DurableLog::open(Arc::new(disk), large(SyncPolicy::Os), clock)
        .await
        .unwrap();
    assert!(recovered.was_closed);
    assert_eq!(recovered.pending, 1);
}

#[tokio::test]
async fn a_dropped_log_lets_go_of_its_directory_and_keeps_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let storage = || Arc::new(DiskStorage::open(dir.path()).unwrap());
    let clock = ManualClock::at(NOW).shared();
    let (log, _) = DurableLog::open(storage(), LogOptions::default(), Arc::clone(&clock))
        .await
        .unwrap();
    let watch = log.watch();
    log.append(vec![encoded(1, 9)]).await.unwrap();
    drop(log);
    // The thread ends by itself: then nobody tells of changes any more.
    let mut watch = watch;
    let ended = tokio::time::timeout(DEADLINE, async { while watch.changed().await.is_ok() {} });
    ended.await.unwrap();
    let again = tokio::time::timeout(DEADLINE, async {
        loop {
            match DiskStorage::open(dir.path()) {
                Ok(storage) => break storage,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    });
    let storage = Arc::new(again.await.unwrap());
    let (log, recovered) = DurableLog::open(storage, LogOptions::default(), clock)
        .await
        .unwrap();
    assert!(recovered.was_closed);
    assert_eq!(recovered.pending, 1);
    log.close(DEADLINE).await.unwrap();
}

#[tokio::test]
async fn an_interval_is_kept_without_further_appends() {
    let disk = SimulatedDisk::new();
    let clock = ManualClock::at(NOW);
    let options = large("5ms".parse().unwrap());
    let (log, _) = DurableLog::open(Arc::new(disk.clone()), options, clock.shared())
        .await
        .unwrap();
    let mut stats = log.watch();
    log.append(vec![encoded(1, 9)]).await.unwrap();
    let before = log.stats().syncs;
    clock.set(Millis(NOW.0 + 5));
    let synced = stats.wait_for(|stats| stats.syncs > before);
    tokio::time::timeout(DEADLINE, synced).await.unwrap().unwrap();
    let found = open(&disk.after(Restart::Drop, 0), large(SyncPolicy::Os)).await;
    assert_eq!(found.stats().pending, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l6_an_append_that_nobody_took_the_answer_of_does_not_stay_for_ever() {
    let disk = SimulatedDisk::new();
    let log = open(&disk, large(SyncPolicy::Always)).await;
    let kept = log.append(vec![encoded(1, 20)]).await.unwrap();
    // Asked once, and given up: the answer comes when nobody waits any more, or lies there and is never looked at.
    for number in 2..20 {
        let asked = log.append(vec![encoded(number, 20)]).now_or_never();
        assert!(asked.is_none_or(|answer| answer.is_ok_and(|own| {
            log.done([own.first]);
            true
        })));
    }
    let mut stats = log.watch();
    let left = stats.wait_for(|stats| stats.last == Sequence(19) && stats.pending == 1);
    let left = tokio::time::timeout(DEADLINE, left).await;
    assert!(left.is_ok(), "{:?}", log.stats());
    let found = log.pending_after(Sequence(0), u64::MAX).await.unwrap();
    assert_eq!(found[0].sequence, kept.first);
}
