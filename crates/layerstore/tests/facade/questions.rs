//! Indexes and live queries of typed maps.

use futures::FutureExt;
use layerstore::{Direction, Error, Index, Layerstore, LiveItem, MapSettings, Query, field};

use crate::{User, close, on_both_flavours, user};

/// A map of four partitions with ten users, those of even number with ten visits or more.
async fn store() -> (Layerstore, layerstore::Map<User>) {
    let settings = MapSettings::new().partitions(4);
    let store = Layerstore::builder()
        .in_memory()
        .map("users", settings)
        .build()
        .await
        .unwrap();
    let users = store.map::<User>("users").unwrap();
    for number in 0..10 {
        let visits = if number % 2 == 0 { 10 + number } else { number };
        users
            .set(format!("u{number}"), &user("someone", visits))
            .await
            .unwrap();
    }
    (store, users)
}

#[test]
fn an_index_of_a_typed_map_answers_over_all_partitions_until_it_is_taken_away() {
    on_both_flavours(|| {
        async {
            let (store, users) = store().await;
            let often = Query::of(field("visits").range(10..)).order_by("visits", Direction::Descending);
            let explained = async || {
                users
                    .records()
                    .query(&often)
                    .await
                    .unwrap()
                    .explanation
                    .to_string()
            };
            assert_eq!(
                explained().await,
                "everything is read: no index serves; 10 records examined, 5 returned"
            );
            users.add_ordered_index("visits", "visits").await.unwrap();
            users.remove("u8").await.unwrap();
            users.set("u1", &user("other", 100)).await.unwrap();
            let found = users.query(&often.clone().limit(2)).await.unwrap();
            assert_eq!(
                found,
                [("u1", user("other", 100)), ("u6", user("someone", 16))]
                    .map(|(key, user)| (layerstore::Key::new(key).unwrap(), user))
            );
            assert_eq!(
                explained().await,
                "index \"visits\" (ordered): visits >= 10, about 5; 5 records examined, 5 returned"
            );
            let taken = users.add_hash_index("visits", "name").await.unwrap_err();
            assert!(matches!(taken, Error::ObserverName(_)), "{taken}");
            assert!(users.records().remove_index("visits") && !users.records().remove_index("visits"));
            assert!(explained().await.starts_with("everything"));
            users.add_hash_index("visits", "name").await.unwrap();
            let resident = Index::hash("resident", users.name().clone(), "name").over_resident();
            users.records().add_index(resident).await.unwrap();
            close(store).await;
            assert!(users.query(&often).await.is_err());
        }
        .boxed()
    });
}

#[test]
fn a_live_query_of_a_typed_map_ends_when_it_is_dropped() {
    on_both_flavours(|| {
        async {
            let (store, users) = store().await;
            let often = Query::of(field("visits").range(10..));
            let live = users.live("often", often.clone()).await.unwrap();
            assert!(
                users.live("often", often.clone()).await.is_err(),
                "the name is taken"
            );
            let mut subscription = live.subscribe().unwrap();
            assert_eq!(subscription.result().len(), 5);
            users.set("u1", &user("other", 100)).await.unwrap();
            let Some(LiveItem::Event(event)) = subscription.next().await else {
                panic!("nothing came");
            };
            assert_eq!((event.number, event.key.as_str()), (1, "u1"));
            drop(live);
            users.set("u3", &user("other", 100)).await.unwrap();
            assert_eq!(subscription.next().await, None);
            let again = users.live("often", often).await.unwrap();
            assert_eq!(again.len(), 7);
            close(store).await;
        }
        .boxed()
    });
}

#[tokio::test]
async fn a_live_query_that_cannot_be_built_leaves_nothing_behind() {
    let (store, users) = store().await;
    let everything = || {
        layerstore::query::LiveQuery::builder(
            "all",
            users.name().clone(),
            Query::of(field("visits").exists()),
        )
    };
    let refused = users
        .records()
        .live_with(everything().max_records(3))
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("more than the 3 records"),
        "{refused}"
    );
    assert_eq!(users.records().live_with(everything()).await.unwrap().len(), 10);
    close(store).await;
}
