//! The clauses of live queries, one by one.

use std::sync::Arc;
use std::time::Duration;

use layerstore_data_store::InMemoryDataStore;
use layerstore_query::{
    Direction, LiveChange, LiveEnded, LiveItem, LiveQuery, LiveQueryBuilder, LiveSubscription, Phase, Query,
    field,
};
use layerstore_record_store::Shutdown;
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::doubles::{Call, Side, SlowDataStore};

use crate::scene::{Scene, config, fields, idle, key, map, ttl};

/// A live query of the three best scores above ten.
fn best(scene: &Scene) -> LiveQueryBuilder {
    let query = Query::of(field("score").range(10..));
    let best = query.order_by("score", Direction::Descending).limit(3);
    LiveQuery::builder("best", map(), best).clock(scene.clock.shared())
}

async fn begin(scene: &Scene, live: LiveQueryBuilder) -> Arc<LiveQuery> {
    let live = Arc::new(live.build());
    scene.observers.add(Arc::clone(&live) as _).unwrap();
    live.build(&scene.partitions).await.unwrap();
    live
}

async fn score(scene: &Scene, name: &str, score: u64) {
    scene.set(name, fields([("score", score.into())])).await;
}

/// What there is to read, as `+key`, `~key` and `-key`, or the numbers of a lag.
fn read(subscription: &mut LiveSubscription) -> Vec<String> {
    let mut read = Vec::new();
    while let Ok(Some(item)) = subscription.try_next() {
        read.push(match item {
            LiveItem::Event(event) => match event.change {
                LiveChange::Entered(_) => format!("+{}", event.key),
                LiveChange::Changed(_) => format!("~{}", event.key),
                LiveChange::Left => format!("-{}", event.key),
            },
            LiveItem::Lagged { from, to } => format!("{from}-{to}"),
        });
    }
    read
}

fn result(subscription: &LiveSubscription) -> Vec<String> {
    let records = subscription.result().iter();
    records.map(|(key, _)| key.to_string()).collect()
}

#[tokio::test]
async fn v1_a_subscriber_is_given_the_result_and_told_how_it_changes() {
    let scene = Scene::with(2, config()).await;
    score(&scene, "a", 20).await;
    score(&scene, "b", 30).await;
    score(&scene, "low", 5).await;
    assert!(scene.evict("a").await);
    let live = begin(&scene, best(&scene)).await;
    let mut subscription = live.subscribe().unwrap();
    assert_eq!(result(&subscription), ["b", "a"]);
    score(&scene, "c", 25).await;
    score(&scene, "d", 40).await;
    assert_eq!(read(&mut subscription), ["+c", "-a", "+d"]);
    score(&scene, "b", 31).await;
    score(&scene, "b", 1).await;
    score(&scene, "low", 6).await;
    assert_eq!(read(&mut subscription), ["~b", "-b", "+a"]);
    scene.remove("c").await;
    assert!(scene.evict("d").await);
    scene.of(&key("d")).get(&key("d")).await.unwrap();
    assert_eq!(
        read(&mut subscription),
        ["-c"],
        "neither eviction nor a load changes anything"
    );
    assert_eq!(result(&live.subscribe().unwrap()), ["d", "a"]);
}

#[tokio::test]
async fn v1_what_has_ended_leaves_though_nobody_sweeps() {
    let scene = Scene::new().await;
    let live = begin(&scene, best(&scene)).await;
    let scored = || fields([("score", 50.into())]);
    scene.set_with("short", scored(), &ttl(10)).await;
    scene.set_with("evicted", scored(), &ttl(20)).await;
    scene.set_with("idle", scored(), &idle(10)).await;
    assert!(scene.evict("evicted").await);
    let mut subscription = live.subscribe().unwrap();
    scene.advance(9);
    scene.of(&key("idle")).get(&key("idle")).await.unwrap();
    scene.advance(1);
    assert_eq!(
        read(&mut subscription),
        ["-short"],
        "a read has kept the idle one alive"
    );
    scene.advance(9);
    assert_eq!(read(&mut subscription), ["-idle"]);
    scene.advance(1);
    assert_eq!(read(&mut subscription), ["-evicted"]);
    assert!(live.is_empty() && result(&live.subscribe().unwrap()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn v1_a_subscriber_that_waits_is_woken_by_an_end() {
    let scene = Scene::new().await;
    let live = begin(&scene, best(&scene)).await;
    scene
        .set_with("short", fields([("score", 50.into())]), &ttl(30))
        .await;
    let mut subscription = live.subscribe().unwrap();
    let clock = scene.clock.clone();
    let passing = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(30)).await;
        clock.advance(Duration::from_millis(30));
    });
    let item = tokio::time::timeout(Duration::from_secs(1), subscription.next()).await;
    assert!(matches!(item, Ok(Some(LiveItem::Event(event))) if event.change == LiveChange::Left));
    passing.await.unwrap();
}

#[tokio::test]
async fn v1_a_record_that_changes_while_its_page_is_read_is_taken_as_it_was_told() {
    let clock = ManualClock::new();
    let slow = Arc::new(SlowDataStore::new(Arc::new(InMemoryDataStore::new(
        clock.shared(),
    ))));
    let scene = Scene::over(clock, Arc::clone(&slow) as _, 1, config()).await;
    for name in ["changed", "left", "removed"] {
        score(&scene, name, 20).await;
    }
    let live = Arc::new(best(&scene).build());
    scene.observers.add(Arc::clone(&live) as _).unwrap();
    assert!(live.subscribe().unwrap_err().to_string().contains("not built"));
    slow.shut(Call::ScanPage, Side::After);
    let building = {
        let (live, partitions) = (Arc::clone(&live), scene.partitions.clone());
        tokio::spawn(async move { live.build(&partitions).await })
    };
    slow.until_waiting(Call::ScanPage, Side::After, 1).await;
    score(&scene, "changed", 5).await;
    scene.remove("removed").await;
    slow.open(Call::ScanPage, Side::After);
    building.await.unwrap().unwrap();
    assert_eq!(result(&live.subscribe().unwrap()), ["left"]);
}

#[tokio::test]
async fn v2_events_are_numbered_and_who_falls_behind_is_told_which_it_missed() {
    let scene = Scene::new().await;
    let live = begin(&scene, best(&scene).max_events(2)).await;
    let mut subscription = live.subscribe().unwrap();
    assert_eq!(subscription.position(), 1);
    for points in 20..25 {
        score(&scene, "a", points).await;
    }
    assert_eq!(read(&mut subscription), ["1-3", "~a", "~a"]);
    assert_eq!(subscription.position(), 6);
    let refreshed: Vec<_> = subscription
        .refresh()
        .unwrap()
        .iter()
        .map(|(key, _)| key.clone())
        .collect();
    assert_eq!(refreshed, [key("a")]);
    let mut away = live.resume(subscription.position()).unwrap();
    score(&scene, "b", 20).await;
    let Ok(Some(LiveItem::Event(event))) = away.try_next() else {
        panic!("nothing came");
    };
    assert_eq!((event.number, event.key), (6, key("b")));
    assert_eq!(
        live.resume(99).unwrap_err().to_string(),
        "event 99 lies ahead of the live query, whose next is 7: subscribe anew"
    );
}

#[tokio::test]
async fn v2_the_end_is_told_after_what_was_left_to_read() {
    let scene = Scene::new().await;
    let live = begin(&scene, best(&scene)).await;
    let mut subscription = live.subscribe().unwrap();
    score(&scene, "a", 20).await;
    scene.stores[0].destroy(Shutdown::Map).await.unwrap();
    assert!(subscription.next().await.is_some() && subscription.next().await.is_none());
    assert_eq!(subscription.try_next(), Err(LiveEnded));
}

#[tokio::test]
async fn v3_a_query_that_means_too_much_says_so_to_the_writer_and_to_subscribers() {
    let scene = Scene::new().await;
    let live = begin(&scene, best(&scene).max_records(2)).await;
    let mut subscription = live.subscribe().unwrap();
    score(&scene, "a", 20).await;
    score(&scene, "b", 20).await;
    let value = fields([("score", 20.into())]).into();
    let written = scene.stores[0]
        .set(&key("c"), value, &Default::default())
        .await
        .unwrap();
    let error = written.observer_error.unwrap();
    assert_eq!(error.observer, "best");
    assert!(error.to_string().contains("more than the 2 records"), "{error}");
    assert_eq!(read(&mut subscription), ["1-4"], "it did not get some of them");
    assert!(subscription.refresh().is_err() && matches!(live.phase(), Phase::Doubtful(_)));
    assert!(
        live.build(&scene.partitions).await.is_err(),
        "there are too many still"
    );
    scene.remove("a").await;
    live.build(&scene.partitions).await.unwrap();
    assert_eq!(subscription.refresh().unwrap().len(), 2);
}

#[tokio::test]
async fn after_a_reset_there_is_no_result_until_it_is_built_anew() {
    let scene = Scene::new().await;
    let live = begin(&scene, best(&scene)).await;
    let mut subscription = live.subscribe().unwrap();
    score(&scene, "a", 20).await;
    scene.stores[0].reset().await.unwrap();
    assert_eq!(read(&mut subscription), ["1-2"]);
    assert!(
        subscription
            .refresh()
            .unwrap_err()
            .to_string()
            .contains("\"best\"")
    );
    live.build(&scene.partitions).await.unwrap();
    assert_eq!(subscription.refresh().unwrap().len(), 1);
}

#[tokio::test]
async fn v1_it_ends_with_the_last_of_its_partitions_and_follows_the_others_until_then() {
    let scene = Scene::with(2, config()).await;
    let live = begin(&scene, best(&scene)).await;
    let mut subscription = live.subscribe().unwrap();
    let of_one = |number: &u32| scene.of(&key(&format!("k{number}"))).partition() == 1;
    let name = format!("k{}", (0..100).find(of_one).unwrap());
    scene.stores[0].destroy(Shutdown::Service).await.unwrap();
    assert_eq!(subscription.try_next(), Ok(None));
    score(&scene, &name, 50).await;
    assert_eq!(read(&mut subscription), [format!("+{name}")]);
    scene.stores[1].destroy(Shutdown::Service).await.unwrap();
    assert_eq!(subscription.try_next(), Err(LiveEnded));
}
