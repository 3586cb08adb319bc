//! K1 to K3: a copy keeps what it is given, can be gone on with, and says whether all is there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use layerstore::data_store::{
    ErrorKind, InMemoryDataStore, Limits, MapDataStore, MapDataStoreExt, ScanRequest, TryApply, Write,
    WriteResult,
};
use layerstore::record::{OrEntries, Tags, Timestamp};
use layerstore::{
    Clock, Copy, CopyReport, Expiry, Key, MapName, Millis, NodeId, Record, RecordValue, Value, Version,
};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::doubles::{Call, FailingDataStore, Fault, RecordingDataStore, Side, SlowDataStore};

fn map(name: &str) -> MapName {
    MapName::new(name).unwrap()
}

fn key(number: u64) -> Key {
    Key::new(format!("key:{number:06}")).unwrap()
}

fn version(at: u64) -> Version {
    Version::new(Timestamp::new(ManualClock::START.plus(at), 0, NodeId(at)))
}

/// A record of this number, written at this time: of each kind, with and without an end.
fn record(number: u64, at: u64) -> Record {
    let stamp = version(at).timestamp();
    let value = match number % 5 {
        0 => RecordValue::Tombstone { timestamp: stamp },
        1 => RecordValue::lww(
            Value::Bytes(vec![0; usize::try_from(number % 40).unwrap()].into()),
            stamp,
        ),
        2 => RecordValue::lww(f64::from_bits(number), stamp),
        _ => RecordValue::lww("ü".repeat(usize::try_from(number % 20).unwrap()), stamp),
    };
    let now = ManualClock::START;
    let expiry = match number % 3 {
        0 if !number.is_multiple_of(5) => Expiry {
            deadline: Some(now.plus(1_000_000 + number)),
            max_idle: Some(50_000),
            idle_deadline: Some(now.plus(60_000)),
        },
        _ => Expiry::NEVER,
    };
    Record::builder(value, version(at))
        .created(now.plus(number))
        .updated(now.plus(at))
        .expiry(expiry)
        .build()
}

struct Scene {
    clock: ManualClock,
    from: Arc<InMemoryDataStore>,
    to: Arc<InMemoryDataStore>,
}

impl Scene {
    async fn new(maps: &[(&str, u64)]) -> Self {
        let clock = ManualClock::new();
        let from = Arc::new(InMemoryDataStore::new(clock.shared()));
        let to = Arc::new(InMemoryDataStore::new(clock.shared()));
        for (name, records) in maps {
            from.claim(&map(name)).await.unwrap();
            let writes = (0..*records)
                .map(|number| write(name, number, 10 + number))
                .collect();
            assert!(from.apply(writes).await.iter().all(WriteResult::is_applied));
        }
        Self { clock, from, to }
    }

    fn copy(&self) -> Copy {
        self.copy_to(Arc::clone(&self.to) as _)
    }

    fn copy_to(&self, to: Arc<dyn MapDataStore>) -> Copy {
        Copy::new(Arc::clone(&self.from) as _, to)
            .clock(self.clock.shared())
            .seed(layerstore_testkit::proof::seed())
    }

    async fn run(&self) -> CopyReport {
        self.copy().run(&mut |_| ()).await.unwrap()
    }

    async fn assert_same(&self, name: &str) {
        assert_eq!(contents(&*self.from, name).await, contents(&*self.to, name).await);
    }
}

fn write(name: &str, number: u64, at: u64) -> Write {
    Write::new(map(name), key(number), Arc::new(record(number, at)))
}

async fn contents(store: &dyn MapDataStore, name: &str) -> BTreeMap<Key, Record> {
    let all = store.scan(&map(name), ScanRequest::first(100).with_tombstones());
    all.try_collect().await.unwrap()
}

#[tokio::test]
async fn k1_a_copy_has_every_map_record_and_removal_with_version_times_and_expiry() {
    let scene = Scene::new(&[("a", 2_503), ("b/../c", 7)]).await;
    let report = scene.run().await;
    assert!(report.is_complete(), "{report:?}");
    for (at, (name, records)) in [("a", 2_503_u64), ("b/../c", 7)].into_iter().enumerate() {
        scene.assert_same(name).await;
        let copied = &report.maps[at];
        assert_eq!(
            (copied.map.as_str(), copied.written, copied.unchanged),
            (name, records, 0)
        );
        let tombstones = records.div_ceil(5);
        assert_eq!(
            (copied.source.records, copied.source.tombstones),
            (records - tombstones, tombstones)
        );
        assert_eq!(copied.source, copied.target);
    }
    // Whoever opens the target goes on above everything that came.
    let claim = scene.to.claim(&map("a")).await.unwrap();
    assert!(claim.high_water >= version(10 + 2_502));
}

#[tokio::test]
async fn k1_an_observed_remove_map_is_copied_as_it_is() {
    let scene = Scene::new(&[("a", 0)]).await;
    let at = |millis| Timestamp::new(Millis(millis), 0, NodeId(1));
    let entries = OrEntries::new(vec![(at(1), Value::from(1_u64))]);
    let tags = Tags::new(vec![(at(2), at(3))]);
    let held = Record::builder(RecordValue::or_map(entries, tags), version(5)).build();
    let write = Write::new(map("a"), key(1), Arc::new(held));
    assert!(scene.from.apply_one(write).await.is_applied());
    assert!(scene.run().await.is_complete());
    scene.assert_same("a").await;
}

#[tokio::test]
async fn k1_what_is_newer_in_the_target_stands_and_what_it_alone_has_stays() {
    let scene = Scene::new(&[("a", 20)]).await;
    scene.to.claim(&map("a")).await.unwrap();
    let theirs = [
        write("a", 3, 1_000),
        write("a", 4, 1),
        write("a", 99, 5),
        write("a", 7, 17),
    ];
    assert!(
        scene
            .to
            .apply(theirs.into())
            .await
            .iter()
            .all(WriteResult::is_applied)
    );
    let report = scene.run().await;
    let copied = &report.maps[0];
    assert!(report.is_complete(), "{report:?}");
    assert_eq!((copied.written, copied.unchanged), (18, 1));
    assert_eq!((copied.superseded, copied.extra), (1, 1));
    let held = contents(&*scene.to, "a").await;
    assert_eq!(held[&key(3)].version(), version(1_000));
    assert_eq!(held[&key(4)].version(), version(14));
    assert_eq!(held[&key(99)].version(), version(5));
    assert_eq!(held.len(), 21);
}

#[tokio::test]
async fn k1_only_the_maps_that_are_named_are_copied() {
    let scene = Scene::new(&[("a", 3), ("b", 3), ("c", 3)]).await;
    let copy = scene.copy().map(map("c")).map(map("a")).map(map("a"));
    let report = copy.run(&mut |_| ()).await.unwrap();
    let names: Vec<_> = report.maps.iter().map(|copied| copied.map.as_str()).collect();
    assert_eq!(names, ["a", "c"]);
    assert_eq!(contents(&*scene.to, "b").await.len(), 0);
}

#[tokio::test]
async fn k2_a_copy_dropped_at_any_batch_goes_on_where_it_stopped_and_writes_nothing_twice() {
    let records = 3_300;
    for batches in 0..5 {
        let scene = Scene::new(&[("a", records)]).await;
        let slow = Arc::new(SlowDataStore::new(Arc::clone(&scene.to) as _));
        slow.let_pass(Call::Apply, Side::After, batches);
        slow.shut(Call::Apply, Side::After);
        let mut told = 0;
        {
            let copy = scene.copy_to(Arc::clone(&slow) as _);
            let mut note = |progress: &layerstore::CopyProgress| told = progress.written;
            let mut run = Box::pin(copy.run(&mut note));
            tokio::select! {
                biased;
                ended = &mut run => assert!(ended.is_ok() && batches == 4),
                () = slow.until_waiting(Call::Apply, Side::After, 1) => {}
            }
        }
        let there = u64::try_from(contents(&*scene.to, "a").await.len()).unwrap();
        assert!(told <= there, "{told} records were reported, {there} are there");
        let recording = Arc::new(RecordingDataStore::new(Arc::clone(&scene.to) as _));
        let report = scene
            .copy_to(Arc::clone(&recording) as _)
            .run(&mut |_| ())
            .await
            .unwrap();
        assert!(report.is_complete(), "{report:?}");
        assert_eq!(
            (report.maps[0].unchanged, report.maps[0].written),
            (there, records - there)
        );
        let applied = recording
            .calls()
            .into_iter()
            .filter(|call| call.call == Call::Apply);
        let written: usize = applied.map(|call| call.targets.len()).sum();
        assert_eq!(
            u64::try_from(written).unwrap(),
            records - there,
            "what is there is not written again"
        );
        scene.assert_same("a").await;
    }
}

#[tokio::test(start_paused = true)]
async fn k2_faults_that_a_retry_cures_are_retried_and_others_end_the_copy() {
    let scene = Scene::new(&[("a", 1_500)]).await;
    let failing = Arc::new(FailingDataStore::new(Arc::clone(&scene.to) as _));
    for call in [Call::Claim, Call::ScanPage, Call::Apply] {
        failing.fail_next(call, Fault::before(ErrorKind::Unavailable));
    }
    failing.fail_next(Call::Apply, Fault::lost(ErrorKind::Timeout));
    let report = scene
        .copy_to(Arc::clone(&failing) as _)
        .run(&mut |_| ())
        .await
        .unwrap();
    assert!(report.is_complete(), "{report:?}");
    scene.assert_same("a").await;

    let scene = Scene::new(&[("a", 1_500)]).await;
    let failing = Arc::new(FailingDataStore::new(Arc::clone(&scene.to) as _));
    failing.fail_always(Call::Apply, Fault::before(ErrorKind::Full));
    let ended = tokio::time::timeout(Duration::from_secs(600), async {
        scene.copy_to(failing).run(&mut |_| ()).await
    });
    assert_eq!(ended.await.expect("it ends").unwrap_err().kind(), ErrorKind::Full);
}

#[tokio::test]
async fn k2_a_copy_whose_target_is_claimed_by_another_ends_and_says_so() {
    let scene = Scene::new(&[("a", 5_000)]).await;
    let other = Arc::new(scene.to.share());
    let slow = Arc::new(SlowDataStore::new(Arc::clone(&scene.to) as _));
    slow.shut(Call::Apply, Side::Before);
    let copy = scene.copy_to(Arc::clone(&slow) as _);
    let mut nobody = |_: &layerstore::CopyProgress| ();
    let mut run = Box::pin(copy.run(&mut nobody));
    tokio::select! {
        biased;
        _ = &mut run => panic!("it is held up"),
        () = slow.until_waiting(Call::Apply, Side::Before, 1) => {}
    }
    other.claim(&map("a")).await.unwrap();
    slow.open_all();
    assert_eq!(run.await.unwrap_err().kind(), ErrorKind::Fenced);
}

#[tokio::test]
async fn k3_what_the_target_refuses_is_named_and_the_copy_is_not_complete() {
    let scene = Scene::new(&[("a", 50)]).await;
    let mut limits = Limits::default();
    limits.record_bytes = 70;
    let to = Arc::new(InMemoryDataStore::new(scene.clock.shared()).with_limits(limits));
    let report = scene.copy_to(to).run(&mut |_| ()).await.unwrap();
    let copied = &report.maps[0];
    assert!(!report.is_complete() && copied.refused_count > 0, "{report:?}");
    assert_eq!(copied.refused_count + copied.written, 50);
    assert!(
        copied
            .refused
            .iter()
            .all(|refused| refused.error.kind() == ErrorKind::TooLarge)
    );
    assert_ne!(copied.source, copied.target);
}

#[tokio::test]
async fn k3_another_content_under_the_same_version_is_found() {
    let scene = Scene::new(&[("a", 10)]).await;
    scene.to.claim(&map("a")).await.unwrap();
    let other = Record::builder(RecordValue::lww(7_u64, version(13).timestamp()), version(13)).build();
    let write = Write::new(map("a"), key(3), Arc::new(other));
    assert!(scene.to.apply_one(write).await.is_applied());
    let report = scene.run().await;
    assert_eq!((report.maps[0].different, report.is_complete()), (1, false));
    assert_ne!(report.maps[0].source.checksum, report.maps[0].target.checksum);
}

#[tokio::test]
async fn k3_a_source_that_is_written_to_meanwhile_is_gone_through_again() {
    let scene = Scene::new(&[("a", 2_500)]).await;
    let mut rewritten = false;
    let from = Arc::clone(&scene.from);
    let mut rewrite = |progress: &layerstore::CopyProgress| {
        if progress.is_verifying && !rewritten {
            rewritten = true;
            let late = from.try_apply(vec![write("a", 2_499, 9_999)]);
            assert!(matches!(late, TryApply::Done(answers) if answers[0].is_applied()));
        }
    };
    let report = scene.copy().run(&mut rewrite).await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    scene.assert_same("a").await;
}

#[tokio::test]
async fn k3_a_record_that_ends_during_the_copy_is_not_missed() {
    let scene = Scene::new(&[("a", 30)]).await;
    let clock = scene.clock.clone();
    let mut pass = |progress: &layerstore::CopyProgress| {
        if !progress.is_verifying {
            clock.advance(Duration::from_secs(2_000));
        }
    };
    let report = scene.copy().run(&mut pass).await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    assert!(report.maps[0].source.records < 24, "some have ended: {report:?}");
}

#[tokio::test]
async fn k1_a_fenced_source_is_written_to_no_more_and_its_floors_hold_in_the_target() {
    let scene = Scene::new(&[("a", 40)]).await;
    let (cleared, purged) = (version(20), version(30));
    scene.from.clear(&map("a"), cleared).await.unwrap();
    scene.from.purge(&map("a"), purged).await.unwrap();
    let writer = Arc::new(scene.from.share());
    let report = scene
        .copy_to(Arc::clone(&scene.to) as _)
        .fence_source()
        .run(&mut |_| ())
        .await
        .unwrap();
    assert!(report.is_complete(), "{report:?}");
    scene.assert_same("a").await;
    let late = writer.apply_one(write("a", 1, 5_000)).await;
    assert!(
        matches!(late, WriteResult::Rejected(error) if error.kind() == ErrorKind::NotClaimed || error.kind() == ErrorKind::Fenced)
    );
    let claim = scene.to.claim(&map("a")).await.unwrap();
    assert_eq!((claim.cleared, claim.purged), (cleared, purged));
    // Repeated, it finds everything there.
    let again = scene.copy().fence_source().run(&mut |_| ()).await.unwrap();
    assert_eq!(
        (again.maps[0].written, again.is_complete()),
        (0, true),
        "{again:?}"
    );
    let nobody_waits = scene.clock.now();
    assert!(nobody_waits >= ManualClock::START);
}

#[tokio::test]
async fn a_target_that_keeps_nothing_is_refused() {
    let scene = Scene::new(&[("a", 1)]).await;
    let null = Arc::new(layerstore::data_store::NullDataStore::new());
    let error = scene.copy_to(null).run(&mut |_| ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
}
