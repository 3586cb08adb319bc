//! What each verb of a typed map does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::{FutureExt, TryStreamExt};
use layerstore::{DataStoreKind, Error, Layerstore, MapSettings};

use super::{User, close, on_both_flavours, user};

#[test]
fn f1_partitions_do_not_show_in_what_the_verbs_answer() {
    on_both_flavours(|| {
        async {
            let store = Layerstore::builder()
                .data_store_kind(DataStoreKind::Memory)
                .map("users", MapSettings::new().partitions(7))
                .build()
                .await
                .unwrap();
            let users = store.map::<User>("users").unwrap();
            assert_eq!(users.put("a", &user("A", 1)).await.unwrap(), None);
            assert_eq!(users.put("a", &user("A", 2)).await.unwrap(), Some(user("A", 1)));
            assert!(users.contains("a").await.unwrap() && !users.contains("b").await.unwrap());
            let many: Vec<_> = (0..100).map(|n| (format!("k{n:03}"), user("many", n))).collect();
            let written = users
                .put_many(many.iter().map(|(key, user)| (key, user)))
                .await
                .unwrap();
            assert!(written.len() == 100 && written.iter().all(Result::is_ok));
            let found = users.get_many(["k007", "nobody", "k099", "k007"]).await.unwrap();
            let visits: Vec<_> = found
                .iter()
                .map(|found| found.as_ref().map(|user| user.visits))
                .collect();
            assert_eq!(visits, [Some(7), None, Some(99), Some(7)]);
            assert_eq!(users.count().await.unwrap(), 101);
            assert_eq!(users.remove("k007").await.unwrap(), Some(user("many", 7)));
            assert_eq!(users.remove("k007").await.unwrap(), None);
            let all: Vec<_> = users.entries().try_collect().await.unwrap();
            let keys: Vec<_> = all.iter().map(|(key, _)| key.as_str().to_owned()).collect();
            assert_eq!(keys.len(), 100);
            assert!(keys.is_sorted(), "{keys:?}");
            users.clear().await.unwrap();
            assert_eq!(users.count().await.unwrap(), 0);
            close(store).await;
        }
        .boxed()
    });
}

#[test]
fn concurrent_updates_are_all_counted() {
    on_both_flavours(|| {
        async {
            let store = Layerstore::builder().in_memory().build().await.unwrap();
            let counts = store.map::<u64>("counts").unwrap();
            let tasks = (0..8).map(|_| {
                let counts = counts.clone();
                tokio::spawn(async move {
                    for _ in 0..100 {
                        counts
                            .update("c", |old| Some(old.unwrap_or(0) + 1))
                            .await
                            .unwrap();
                    }
                })
            });
            futures::future::try_join_all(tasks.collect::<Vec<_>>())
                .await
                .unwrap();
            assert_eq!(counts.get("c").await.unwrap(), Some(800));
            assert_eq!(counts.update("c", |_| None).await.unwrap(), None);
            assert_eq!(counts.get("c").await.unwrap(), None);
        }
        .boxed()
    });
}

#[test]
fn f2_of_many_who_miss_a_value_one_makes_it() {
    on_both_flavours(|| {
        async {
            let store = Layerstore::builder().in_memory().build().await.unwrap();
            let users = store.map::<User>("users").unwrap();
            let made = Arc::new(AtomicUsize::new(0));
            let tasks = (0..100).map(|_| {
                let (users, made) = (users.clone(), Arc::clone(&made));
                tokio::spawn(async move {
                    let make = async {
                        tokio::task::yield_now().await;
                        made.fetch_add(1, Ordering::SeqCst);
                        Ok::<_, Error>(user("made", 1))
                    };
                    assert_eq!(
                        users.get_or_insert_with("k", make).await.unwrap(),
                        user("made", 1)
                    );
                })
            });
            futures::future::try_join_all(tasks.collect::<Vec<_>>())
                .await
                .unwrap();
            assert_eq!(made.load(Ordering::SeqCst), 1);
        }
        .boxed()
    });
}

#[tokio::test(start_paused = true)]
async fn f2_who_waits_for_another_callers_value_gives_up_at_the_load_deadline() {
    let patience = Duration::from_secs(7);
    let settings = MapSettings::new().load_deadline(patience);
    let builder = Layerstore::builder().in_memory().map("users", settings);
    let users = builder.build().await.unwrap().map::<User>("users").unwrap();
    let (finish, finished) = tokio::sync::oneshot::channel();
    let mut making = std::pin::pin!(users.get_or_insert_with("k", async {
        finished.await.unwrap();
        Ok::<_, Error>(user("slow", 1))
    }));
    assert!(futures::poll!(making.as_mut()).is_pending());
    let begun = tokio::time::Instant::now();
    let other = users.get_or_insert_with("k", async { Ok::<_, Error>(user("other", 2)) });
    let other = tokio::time::timeout(Duration::from_secs(3_600), other).await;
    let error = other.expect("it waits without end").unwrap_err();
    assert_eq!(begun.elapsed(), patience);
    let Error::Records(records) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(records.kind(), layerstore::RecordErrorKind::Deadline);
    let said = error.to_string();
    assert!(
        said.contains("\"k\"") && said.contains("7s") && said.contains("load_deadline"),
        "{said}"
    );

    // Who makes it is in no hurry, and another key waits for nobody.
    let free = users.get_or_insert_with("free", async { Ok::<_, Error>(user("free", 3)) });
    assert_eq!(free.await.unwrap(), user("free", 3));
    finish.send(()).unwrap();
    assert_eq!(making.await.unwrap(), user("slow", 1));
    let after = users.get_or_insert_with("k", async { Ok::<_, Error>(user("other", 2)) });
    assert_eq!(after.await.unwrap(), user("slow", 1));
}

#[test]
fn an_error_of_the_callers_own_comes_back_and_nothing_is_kept() {
    on_both_flavours(|| {
        async {
            let store = Layerstore::builder().in_memory().build().await.unwrap();
            let users = store.map::<User>("users").unwrap();
            let failed: Result<User, Box<dyn std::error::Error>> = users
                .get_or_insert_with("k", async { Err("no such user".into()) })
                .await;
            assert_eq!(failed.unwrap_err().to_string(), "no such user");
            assert!(!users.contains("k").await.unwrap());
        }
        .boxed()
    });
}

#[tokio::test]
async fn a_value_of_another_type_is_an_error_that_names_it() {
    let store = Layerstore::builder().in_memory().build().await.unwrap();
    store
        .map::<String>("m")
        .unwrap()
        .set("k", &"hidden".to_owned())
        .await
        .unwrap();
    let numbers = store.map::<u64>("m").unwrap();
    let error = numbers.get("k").await.unwrap_err();
    assert!(matches!(error, Error::Decode { .. }));
    let text = error.to_string();
    assert!(
        text.contains("\"m\"") && text.contains("\"k\"") && !text.contains("hidden"),
        "{text}"
    );
    // An update that cannot read what is there writes nothing.
    assert!(matches!(
        numbers.update("k", |_| Some(1)).await,
        Err(Error::Decode { .. })
    ));
    assert_eq!(
        store
            .map::<String>("m")
            .unwrap()
            .get("k")
            .await
            .unwrap()
            .as_deref(),
        Some("hidden")
    );
}

#[test]
fn a_hit_and_a_miss_are_each_counted_once() {
    on_both_flavours(|| {
        async {
            let builder = Layerstore::builder().data_store_kind(DataStoreKind::Memory);
            let store = builder
                .map("m", MapSettings::new().partitions(2))
                .build()
                .await
                .unwrap();
            let map = store.map::<u64>("m").unwrap();
            map.set("k", &1).await.unwrap();
            let before = map.records().stats();
            map.get("k").await.unwrap();
            map.get("absent").await.unwrap();
            let after = map.records().stats();
            assert_eq!((after.hits - before.hits, after.misses - before.misses), (1, 1));
            assert_eq!(
                (after.writes, after.resident, map.records().resident_len()),
                (1, 1, 1)
            );
        }
        .boxed()
    });
}
