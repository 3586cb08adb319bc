//! Answers that were lost: resolved where the server can still be asked, said to be unknown where not.

use std::time::Duration;

use layerstore_data_store::{ErrorKind, Expect, MapDataStore, Outcome, WriteResult};
use layerstore_postgres::PostgresDataStore;
use layerstore_record::Version;
use layerstore_testkit::records::version;
use sqlx::{Connection, PgConnection};

use crate::proxy::{Cut, Proxy};
use crate::server::Database;
use crate::support::{applied, key, map, number, put, waiting, write};

const CUTS: [Cut; 3] = [Cut::BeforeRequest, Cut::AfterRequest, Cut::BeforeReply];

/// A store behind a proxy, with a claimed map that has been written to.
async fn behind(proxy: &Proxy, database: &Database) -> PostgresDataStore {
    let through = database.get().await.url_through(proxy.address());
    let builder = PostgresDataStore::builder(through)
        .pool_size(1)
        .acquire_timeout(Duration::from_secs(2));
    let store = builder.connect().await.unwrap();
    store.claim(&map("map")).await.unwrap();
    applied(&store, vec![put(&map("map"), &key("first"), 1)]).await;
    store
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_resolved() {
    let (database, map) = (Database::default(), map("map"));
    let proxy = Proxy::to(&database.get().await.server()).await;
    let store = behind(&proxy, &database).await;
    for (made, cut) in (1..).zip(CUTS) {
        proxy.arm(0, cut);
        applied(
            &store,
            vec![
                put(&map, &key("first"), 10 * made),
                put(&map, &key("second"), 10 * made),
            ],
        )
        .await;
        proxy.cut(made).await;
        assert_eq!(number(&store, &map, &key("first")).await, Some(10 * made));
    }
}

/// Of a judged write four requests are counted: three statements, and the commit.
#[tokio::test]
async fn a_conditional_write_whose_answer_was_lost_is_resolved() {
    let (database, map) = (Database::default(), map("map"));
    let proxy = Proxy::to(&database.get().await.server()).await;
    let store = behind(&proxy, &database).await;
    let (mut made, mut held) = (0, 1);
    for cut in CUTS {
        for after in 0..4 {
            made += 1;
            let next = held + 1;
            proxy.arm(after, cut);
            let conditional = put(&map, &key("first"), next).expecting(Expect::Version(version(held)));
            let answer = write(&store, conditional).await;
            assert!(answer.is_applied(), "{cut:?} after {after}: {answer:?}");
            proxy.cut(made).await;
            assert_eq!(number(&store, &map, &key("first")).await, Some(next));
            held = next;
        }
    }
}

#[tokio::test]
async fn an_outcome_that_nobody_can_tell_is_said_to_be_unknown() {
    for cut in [Cut::AfterRequest, Cut::BeforeReply] {
        let (database, map) = (Database::default(), map("map"));
        let proxy = Proxy::to(&database.get().await.server()).await;
        let store = behind(&proxy, &database).await;
        proxy.break_for_good();
        proxy.arm(0, cut);
        let begun = store.apply(vec![put(&map, &key("first"), 2)]);
        // Nobody can connect any more: the call gives up when it has waited for a connection.
        let WriteResult::Rejected(error) = begun.await.remove(0) else {
            panic!("nobody can tell")
        };
        assert_eq!(error.outcome(), Outcome::Unknown, "{cut:?}: {error}");
        assert!(error.is_retryable(), "{error}");
        assert_eq!((error.map(), error.key()), (Some(&map), Some(&key("first"))));
    }
}

/// A write is made and its answer lost; the next try finds it there, and what asks how it stands is cut off again and again.
#[tokio::test]
async fn what_is_unknown_stays_so_while_it_is_judged() {
    for after in 0..4 {
        let (database, map) = (Database::default(), map("map"));
        let proxy = Proxy::to(&database.get().await.server()).await;
        let store = behind(&proxy, &database).await;
        proxy.arm(0, Cut::BeforeReply);
        proxy.arm(after, Cut::BeforeRequest);
        for _ in 1..layerstore_postgres::DEFAULT_ATTEMPTS {
            proxy.arm(0, Cut::BeforeRequest);
        }
        let answer = store.apply(vec![put(&map, &key("first"), 2)]).await.remove(0);
        if let WriteResult::Rejected(error) = answer {
            assert_eq!(
                error.outcome(),
                Outcome::Unknown,
                "after {after}: it was made, and nobody may say that it was not: {error}"
            );
        }
        let other = database.builder().await.connect().await.unwrap();
        assert_eq!(
            number(&other, &map, &key("first")).await,
            Some(2),
            "after {after}"
        );
    }
}

/// Of two writes one is made, and the judge who is to say which is never reached.
#[tokio::test]
async fn of_a_batch_that_was_partly_made_nobody_says_that_nothing_was() {
    let (database, map) = (Database::default(), map("map"));
    let proxy = Proxy::to(&database.get().await.server()).await;
    let store = behind(&proxy, &database).await;
    proxy.break_for_good();
    proxy.arm(1, Cut::BeforeRequest);
    let writes = vec![put(&map, &key("first"), 1), put(&map, &key("second"), 2)];
    for answer in store.apply(writes).await {
        let WriteResult::Rejected(error) = answer else {
            panic!("the judge was cut off: {answer:?}")
        };
        assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    }
    let other = database.builder().await.connect().await.unwrap();
    assert_eq!(number(&other, &map, &key("second")).await, Some(2));
}

#[tokio::test]
async fn a_read_whose_answer_was_lost_is_made_again() {
    let (database, map) = (Database::default(), map("map"));
    let proxy = Proxy::to(&database.get().await.server()).await;
    let store = behind(&proxy, &database).await;
    for (made, cut) in (1..).zip(CUTS) {
        proxy.arm(0, cut);
        assert_eq!(number(&store, &map, &key("first")).await, Some(1));
        proxy.cut(made).await;
    }
}

/// A clear is cut at its second statement, which drops records: by then its floor must stand.
#[tokio::test]
async fn a_clear_that_was_cut_short_has_left_its_floor() {
    for cut in [Cut::BeforeRequest, Cut::BeforeReply] {
        let (database, map) = (Database::default(), map("map"));
        let proxy = Proxy::to(&database.get().await.server()).await;
        let through = database.get().await.url_through(proxy.address());
        let builder = PostgresDataStore::builder(through).pool_size(1).attempts(1);
        let store = builder.connect().await.unwrap();
        store.claim(&map).await.unwrap();
        applied(&store, vec![put(&map, &key("a"), 1), put(&map, &key("b"), 9)]).await;
        proxy.break_for_good();
        proxy.arm(1, cut);
        store.clear(&map, version(5)).await.unwrap_err();
        let other = database.builder().await.connect().await.unwrap();
        assert_eq!(number(&other, &map, &key("a")).await, None, "{cut:?}");
        let claim = other.claim(&map).await.unwrap();
        assert_eq!(
            (claim.cleared, claim.purged),
            (version(5), Version::ZERO),
            "{cut:?}"
        );
        let late = write(&other, put(&map, &key("a"), 4)).await;
        assert!(
            matches!(late, WriteResult::Stale { current } if current == version(5)),
            "{late:?}"
        );
        // What was broken off is finished by clearing again.
        other.clear(&map, version(5)).await.unwrap();
        assert_eq!(number(&other, &map, &key("b")).await, Some(9));
    }
}

#[tokio::test]
async fn the_rest_of_a_batch_does_not_wait_for_a_server_that_is_gone() {
    let (database, map) = (Database::default(), map("map"));
    let proxy = Proxy::to(&database.get().await.server()).await;
    let through = database.get().await.url_through(proxy.address());
    let builder = PostgresDataStore::builder(through)
        .pool_size(1)
        .batch_records(1)
        .attempts(1);
    let store = builder.connect().await.unwrap();
    store.claim(&map).await.unwrap();
    applied(&store, vec![put(&map, &key("0"), 1)]).await;
    proxy.break_for_good();
    proxy.arm(1, Cut::BeforeReply);
    let answers = store
        .apply(
            (0..9)
                .map(|number| put(&map, &key(&format!("{number}")), 5))
                .collect(),
        )
        .await;
    assert!(answers[0].is_applied());
    let outcome = |answer: &WriteResult| match answer {
        WriteResult::Rejected(error) => {
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            error.outcome()
        }
        other => panic!("the server is gone: {other:?}"),
    };
    assert_eq!(outcome(&answers[1]), Outcome::Unknown);
    assert!(
        answers[2..]
            .iter()
            .all(|answer| outcome(answer) == Outcome::NotApplied)
    );
}

/// A caller goes away while its batch waits for a record that somebody has locked.
#[tokio::test]
async fn a_call_that_was_given_up_is_made_whole_or_not_at_all_and_holds_nothing_up() {
    let (database, map) = (Database::default(), map("map"));
    let store = database.builder().await.pool_size(1).connect().await.unwrap();
    store.claim(&map).await.unwrap();
    let both = |number| vec![put(&map, &key("a"), number), put(&map, &key("b"), number)];
    applied(&store, both(1)).await;
    let mut sql = PgConnection::connect(database.get().await.url()).await.unwrap();
    let mut watch = PgConnection::connect(database.get().await.url()).await.unwrap();
    let mut holder = sql.begin().await.unwrap();
    let second = "SELECT FROM layerstore.records WHERE key = 'b' FOR UPDATE";
    sqlx::query(second).execute(&mut *holder).await.unwrap();
    tokio::select! {
        _ = store.apply(both(2)) => panic!("somebody holds one of the records"),
        () = async { while waiting(&mut watch).await < 1 {} } => {}
    }
    // The one connection of the pool is free again, and reads need no lock.
    assert_eq!(number(&store, &map, &key("a")).await, Some(1));
    holder.commit().await.unwrap();
    // The server may make what it was asked for, or notice that nobody is there any more.
    while waiting(&mut watch).await > 0 {}
    applied(&store, vec![put(&map, &key("c"), 1)]).await;
    let held = [
        number(&store, &map, &key("a")).await,
        number(&store, &map, &key("b")).await,
    ];
    assert!(
        held == [Some(1); 2] || held == [Some(2); 2],
        "a batch was made by half: {held:?}"
    );
}
