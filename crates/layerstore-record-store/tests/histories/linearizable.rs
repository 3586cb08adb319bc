//! R12: what tasks see of a key is explained by one order of their calls, and observers are told in that very order.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use futures::future::join_all;
use layerstore_observer::OwnedEvent;
use layerstore_record_store::eviction::{LeastFrequentlyUsed, LeastRecentlyUsed, RandomEviction, TwoSegment};
use layerstore_record_store::{RecordStore, RecordStoreConfig};
use layerstore_testkit::linearizability::check_by_key;
use layerstore_testkit::proof;
use layerstore_testkit::records::key;

use crate::client::{Client, KEYS};
use crate::facts::Facts;
use crate::model::RecordModel;
use crate::observed::{Known, check};
use crate::stage::Stage;
use crate::weather::weather;

/// The full figure.
const HISTORIES: u64 = 2_000;
const CLIENTS: u64 = 8;
const CALLS: u64 = 120;

/// How long a history may take before it counts as hanging.
const DEADLINE: Duration = Duration::from_secs(60);

/// What went on in the histories, so that a proof can show that it was no idle one.
#[derive(Debug, Default)]
struct Seen {
    calls: u64,
    loads: u64,
    evictions: u64,
    expirations: u64,
    unknown: u64,
    poisoned: u64,
    events: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r12_calls_on_a_key_are_linearizable_and_told_in_that_order_while_records_come_and_go() {
    let seed = proof::seed();
    let histories = proof::scaled(HISTORIES);
    let mut seen = Seen::default();
    for history in 0..histories {
        let played = play(seed.wrapping_add(history), &mut seen);
        tokio::time::timeout(DEADLINE, played)
            .await
            .unwrap_or_else(|_| panic!("history {history} of seed {seed} hangs"));
    }
    let idle = [
        seen.loads,
        seen.evictions,
        seen.expirations,
        seen.unknown,
        seen.poisoned,
    ];
    assert!(idle.iter().all(|count| *count > 0), "{seen:?}");
    let counts = [
        ("histories", histories),
        ("calls", seen.calls),
        ("loads", seen.loads),
        ("evictions", seen.evictions),
        ("expirations", seen.expirations),
        ("unknown", seen.unknown),
        ("poisoned", seen.poisoned),
        ("events", seen.events),
        ("seed", seed),
        ("violations", 0),
    ];
    proof::report("R12", &counts);
}

/// Makes one history and checks it.
async fn play(seed: u64, seen: &mut Seen) {
    let mut rng = Rng::with_seed(seed);
    let stage = Stage::new(config(&mut rng), &mut rng, true).await;
    stage.fail(rng.fork());
    let done = Arc::new(AtomicBool::new(false));
    let around = [rng.fork(), rng.fork()]
        .map(|rng| tokio::spawn(weather(Arc::clone(&stage), rng, KEYS, Arc::clone(&done))));
    let clients = (0..CLIENTS).map(|id| {
        let client = Client::new(&stage, rng.fork(), id, CLIENTS + 1);
        tokio::spawn(client.run(CALLS))
    });
    let ended = join_all(clients).await;
    done.store(true, Ordering::Release);
    let mut clients: Vec<Client> = ended.into_iter().map(Result::unwrap).collect();
    join_all(around).await.into_iter().for_each(Result::unwrap);
    stage.failing.heal();
    let last = Client::new(&stage, rng.fork(), CLIENTS, CLIENTS + 1);
    clients.push(last.read_all().await);
    judge(&stage, clients, seed, seen);
}

/// Little memory, and any policy. There is room for one record more than the clients have keys: with less, batches that
/// hold some gates and wait for others could keep each other from every record that may be evicted.
fn config(rng: &mut Rng) -> RecordStoreConfig {
    let config = RecordStoreConfig::default();
    let config = match rng.u8(..4) {
        0 => config,
        _ => config.max_count(rng.u64(KEYS + 1..=KEYS + 3)),
    };
    match rng.u8(..4) {
        0 => config.with_eviction(RandomEviction),
        1 => config.with_eviction(LeastRecentlyUsed),
        2 => config.with_eviction(LeastFrequentlyUsed),
        _ => config.with_eviction(TwoSegment::default()),
    }
}

fn judge(stage: &Stage, clients: Vec<Client>, seed: u64, seen: &mut Seen) {
    let told = stage.observer.take();
    let facts = facts(&clients, &told);
    let out_of_order = layerstore_testkit::observer::order_violations(&told);
    assert!(
        out_of_order.is_empty(),
        "history of seed {seed}: {out_of_order:?}"
    );
    for index in 0..KEYS {
        let acknowledged = clients.iter().flat_map(|client| &client.acknowledged);
        let acknowledged: BTreeSet<_> = acknowledged
            .filter(|(of, _)| *of == index)
            .map(|(_, version)| *version)
            .collect();
        let mut maybe_removed = clients.iter().flat_map(|client| &client.maybe_removed);
        let known = Known {
            index,
            facts: &facts,
            acknowledged,
            maybe_removed: maybe_removed.any(|of| *of == index),
        };
        if let Err(what) = check(&told, &known) {
            panic!("observer of key {index}, history of seed {seed}: {what}");
        }
    }
    let clears = told
        .iter()
        .filter(|one| matches!(one.event, OwnedEvent::Clear { .. }))
        .count();
    assert_eq!(
        clears,
        clients.iter().map(|client| client.clears).sum::<usize>(),
        "clears told, and acknowledged"
    );
    let recorders = clients.into_iter().map(|client| client.recorder);
    match check_by_key(&RecordModel { facts }, recorders) {
        Ok(checked) => seen.calls += checked.calls,
        Err(violation) => panic!("history of seed {seed}: {violation}"),
    }
    let stats = stage.store.stats();
    seen.loads += stats.loads;
    seen.evictions += stats.evictions;
    seen.expirations += stats.expirations;
    seen.unknown += stats.unknown;
    seen.poisoned += stats.loads_poisoned;
    seen.events += told.len() as u64;
}

/// Puts together what the clients noted, and what anybody was shown.
fn facts(clients: &[Client], told: &[layerstore_observer::OwnedMutation]) -> Facts {
    let mut facts = Facts::default();
    for noted in clients.iter().flat_map(|client| &client.noted) {
        facts.note(*noted);
    }
    for record in clients.iter().flat_map(|client| &client.shown) {
        facts.show(record);
    }
    for mutation in told {
        let ours = mutation
            .key()
            .is_some_and(|told| (0..KEYS).any(|index| key(index) == *told));
        if let (true, OwnedEvent::Put { record, .. } | OwnedEvent::Update { record, .. }) =
            (ours, &mutation.event)
        {
            facts.show(record);
        }
    }
    facts
}
