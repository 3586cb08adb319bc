//! What hot keeps is never taken for what it is not.

use std::sync::Arc;

use layerstore_data_store::{ErrorKind, InMemoryDataStore, MapDataStore, NullDataStore, TryApply, Write};
use layerstore_record::{Record, RecordValue};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::records::{key, version};
use layerstore_tiered::{TieredDataStore, TieredOptions};

use crate::support::Pair;

/// What a user reads who looks into hot past the tiered store: a stub, as a value.
async fn stub_value(pair: &Pair) -> RecordValue {
    pair.archived([1]).await;
    pair.hot.row(&pair.map, &key(1)).await.unwrap().value().clone()
}

#[tokio::test]
async fn t_lose_a_value_that_looks_like_a_stub_is_a_users_value() {
    let pair = Pair::new().await;
    let forged = stub_value(&pair).await;
    let write = |number: u64, at: u64| {
        let record = Record::builder(forged.clone(), version(at)).build();
        Write::new(pair.map.clone(), key(number), Arc::new(record))
    };
    pair.applied(write(2, 9)).await;
    let TryApply::NeedsIo(given_back) = pair.store.try_apply(vec![write(3, 10)]) else {
        panic!("the doubles never write without I/O");
    };
    assert_eq!(
        given_back[0].record.value(),
        &forged,
        "what is given back is what was brought"
    );
    pair.applied(given_back[0].clone()).await;
    for round in ["whole", "archived", "brought back"] {
        for number in [2, 3] {
            let found = pair.load(number).await.unwrap().unwrap();
            assert_eq!(found.value(), &forged, "{round}");
        }
        if round == "whole" {
            pair.archive().await;
        } else {
            pair.store.promote(&pair.map, &[key(2), key(3)]).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_form_of_a_later_version_is_an_error_and_not_a_value() {
    let pair = Pair::new().await;
    let RecordValue::Lww { value, .. } = stub_value(&pair).await else {
        panic!("a stub is a plain value")
    };
    let layerstore_record::Value::Array(items) = &*value else {
        panic!("a stub is an array")
    };
    let later = layerstore_record::Value::Array([items[0].clone(), layerstore_record::Value::U64(99)].into());
    let record = Record::builder(RecordValue::lww(later, version(5).timestamp()), version(5)).build();
    let past = pair
        .hot
        .memory
        .apply(vec![Write::new(pair.map.clone(), key(2), Arc::new(record))]);
    assert!(past.await[0].is_applied());
    assert_eq!(pair.load(2).await.unwrap_err().kind(), ErrorKind::UnknownFormat);
    assert_eq!(pair.scan().await.unwrap_err().kind(), ErrorKind::UnknownFormat);
    // Archiving leaves it as it is, and goes on.
    pair.archive().await;
    pair.put(2, 6).await;
    pair.assert_held(2, Some(6)).await;
}

#[test]
fn stores_that_cannot_be_hot_or_cold_are_refused() {
    let clock = ManualClock::new();
    let memory = || -> Arc<dyn MapDataStore> { Arc::new(InMemoryDataStore::new(clock.shared())) };
    let null = || -> Arc<dyn MapDataStore> { Arc::new(NullDataStore::new()) };
    let tiered = |hot, cold| TieredDataStore::new(hot, cold, TieredOptions::default());
    let one = memory();
    for (hot, cold, why) in [
        (null(), memory(), "another form"),
        (memory(), null(), "keeps nothing"),
        (Arc::clone(&one), one, "the same store"),
    ] {
        let error = tiered(hot, cold).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert!(error.to_string().contains(why), "{error}");
    }
    let store: Arc<dyn MapDataStore> = Arc::new(tiered(memory(), memory()).unwrap());
    assert!(
        tiered(store, memory()).is_err(),
        "a tiered store is no hot one: its forms would meet"
    );
}
