use std::sync::mpsc;
use std::time::Duration;

use layerstore_observer::{PublishedItem, SubscriberFault, Topic};
use layerstore_record::Cost;
use layerstore_testkit::log::Log;

use crate::{publisher, put, read, timed};

/// More than any write may take here.
const LONG: Duration = Duration::from_secs(10);

#[test]
fn u3_a_handler_that_panics_or_fails_is_reported_by_name_and_goes_on() {
    let publisher = publisher(|builder| builder);
    let subscriber = publisher.subscribe("audit", Topic::everything()).unwrap();
    for key in ["panic", "fail", "fine"] {
        put(&publisher, "users", key);
    }
    publisher.close();
    let (handled, mut fine) = (publisher.clone(), Vec::new());
    let delivery = subscriber.deliver(|item| {
        let PublishedItem::Event(event) = item else {
            return Err("a lag");
        };
        match event.mutation.key().map(layerstore_record::Key::as_str) {
            Some("panic") => panic!("as it is told"),
            Some("fail") => Err("no connection"),
            _ => {
                fine.push((event.number, handled.subscribers()[0].clone()));
                Ok(())
            }
        }
    });
    futures::executor::block_on(delivery);
    let [(3, status)] = &fine[..] else {
        panic!("{fine:?}");
    };
    assert_eq!(
        (status.name.as_str(), status.panics, status.failures),
        ("audit", 1, 1)
    );
    assert_eq!(
        status.last_fault,
        Some(SubscriberFault::Failed("no connection".to_owned()))
    );
    assert!(
        publisher.subscribers().is_empty(),
        "it left when it had read everything"
    );
}

#[test]
fn u3_a_subscriber_that_takes_nothing_is_reported_by_name_once() {
    let (clock, publisher) = timed(|builder| builder.stall_after(Duration::from_secs(5)));
    let mut stuck = publisher.subscribe("stuck", Topic::everything()).unwrap();
    let mut quick = publisher.subscribe("quick", Topic::everything()).unwrap();
    let log = Log::events("layerstore_observer");
    tracing::subscriber::with_default(log.clone(), || {
        for _ in 0..10 {
            put(&publisher, "users", "a");
            assert_eq!(read(&mut quick).len(), 1);
            clock.advance(Duration::from_secs(1));
        }
    });
    let said = log.text();
    let reported: Vec<&str> = said.lines().filter(|line| line.contains("has stalled")).collect();
    assert!(reported.len() == 1 && reported[0].contains("stuck"), "{said}");
    let status = publisher.subscribers();
    assert_eq!(status[0].stalled, Some(Duration::from_secs(10)));
    assert_eq!((status[1].name.as_str(), status[1].stalled), ("quick", None));
    assert_eq!(read(&mut stuck).len(), 10);
    clock.advance(LONG);
    assert_eq!(publisher.subscribers()[0].stalled, None, "nothing waits for it");
}

#[test]
fn u1_a_handler_that_never_returns_holds_up_neither_writers_nor_others() {
    let publisher = publisher(|builder| builder.queue_events(10));
    let blocked = publisher.subscribe("blocked", Topic::everything()).unwrap();
    let mut quick = publisher.subscribe("quick", Topic::everything()).unwrap();
    let (release, held) = mpsc::channel::<()>();
    let (entered, inside) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            futures::executor::block_on(blocked.deliver(|_| {
                let _ = entered.send(());
                held.recv().map_err(|_| "released")
            }));
        });
        put(&publisher, "users", "first");
        inside.recv_timeout(LONG).unwrap();
        // The handler is inside and stays there: every one of these returns all the same.
        for number in 0..100 {
            put(&publisher, "users", &format!("k{number}"));
        }
        assert_eq!(publisher.subscribers()[0].queued, 10);
        assert_eq!(read(&mut quick).last().map(String::as_str), Some("101 k99"));
        publisher.close();
        drop(release);
    });
}

#[test]
fn u3_a_lag_waits_like_an_event_and_whoever_has_taken_it_has_not_stalled() {
    let build = |builder: layerstore_observer::EventPublisherBuilder| builder.queue_cost(Cost(1));
    let (clock, publisher) = timed(build);
    let mut subscriber = publisher.subscribe("audit", Topic::everything()).unwrap();
    let stalled = || publisher.subscribers()[0].stalled;
    put(&publisher, "users", "too large for the queue");
    clock.advance(LONG);
    assert_eq!(stalled(), Some(LONG), "it was not told of its lag");
    assert!(matches!(
        subscriber.try_next(),
        Ok(Some(PublishedItem::Lagged { from: 1, to: 1 }))
    ));
    clock.advance(LONG);
    assert_eq!(stalled(), None, "nothing waits for it");
}
