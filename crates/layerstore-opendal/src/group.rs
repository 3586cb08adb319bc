//! A group of writes: announced by the head, then made, key by key.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use futures::{StreamExt, stream};
use layerstore_data_store::{ErrorKind, StoreError, Write, WriteResult};
use layerstore_record::{Key, MapName};

use crate::head::Head;
use crate::held::{Held, Known};
use crate::key_writes::{After, KeyAnswers, KeyWrites, OPERATION, Rules};
use crate::settle::settle_all;
use crate::shared::{Facts, Shared};
use crate::turn;

/// Bytes of keys that one head announces: more would make every small write dear.
const INTENT_BYTES: usize = 64 << 10;

/// Splits writes so that each part can be announced by one head.
pub(crate) fn parts(writes: Vec<Write>, records: usize) -> Vec<Vec<Write>> {
    let mut parts = Vec::new();
    let (mut part, mut bytes) = (Vec::new(), 0);
    for write in writes {
        let len = write.key.as_bytes().len();
        if !part.is_empty() && (part.len() >= records || bytes + len > INTENT_BYTES) {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes += len;
        part.push(write);
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// Makes the writes of a group, and answers for each in the order given.
pub(crate) async fn commit(
    shared: &Arc<Shared>,
    map: &MapName,
    held: &mut Held,
    facts: &Facts,
    rules: Rules,
    writes: Vec<Write>,
) -> Result<Vec<WriteResult>, StoreError> {
    announce(shared, map, held, &writes).await?;
    let places: Vec<(MapName, Key)> = writes
        .iter()
        .map(|write| (write.map.clone(), write.key.clone()))
        .collect();
    // Without conditions a write that takes a key for new would replace what is there.
    let guess = (shared.bucket.conditions().writes && held.news.are_likely()).then_some(Known::EMPTY);
    let groups = by_key(map, held, (rules, guess), writes);
    resolve_others(shared, map, held, facts, &groups).await;
    let (stamp, floors) = (held.head.stamp(), held.head.floors);
    let mut answers: Vec<Option<WriteResult>> = places.iter().map(|_| None).collect();
    let runs: Vec<_> = groups
        .into_iter()
        .map(|writes| writes.run(Arc::clone(shared), stamp, floors))
        .collect();
    let mut runs = stream::iter(runs).buffer_unordered(shared.concurrency);
    let mut is_fenced = false;
    while let Some(made) = runs.next().await {
        is_fenced |= matches!(made.after, After::Fenced);
        remember(held, &made);
        for (place, answer) in made.answers {
            if let Some(slot) = answers.get_mut(place) {
                *slot = Some(answer);
            }
        }
    }
    drop(runs);
    facts.set_unresolved(&held.unresolved);
    if is_fenced {
        // The others of the group were announced before the later claim, and it found what they left.
        held.tag = None;
    }
    let unanswered = |(map, key): &(MapName, Key)| {
        let what = "a write of the group had no answer";
        let error = StoreError::new(ErrorKind::Unavailable, crate::convert::STORE, OPERATION, what);
        WriteResult::Rejected(error.with_unknown_outcome().in_map(map).at_key(key))
    };
    let answered = answers.into_iter().zip(&places);
    Ok(answered
        .map(|(answer, place)| answer.unwrap_or_else(|| unanswered(place)))
        .collect())
}

/// Makes the head name every key that is about to be written, before any is.
async fn announce(
    shared: &Shared,
    map: &MapName,
    held: &mut Held,
    writes: &[Write],
) -> Result<(), StoreError> {
    let newest = writes.iter().map(Write::version).max();
    let keys = writes.iter().map(|write| &write.key);
    let next = Head {
        high_water: held.head.high_water.max(newest.unwrap_or_default()),
        intents: intents(shared, held, keys),
        ..held.head.clone()
    };
    take_turn(shared, OPERATION, map, held, next).await
}

/// Replaces the head by a later one of the same claim.
pub(crate) async fn take_turn(
    shared: &Shared,
    operation: &'static str,
    map: &MapName,
    held: &mut Held,
    next: Head,
) -> Result<(), StoreError> {
    // Counted even if it fails: no two heads may be alike.
    held.head.group += 1;
    let next = Head {
        group: held.head.group,
        ..next
    };
    held.tag = turn::advance(shared, operation, map, held, &next).await?;
    held.head = next;
    Ok(())
}

/// What a head has to name: what is about to be written, and what may still arrive.
pub(crate) fn intents<'a>(shared: &Shared, held: &'a Held, keys: impl Iterator<Item = &'a Key>) -> Vec<Key> {
    if !shared.bucket.conditions().writes {
        return Vec::new();
    }
    let named: BTreeSet<&Key> = keys.chain(&held.unresolved).collect();
    named.into_iter().cloned().collect()
}

/// Sorts writes by key; of keys that are not known, `guess` is taken to be true.
fn by_key(
    map: &MapName,
    held: &Held,
    (rules, guess): (Rules, Option<Known>),
    writes: Vec<Write>,
) -> Vec<KeyWrites> {
    let mut places: HashMap<Key, usize> = HashMap::new();
    let mut groups: Vec<KeyWrites> = Vec::new();
    for (place, write) in writes.into_iter().enumerate() {
        let at = *places.entry(write.key.clone()).or_insert(groups.len());
        match groups.get_mut(at) {
            Some(group) => group.writes.push((place, write)),
            None => {
                let known = held.keys.get(&write.key);
                groups.push(KeyWrites {
                    rules,
                    map: map.clone(),
                    key: write.key.clone(),
                    is_guess: known.is_none() && guess.is_some(),
                    known: known.or(guess.as_ref()).cloned(),
                    writes: vec![(place, write)],
                });
            }
        }
    }
    groups
}

/// Settles keys that this group does not write; what fails stays as it is, and among the intents.
async fn resolve_others(
    shared: &Arc<Shared>,
    map: &MapName,
    held: &mut Held,
    facts: &Facts,
    groups: &[KeyWrites],
) {
    let written: BTreeSet<&Key> = groups.iter().map(|group| &group.key).collect();
    let others: Vec<Key> = held
        .unresolved
        .iter()
        .filter(|key| !written.contains(key))
        .cloned()
        .collect();
    resolve(shared, map, held, facts, others).await;
}

/// Settles keys of which a write may still arrive. They must be among the intents of the head.
pub(crate) async fn resolve(
    shared: &Arc<Shared>,
    map: &MapName,
    held: &mut Held,
    facts: &Facts,
    keys: Vec<Key>,
) {
    let (stamp, version) = (held.head.stamp(), held.head.high_water);
    for key in keys {
        let settled = settle_all(shared, map, vec![key.clone()], stamp, version).await;
        match settled {
            Ok(()) => drop(held.unresolved.remove(&key)),
            Err(error) => tracing::debug!(error = %error, "a key could not be settled yet"),
        }
        held.keys.forget(&key);
    }
    facts.set_unresolved(&held.unresolved);
}

fn remember(held: &mut Held, made: &KeyAnswers) {
    if let Some(was_new) = made.was_new {
        held.news.note(was_new);
    }
    match &made.after {
        After::Written(known) => {
            held.keys.remember(made.key.clone(), known.clone());
            held.unresolved.remove(&made.key);
        }
        // What may still change by itself is looked at anew each time.
        After::Seen(_) if held.unresolved.contains(&made.key) => held.keys.forget(&made.key),
        After::Seen(known) => held.keys.remember(made.key.clone(), known.clone()),
        After::Unknown | After::Fenced => held.keys.forget(&made.key),
        After::Unresolved => {
            held.keys.forget(&made.key);
            held.unresolved.insert(made.key.clone());
        }
    }
}
