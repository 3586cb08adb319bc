//! The hybrid logical clock: up, and never twice.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use layerstore_record::{
    Clock, ClockDrift, DEFAULT_MAX_DRIFT, Hlc, Millis, NodeId, SystemClock, Timestamp, Version,
};
use layerstore_testkit::clock::ManualClock;
use layerstore_testkit::proof;
use proptest::prelude::{any, prop_assert_eq, proptest};

use crate::samples::{at, properties};

const NOW: u64 = 1_700_000_000_000;
const HOUR: u64 = 3_600_000;

fn clock() -> (ManualClock, Hlc) {
    let wall = ManualClock::at(Millis(NOW));
    let hlc = Hlc::new(NodeId(7), wall.shared());
    (wall, hlc)
}

proptest! {
    #![proptest_config(properties())]

    #[test]
    fn r_clock_bytes_are_ordered_as_timestamps_and_versions_are(
        one in any::<(u64, u16, u64)>(),
        two in any::<(u64, u16, u64)>(),
        alike in any::<[bool; 3]>(),
    ) {
        let two = (
            if alike[0] { one.0 } else { two.0 },
            if alike[1] { one.1 } else { two.1 },
            if alike[2] { one.2 } else { two.2 },
        );
        let capped = |parts: (u64, u16, u64)| (parts.0.min((1 << 48) - 1), parts.1, parts.2);
        let expected = capped(one).cmp(&capped(two));
        let [one, two] = [one, two].map(|(millis, counter, node)| at(millis, counter, node));
        prop_assert_eq!(one.cmp(&two), expected);
        prop_assert_eq!(one.to_bytes().cmp(&two.to_bytes()), expected);
        let [one, two] = [one, two].map(Version::new);
        prop_assert_eq!(one.cmp(&two), expected);
        prop_assert_eq!(one.to_bytes().cmp(&two.to_bytes()), expected);
        prop_assert_eq!(Version::from_bytes(one.to_bytes()), one);
    }

    #[test]
    fn any_sixteen_bytes_are_a_timestamp(bytes in any::<[u8; 16]>()) {
        let timestamp = Timestamp::from_bytes(bytes);
        prop_assert_eq!(timestamp.to_bytes(), bytes);
        prop_assert_eq!(at(timestamp.millis().0, timestamp.counter(), timestamp.node().0), timestamp);
    }
}

#[test]
fn r_clock_rises_also_from_a_time_that_was_read_before() {
    let (wall, hlc) = clock();
    let earlier = hlc.now();
    wall.advance(Duration::from_secs(1));
    let last = hlc.tick();
    // What is said of the time is older than the last reading, and changes nothing about that.
    let next = hlc.tick_at(earlier);
    assert_eq!(
        (next.millis(), next.counter()),
        (last.millis(), last.counter() + 1)
    );
    let later = Millis(NOW + HOUR);
    assert_eq!(
        (hlc.tick_at(later).millis(), hlc.tick_at(later).counter()),
        (later, 1)
    );
}

#[test]
fn r_clock_rises_under_eight_threads_and_never_reads_the_same_twice() {
    // Long enough that the threads meet, on two busy cores too.
    const THREADS: usize = 8;
    const EACH: usize = 200_000;
    let hlc = Hlc::new(NodeId::random(), Arc::new(SystemClock));
    for _ in 0..proof::scaled(20) {
        let start = Barrier::new(THREADS);
        let read = || {
            start.wait();
            let readings: Vec<_> = (0..EACH).map(|_| hlc.tick()).collect();
            assert!(readings.is_sorted_by(|one, next| one < next));
            readings
        };
        let mut all: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(read)).collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect()
        });
        all.sort_unstable();
        assert!(all.is_sorted_by(|one, next| one < next), "a reading came twice");
        assert!(all.iter().all(|reading| reading.node() == hlc.node()));
    }
}

/// A wall clock that answers when two ask at once: both have begun to read before either has read.
struct Together(Barrier);

impl Clock for Together {
    fn now(&self) -> Millis {
        self.0.wait();
        Millis(NOW)
    }
}

#[test]
fn r_clock_gives_two_who_read_at_the_same_moment_two_readings() {
    let hlc = Hlc::new(NodeId(7), Arc::new(Together(Barrier::new(2))));
    for round in 0..100 {
        let (one, two) = thread::scope(|scope| {
            let [one, two] = [(); 2].map(|()| scope.spawn(|| hlc.tick()));
            (one.join().unwrap(), two.join().unwrap())
        });
        assert_eq!(one.min(two), at(NOW, 2 * round, 7));
        assert_eq!(one.max(two), at(NOW, 2 * round + 1, 7));
    }
}

#[test]
fn r_clock_does_not_go_back_with_the_wall_clock() {
    let (wall, hlc) = clock();
    let before = hlc.tick();
    wall.set(Millis(NOW - HOUR));
    let after = hlc.tick();
    assert!(after > before && hlc.next_version() > Version::new(after));
    assert_eq!(after.millis(), Millis(NOW));
    wall.set(Millis(NOW + 1));
    assert_eq!(hlc.tick(), at(NOW + 1, 0, 7));
}

#[test]
fn r_clock_carries_into_the_milliseconds_after_65536_readings() {
    let (_, hlc) = clock();
    for counter in 0..=u16::MAX {
        assert_eq!(hlc.tick(), at(NOW, counter, 7));
    }
    assert_eq!(hlc.tick(), at(NOW + 1, 0, 7));
}

#[test]
fn r_clock_reads_above_what_it_observed() {
    let (_, hlc) = clock();
    let peer = at(NOW + 59_000, 9, u64::MAX);
    hlc.observe(peer).unwrap();
    let next = hlc.tick();
    assert!(next > peer);
    assert_eq!(next, at(NOW + 59_000, 10, 7));
}

#[test]
fn r_clock_refuses_a_peer_too_far_ahead_and_stays_as_it_was() {
    let (_, hlc) = clock();
    let hlc = hlc.with_max_drift(Duration::from_secs(5));
    assert!(hlc.observe(at(NOW + 5_000, 0, 9)).is_ok());
    let before = hlc.tick();
    let drift = ClockDrift {
        node: 9,
        ahead: Duration::from_millis(5_001),
        allowed: Duration::from_secs(5),
    };
    assert_eq!(hlc.observe(at(NOW + 5_001, 0, 9)), Err(drift.clone()));
    assert_eq!(hlc.tick(), at(NOW + 5_000, before.counter() + 1, 7));
    let told = drift.to_string();
    assert!(
        told.starts_with("node 0000000000000009 reads a time 5.001s ahead of ours"),
        "{told}"
    );
    assert!(DEFAULT_MAX_DRIFT >= Duration::from_secs(1));
}

#[test]
fn r_clock_takes_a_peer_at_our_own_time_after_the_wall_clock_was_set_back() {
    let (wall, hlc) = clock();
    hlc.observe(at(NOW + 1, 0, 9)).unwrap();
    wall.set(Millis(NOW - HOUR));
    // The peer lies an hour before our wall clock now, and not before us.
    assert!(hlc.observe(at(NOW, 5, 9)).is_ok());
    assert!(hlc.observe(at(NOW + 1, 1, 9)).is_err());
}

#[test]
fn r_clock_resumes_above_its_own_store_however_far_ahead() {
    let (wall, hlc) = clock();
    wall.set(Millis(NOW - 24 * HOUR));
    let stored = Version::new(at(NOW + 24 * HOUR, u16::MAX, 3));
    hlc.resume_above(stored);
    assert!(hlc.next_version() > stored);
    assert_eq!(hlc.tick().millis(), Millis(NOW + 24 * HOUR + 1));
    hlc.resume_above(Version::ZERO);
    assert!(hlc.next_version() > stored);
}

#[test]
fn r_clock_of_one_node_never_meets_that_of_another() {
    let (wall, one) = clock();
    let other = Hlc::new(NodeId(8), wall.shared());
    assert!(one.tick() < other.tick());
    assert_ne!(NodeId::random(), NodeId::random());
}

#[test]
fn the_coarse_time_of_the_machine_is_a_tick_behind_the_exact_one_at_most() {
    let before = SystemClock.now();
    let coarse = SystemClock.coarse_now();
    let after = SystemClock.now();
    // A tick is ten milliseconds at most; a clock that is being set, and a machine that stands still, are given a second.
    assert!(
        before.since(coarse) < 1_000 && coarse.since(after) < 1_000,
        "{before:?} {coarse:?} {after:?}"
    );
}
