//! The clauses of indexes, one by one.

use std::sync::Arc;

use layerstore_data_store::{InMemoryDataStore, NullDataStore};
use layerstore_query::{Direction, Index, IndexKind, LiveQuery, Path, Phase, Query, QueryError, field};
use layerstore_record::Value;
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::doubles::{Call, RecordingDataStore, Side, SlowDataStore};

use crate::scene::{Scene, config, fields, idle, key, map, names, of, ttl};

fn by_city() -> Index {
    Index::hash("by-city", map(), "address.city")
}

fn in_city(city: &str) -> Query {
    Query::of(field("address.city").equals(city))
}

#[tokio::test]
async fn q1_a_query_by_an_index_returns_what_reading_everything_returns() {
    let scene = Scene::with(3, config()).await;
    let index = scene.index(by_city()).await;
    for number in 0..20 {
        scene
            .set(&format!("k{number:02}"), of(["Oslo", "Bergen"][number % 2]))
            .await;
    }
    assert_eq!(scene.found(&in_city("Oslo"), &index).await.len(), 10);
    scene.set("k00", of("Bergen")).await;
    scene.remove("k02").await;
    scene.set("k04", 4).await;
    let left = ["k06", "k08", "k10", "k12", "k14", "k16", "k18"];
    assert_eq!(scene.found(&in_city("Oslo"), &index).await, left);
    scene.stores[0].delete_all().await.unwrap();
    let before = index.len();
    assert!(before > 0, "the other partitions are there");
    assert!(scene.found(&in_city("Bergen"), &index).await.len() <= before);
}

#[tokio::test]
async fn q1_a_record_is_found_by_each_of_its_values_once() {
    let scene = Scene::new().await;
    let index = scene.index(Index::ordered("by-tag", map(), "tags")).await;
    let tagged = |tags: &[&str]| {
        let tags: Vec<Value> = tags.iter().map(|tag| (*tag).into()).collect();
        fields([("tags", tags.into())])
    };
    scene.set("a", tagged(&["new", "nordic", "new"])).await;
    scene.set("b", tagged(&[])).await;
    scene.set("c", tagged(&["old"])).await;
    let query = |predicate| Query::of(predicate);
    assert_eq!(
        scene.found(&query(field("tags").starts_with("n")), &index).await,
        ["a"]
    );
    assert_eq!(
        scene.found(&query(field("tags").range("nordic"..)), &index).await,
        ["a", "c"]
    );
    assert_eq!(
        scene
            .found(&query(field("tags").is_in(["new", "old", "no"])), &index)
            .await,
        ["a", "c"]
    );
    scene.set("a", tagged(&["nordic"])).await;
    assert_eq!(
        scene.found(&query(field("tags").equals("new")), &index).await,
        [""; 0]
    );
    assert_eq!(index.len(), 2);
}

#[tokio::test]
async fn q1_what_an_index_finds_is_judged_by_the_whole_predicate_in_order_and_limited() {
    let scene = Scene::with(2, config()).await;
    let index = scene.index(Index::ordered("by-age", map(), "age")).await;
    for age in 0..40 {
        scene
            .set(
                &format!("k{age}"),
                fields([("age", age.into()), ("odd", (age % 2).into())]),
            )
            .await;
    }
    scene.set("text", fields([("age", "39".into())])).await;
    let odd = field("age").range(18..).and(field("odd").equals(1));
    let oldest = Query::of(odd).order_by("age", Direction::Descending).limit(3);
    assert_eq!(scene.found(&oldest, &index).await, ["k39", "k37", "k35"]);
    let answer = scene.ask(&oldest, &[index]).await;
    assert_eq!(
        answer.explanation.to_string(),
        "index \"by-age\" (ordered): age >= 18, about 22; 22 records examined, 3 returned"
    );
}

#[tokio::test]
async fn the_index_that_leads_to_the_fewest_records_is_chosen_and_a_union_needs_one_for_each() {
    let scene = Scene::new().await;
    let city = scene.index(by_city()).await;
    let age = scene.index(Index::ordered("by-age", map(), "age")).await;
    let user =
        |city: &str, age: u64| fields([("address", fields([("city", city.into())])), ("age", age.into())]);
    for number in 0..10 {
        scene.set(&format!("k{number}"), user("Oslo", number)).await;
    }
    let indexes = [city, age];
    let both = field("address.city").equals("Oslo").and(field("age").range(8..));
    let answer = scene.ask(&Query::of(both.clone()), &indexes).await;
    assert_eq!(names(&answer), ["k8", "k9"]);
    assert_eq!(
        answer.explanation.access.to_string(),
        "index \"by-age\" (ordered): age >= 8, about 2"
    );
    let either = field("address.city").equals("Rome").or(field("age").equals(3));
    let answer = scene.ask(&Query::of(either.clone()), &indexes).await;
    assert_eq!(
        (names(&answer), answer.explanation.examined),
        (vec!["k3".to_owned()], 1)
    );
    for unserved in [!both, either.or(field("name").exists())] {
        let answer = scene.ask(&Query::of(unserved.clone()), &indexes).await;
        assert_eq!(
            answer.explanation.access.to_string(),
            "everything is read: no index serves",
            "{unserved}"
        );
    }
    let ordered = scene
        .ask(&Query::of(field("address.city").starts_with("O")), &indexes)
        .await;
    assert_eq!(ordered.explanation.examined, 10, "a hash index finds no prefix");
}

#[tokio::test]
async fn q2_a_record_that_has_ended_is_never_returned() {
    let scene = Scene::new().await;
    let index = scene.index(by_city()).await;
    scene.set_with("short", of("Oslo"), &ttl(10)).await;
    scene.set_with("idle", of("Oslo"), &idle(10)).await;
    scene.set("long", of("Oslo")).await;
    scene.advance(10);
    assert_eq!(index.len(), 3, "nobody has swept");
    assert_eq!(scene.found(&in_city("Oslo"), &index).await, ["long"]);
    scene.set_with("evicted", of("Rome"), &ttl(10)).await;
    assert!(scene.evict("evicted").await);
    scene.advance(10);
    assert_eq!(scene.found(&in_city("Rome"), &index).await, [""; 0]);
    assert_eq!(
        index.len(),
        1,
        "what led nowhere was forgotten, though nobody tells of what ends out of memory"
    );
}

#[tokio::test]
async fn a_query_is_no_read_of_what_is_in_memory() {
    let scene = Scene::new().await;
    let index = scene.index(by_city()).await;
    scene.set_with("idle", of("Oslo"), &idle(10)).await;
    scene.advance(9);
    assert_eq!(scene.found(&in_city("Oslo"), &index).await, ["idle"]);
    scene.advance(1);
    assert_eq!(
        scene.found(&in_city("Oslo"), &index).await,
        [""; 0],
        "it was not kept alive"
    );
}

#[tokio::test]
async fn q3_what_is_there_is_built_from_and_pages_are_bounded() {
    let scene = Scene::with(2, config()).await;
    for number in 0..2_500 {
        scene.set(&format!("k{number}"), of("Oslo")).await;
    }
    assert!(scene.evict("k7").await);
    let index = scene.unbuilt(by_city());
    assert_eq!(index.phase(), Phase::New);
    let mut build = index.begin_build(&scene.partitions).unwrap();
    while build.step().await.unwrap() {
        assert!(build.report().records <= build.report().pages * 1_000);
        assert_eq!(index.phase(), Phase::Building);
        let answer = scene.ask(&in_city("Oslo"), &[Arc::clone(&index)]).await;
        assert_eq!(
            answer.explanation.to_string(),
            "everything is read: no index serves; 2500 records examined, 2500 returned"
        );
    }
    assert!(build.report().pages >= 4 && index.phase() == Phase::Ready);
    assert_eq!(scene.found(&in_city("Oslo"), &index).await.len(), 2_500);
}

#[tokio::test]
async fn q3_a_record_that_changes_while_its_page_is_read_is_taken_as_it_was_told() {
    let clock = ManualClock::new();
    let below = Arc::new(InMemoryDataStore::new(clock.shared()));
    let slow = Arc::new(SlowDataStore::new(below));
    let scene = Scene::over(clock, Arc::clone(&slow) as _, 1, config()).await;
    for name in ["changed", "left", "removed"] {
        scene.set(name, of("Oslo")).await;
    }
    let index = scene.unbuilt(by_city());
    // The page is read, and its answer held back while two of its records change.
    slow.shut(Call::ScanPage, Side::After);
    let building = {
        let (index, partitions) = (Arc::clone(&index), scene.partitions.clone());
        tokio::spawn(async move { index.build(&partitions).await })
    };
    slow.until_waiting(Call::ScanPage, Side::After, 1).await;
    scene.set("changed", of("Rome")).await;
    scene.remove("removed").await;
    slow.open(Call::ScanPage, Side::After);
    building.await.unwrap().unwrap();
    assert_eq!(index.len(), 2, "what was removed is not back");
    assert_eq!(scene.found(&in_city("Oslo"), &index).await, ["left"]);
    assert_eq!(scene.found(&in_city("Rome"), &index).await, ["changed"]);
}

#[tokio::test]
async fn q4_eviction_takes_nothing_from_an_index_over_stored_records() {
    let scene = Scene::new().await;
    let index = scene.index(by_city()).await;
    scene.set("a", of("Oslo")).await;
    assert!(scene.evict("a").await);
    assert_eq!(scene.found(&in_city("Oslo"), &index).await, ["a"]);
    // A blind set of what is not in memory: nobody knows what was there, but the index.
    assert!(scene.evict("a").await);
    scene.set("a", of("Rome")).await;
    assert_eq!(scene.found(&in_city("Oslo"), &index).await, [""; 0]);
    assert_eq!(
        (scene.found(&in_city("Rome"), &index).await, index.len()),
        (vec!["a".to_owned()], 1)
    );
}

#[tokio::test]
async fn q4_an_index_over_resident_records_follows_memory_and_answers_of_nothing_else() {
    let scene = Scene::new().await;
    scene.set("before", of("Oslo")).await;
    let index = scene.index(by_city().over_resident()).await;
    scene.set("a", of("Oslo")).await;
    let resident = in_city("Oslo").resident();
    assert_eq!(scene.found(&resident, &index).await, ["a", "before"]);
    assert!(scene.evict("a").await);
    assert_eq!(
        (scene.found(&resident, &index).await, index.len()),
        (vec!["before".to_owned()], 1)
    );
    scene.of(&key("a")).get(&key("a")).await.unwrap();
    assert_eq!(
        scene.found(&resident, &index).await,
        ["a", "before"],
        "a load brings it back"
    );
    let stored = scene.ask(&in_city("Oslo"), &[Arc::clone(&index)]).await;
    assert_eq!(
        stored.explanation.access.to_string(),
        "everything is read: no index serves"
    );
    scene.stores[0].reset().await.unwrap();
    assert_eq!((scene.found(&resident, &index).await, index.len()), (vec![], 0));
}

#[tokio::test]
async fn q5_after_a_reset_an_index_over_stored_records_waits_to_be_built_anew() {
    let scene = Scene::new().await;
    let index = scene.index(by_city()).await;
    scene.set("a", of("Oslo")).await;
    scene.stores[0].reset().await.unwrap();
    assert!(matches!(index.phase(), Phase::Doubtful(_)));
    let answer = scene.ask(&in_city("Oslo"), &[Arc::clone(&index)]).await;
    assert_eq!(
        answer.explanation.to_string(),
        "everything is read: no index serves; 1 records examined, 1 returned"
    );
    index.build(&scene.partitions).await.unwrap();
    assert_eq!(scene.found(&in_city("Oslo"), &index).await, ["a"]);
}

#[tokio::test]
async fn q5_a_reset_while_an_index_is_built_makes_the_build_fail() {
    let scene = Scene::new().await;
    scene.set("a", of("Oslo")).await;
    let index = scene.unbuilt(by_city());
    let mut build = index.begin_build(&scene.partitions).unwrap();
    scene.stores[0].reset().await.unwrap();
    let error = build.step().await.unwrap_err();
    assert!(error.to_string().contains("by-city"), "{error}");
    assert!(matches!(index.phase(), Phase::Doubtful(_)));
}

#[tokio::test]
async fn an_index_says_what_it_is() {
    let index = Index::ordered("by-age", map(), "age");
    assert_eq!(
        (index.kind(), index.path()),
        (IndexKind::Ordered, &Path::from("age"))
    );
    assert!(index.is_empty() && format!("{index:?}").contains("by-age"));
}

#[tokio::test]
async fn an_index_or_a_live_query_of_another_map_is_not_built_since_it_would_not_be_kept_up() {
    let scene = Scene::new().await;
    let other = layerstore_record::MapName::new("other").unwrap();
    let index = Index::hash("city", other.clone(), "address.city");
    let live = LiveQuery::builder("live", other, Query::of(field("age").exists())).build();
    let refused = [
        index.build(&scene.partitions).await.unwrap_err(),
        live.build(&scene.partitions).await.unwrap_err(),
    ];
    for (refused, name) in refused.into_iter().zip(["city", "live"]) {
        assert!(
            matches!(&refused, QueryError::OtherMap { name: of, .. } if of == name),
            "{refused}"
        );
    }
    assert_eq!((index.phase(), live.phase()), (Phase::New, Phase::New));
}

/// A map of two partitions with 4,000 users of different ages, every tenth of whom is in Oslo, and ten without an age; and an index of ages.
async fn many() -> (Scene, Arc<Index>) {
    let scene = Scene::with(2, config()).await;
    for number in 0..4_000_u64 {
        let city = if number % 10 == 3 { "Oslo" } else { "Bergen" };
        let user = fields([("age", (number * 7_919 % 4_000).into()), ("city", city.into())]);
        scene.set(&format!("k{number:04}"), user).await;
    }
    for number in 0..10 {
        scene
            .set(&format!("ageless{number}"), fields([("city", "Oslo".into())]))
            .await;
    }
    let index = scene.index(Index::ordered("age", map(), "age")).await;
    (scene, index)
}

#[tokio::test]
async fn q1_the_first_of_an_order_are_found_along_an_ordered_index_without_looking_at_the_others() {
    let (scene, index) = many().await;
    scene.remove("k0001").await;
    scene.evict("k0002").await;
    let in_oslo = field("city").equals("Oslo");
    let grown_up = field("age").range(18..);
    for direction in [Direction::Ascending, Direction::Descending] {
        for of in [
            field("city").exists(),
            grown_up.clone(),
            in_oslo.clone(),
            !in_oslo.clone(),
        ] {
            let query = Query::of(of).order_by("age", direction).limit(10);
            assert_eq!(scene.found(&query, &index).await.len(), 10);
            let answer = scene.ask(&query, std::slice::from_ref(&index)).await;
            let shown = answer.explanation.to_string();
            assert!(shown.starts_with("index \"age\" (ordered): from the "), "{shown}");
            assert!(answer.explanation.examined < 1_500, "{shown}");
        }
    }
    let first = Query::of(grown_up)
        .order_by("age", Direction::Descending)
        .limit(1);
    let answer = scene.ask(&first, &[index]).await;
    assert_eq!(
        answer.explanation.to_string(),
        "index \"age\" (ordered): from the greatest age on; 64 records examined, 1 returned"
    );
}

#[tokio::test]
async fn q1_who_is_not_among_the_first_of_an_index_is_found_by_reading_everything() {
    let (scene, index) = many().await;
    let indexes = std::slice::from_ref(&index);
    let rare = Query::of(field("city").equals("Rome")).order_by("age", Direction::Ascending);
    let ageless = Query::of(field("age").range(..3_990).and(!field("age").exists()));
    let all = Query::of(field("city").exists()).order_by("age", Direction::Ascending);
    for (query, found) in [
        (rare.limit(5), 0),
        (ageless.order_by("age", Direction::Descending).limit(5), 0),
        (all.limit(4_005), 4_005),
    ] {
        let answer = scene.ask(&query, indexes).await;
        assert_eq!(
            (answer.records.len(), answer.records),
            (found, scene.ask(&query, &[]).await.records)
        );
    }
    let few = scene.index(Index::ordered("name", map(), "name")).await;
    scene.set("named", fields([("name", "Ada".into())])).await;
    let named = Query::of(field("city").exists().or(field("name").exists()));
    let query = named.order_by("name", Direction::Ascending).limit(3);
    let answer = scene.ask(&query, std::slice::from_ref(&few)).await;
    assert_eq!(
        names(&answer),
        ["named", "ageless0", "ageless1"],
        "those without a value come last"
    );
}

#[tokio::test]
async fn q1_a_limit_ends_the_reading_where_the_order_is_that_of_keys() {
    let (scene, index) = many().await;
    let grown_up = Query::of(field("age").range(18..)).limit(5);
    let answer = scene.ask(&grown_up, &[index]).await;
    assert!(answer.explanation.examined <= 10, "{}", answer.explanation);
    let whole = scene.ask(&grown_up, &[]).await;
    assert_eq!(answer.records, whole.records);
    assert_eq!(
        names(&whole),
        ["k0001", "k0002", "k0003", "k0004", "k0005"].map(str::to_owned)
    );
    assert!(
        whole.explanation.examined <= 2_000,
        "a page of each partition: {}",
        whole.explanation
    );
}

#[tokio::test]
async fn q4_a_query_of_what_is_in_memory_leaves_the_data_store_in_peace_though_its_index_knows_more() {
    let clock = ManualClock::new();
    let below = InMemoryDataStore::new(clock.shared());
    let below = Arc::new(RecordingDataStore::new(Arc::new(below)));
    let scene = Scene::over(clock, Arc::clone(&below) as _, 1, config()).await;
    let index = scene.index(by_city()).await;
    for name in ["a", "b", "c"] {
        scene.set(name, of("Oslo")).await;
    }
    assert!(scene.evict("a").await && scene.evict("c").await);
    drop(below.take());
    let answer = scene
        .ask(&in_city("Oslo").resident(), std::slice::from_ref(&index))
        .await;
    assert_eq!((names(&answer), index.len()), (vec!["b".to_owned()], 3));
    assert_eq!(below.calls(), []);
}

#[tokio::test]
async fn q1_a_map_without_a_data_store_is_read_in_the_order_of_memory_and_answers_alike() {
    let below = Arc::new(NullDataStore::new());
    let scene = Scene::over(ManualClock::new(), below, 2, config()).await;
    for number in (0..2_500).rev() {
        let city = ["Oslo", "Bergen"][number % 2];
        scene.set(&format!("k{number:04}"), of(city)).await;
    }
    let index = scene.index(by_city()).await;
    let live = Arc::new(LiveQuery::builder("live", map(), in_city("Oslo").limit(3)).build());
    scene.observers.add(Arc::clone(&live) as _).unwrap();
    let report = live.build(&scene.partitions).await.unwrap();
    assert_eq!((report.records, index.len()), (2_500, 2_500));
    assert_eq!(scene.found(&in_city("Oslo"), &index).await.len(), 1_250);
    let first = ["k0000", "k0002", "k0004"];
    assert_eq!(scene.found(&in_city("Oslo").limit(3), &index).await, first);
    let subscription = live.subscribe().unwrap();
    let result = subscription.result().iter().map(|(key, _)| key.to_string());
    assert_eq!(result.collect::<Vec<_>>(), first);
}
