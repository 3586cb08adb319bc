use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use layerstore_observer::{
    CompositeObserver, Mutation, MutationEvent, MutationObserver, OwnedMutation, PreviousValue,
};
use layerstore_record::{MapName, Provenance};

use super::events::every_event;
use super::failing::{FailingObserver, PanickingObserver};
use super::recording::RecordingObserver;
use crate::records::{key, record};

/// Far beyond what any number of mutations below takes an observer that does not wait.
const DEADLINE: Duration = Duration::from_secs(20);
const THREADS: u64 = 8;
const MUTATIONS_A_THREAD: u64 = 1_000;
/// More than any reasonable queue holds.
const UNREAD_MUTATIONS: u64 = 30_000;

/// Tells many keys from many threads at once, each key's mutations in order: none fails, all threads come to an end.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the macro makes a fresh observer for each clause"
)]
pub fn o1_many_threads_may_tell_at_once(observer: Arc<dyn MutationObserver>) {
    let ended = within_deadline(THREADS, |thread| {
        let observer = Arc::clone(&observer);
        move || tell_updates(&*observer, thread, MUTATIONS_A_THREAD)
    });
    assert_eq!(ended, Ok(()), "observer {:?}", observer.name());
}

/// Tells every event there is: none of them makes the observer fail or panic, or changes its name.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the macro makes a fresh observer for each clause"
)]
pub fn o2_every_event_is_taken_without_error_or_panic(observer: Arc<dyn MutationObserver>) {
    let name = observer.name().to_owned();
    assert!(!name.is_empty(), "errors and metrics need a name to speak of");
    for mutation in every_event(&map()) {
        let told = observer.on_mutation(&mutation.as_mutation());
        assert!(told.is_ok(), "{name:?} failed at {mutation:?}: {told:?}");
        assert_eq!(observer.name(), name);
    }
}

/// Puts the observer between one that fails and one that panics: all are told everything, and the error is the first.
pub fn o2_a_neighbour_that_fails_or_panics_changes_nothing(observer: Arc<dyn MutationObserver>) {
    let (failing, panicking) = (
        Arc::new(FailingObserver::new("conformance-fails")),
        Arc::new(PanickingObserver::new("conformance-panics")),
    );
    let last = Arc::new(RecordingObserver::new("conformance-records"));
    let all = CompositeObserver::new("conformance");
    let members: [Arc<dyn MutationObserver>; 4] =
        [failing.clone(), observer, panicking.clone(), last.clone()];
    for member in members {
        all.add(member).expect("a name of its own");
    }
    let events = every_event(&map());
    for mutation in &events {
        let error = all
            .on_mutation(&mutation.as_mutation())
            .expect_err("two of four fail");
        assert_eq!((error.observer.as_str(), error.further), ("conformance-fails", 1));
    }
    let count = u64::try_from(events.len()).expect("a count");
    assert_eq!((failing.told(), panicking.told()), (count, count));
    assert_eq!(last.told(), events);
}

/// Tells more than any queue holds while nobody reads what the observer hands on: it comes to an end nevertheless.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the macro makes a fresh observer for each clause"
)]
pub fn o3_telling_does_not_wait_for_anybody(observer: Arc<dyn MutationObserver>) {
    let ended = within_deadline(1, |thread| {
        let observer = Arc::clone(&observer);
        move || tell_updates(&*observer, thread, UNREAD_MUTATIONS)
    });
    assert_eq!(ended, Ok(()), "observer {:?}", observer.name());
}

/// Runs `work` on so many threads; the first error, or that some did not end in time.
fn within_deadline<W>(threads: u64, work: impl Fn(u64) -> W) -> Result<(), String>
where
    W: FnOnce() -> Result<(), String> + Send + 'static,
{
    let (done, ended) = mpsc::channel();
    for thread in 0..threads {
        let (work, done) = (work(thread), done.clone());
        // A panic drops the sender without a word, which ends the wait below.
        thread::spawn(move || done.send(work()));
    }
    drop(done);
    for _ in 0..threads {
        ended
            .recv_timeout(DEADLINE)
            .map_err(|why| format!("a thread did not report back: {why}"))??;
    }
    Ok(())
}

/// Tells updates of the key `number` with rising versions.
fn tell_updates(observer: &dyn MutationObserver, number: u64, updates: u64) -> Result<(), String> {
    let (map, key) = (map(), key(number));
    let mut last = record(0);
    for version in 1..=updates {
        let new = record(version);
        let event = MutationEvent::Update {
            key: &key,
            record: &new,
            previous: PreviousValue::Known(&last),
        };
        let mutation = Mutation::new(&map, Provenance::Client, event);
        observer
            .on_mutation(&mutation)
            .map_err(|error| format!("{error} at {:?}", OwnedMutation::from(&mutation)))?;
        last = new;
    }
    Ok(())
}

fn map() -> MapName {
    MapName::new("conformance").expect("a short name")
}
