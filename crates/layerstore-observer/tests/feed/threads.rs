use std::collections::HashMap;
use std::sync::Barrier;
use std::thread;

use futures::executor::block_on;
use layerstore_observer::{ChangeFeed, FeedItem, FeedStart, Subscription, Topic};
use layerstore_record::{Key, Version};
use layerstore_testkit::proof;

use super::update;

const WRITERS: u64 = 4;
const READERS: usize = 3;
const CHANGES: u64 = 2_000_000;

/// What a reader saw until the feed was closed.
#[derive(Default)]
struct Seen {
    changes: u64,
    lagged: u64,
    violations: Vec<String>,
}

#[test]
fn r14_numbers_rise_without_a_gap_but_where_lagged_says_so() {
    let each = proof::scaled(CHANGES) / WRITERS;
    let feed = ChangeFeed::builder("feed").max_records(4_096).build().unwrap();
    let readers: Vec<Subscription> = (0..READERS)
        .map(|_| feed.subscribe(FeedStart::Now, Topic::everything()).unwrap())
        .collect();
    let start = Barrier::new(READERS + usize::try_from(WRITERS).unwrap());
    let seen: Vec<Seen> = thread::scope(|scope| {
        let readers: Vec<_> = readers
            .into_iter()
            .zip(0..)
            .map(|(reader, place)| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    follow(reader, place)
                })
            })
            .collect();
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (feed, start) = (&feed, &start);
                scope.spawn(move || {
                    start.wait();
                    (1..=each).for_each(|version| update(feed, writer, version).unwrap());
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        feed.close();
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    let total = each * WRITERS;
    for seen in &seen {
        assert!(seen.violations.is_empty(), "{:?}", seen.violations);
        assert_eq!(
            seen.changes + seen.lagged,
            total,
            "each change was read or told as lagged"
        );
    }
    let read = seen.iter().map(|seen| seen.changes).sum();
    proof::report("R14", &[("changes", total), ("read", read), ("violations", 0)]);
}

/// Reads to the end: the first reader waits, the others ask again and again.
fn follow(mut reader: Subscription, place: usize) -> Seen {
    let mut seen = Seen::default();
    let mut next = 1;
    let mut versions: HashMap<Key, Version> = HashMap::new();
    while let Some(item) = read(&mut reader, place) {
        match item {
            FeedItem::Change(change) => {
                if change.number != next {
                    seen.violations
                        .push(format!("{} instead of {next}", change.number));
                }
                let (key, version) = (change.mutation.key().unwrap(), change.mutation.version().unwrap());
                let before = versions.insert(key.clone(), version);
                if before.is_some_and(|before| before >= version) {
                    seen.violations
                        .push(format!("{key:?}: {version} after {before:?}"));
                }
                seen.changes += 1;
                next = change.number + 1;
            }
            FeedItem::Lagged { from, to } => {
                if from != next || to < from {
                    seen.violations.push(format!("lagged {from}-{to} at {next}"));
                }
                seen.lagged += to - from + 1;
                next = to + 1;
            }
        }
    }
    seen
}

fn read(reader: &mut Subscription, place: usize) -> Option<FeedItem> {
    if place == 0 {
        return block_on(reader.next());
    }
    loop {
        match reader.try_next() {
            Ok(Some(item)) => return Some(item),
            Ok(None) => thread::yield_now(),
            Err(_) => return None,
        }
    }
}
