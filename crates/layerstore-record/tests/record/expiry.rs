//! When records end, to the millisecond.

use std::time::Duration;

use layerstore_record::{Expiry, Millis, Record, RecordValue, Version};
use proptest::option;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use crate::samples::{at, properties};

/// The last millisecond that a timestamp holds.
const LAST: u64 = (1 << 48) - 1;

fn started(now: u64, ttl: Option<u64>, idle: Option<u64>) -> Expiry {
    let period = |millis: Option<u64>| millis.map(Duration::from_millis);
    Expiry::starting(Millis(now), period(ttl), period(idle)).unwrap()
}

proptest! {
    #![proptest_config(properties())]

    #[test]
    fn r_expiry_a_record_is_over_exactly_from_its_end(
        now in 0..LAST / 4,
        ttl in option::of(1..LAST / 4),
        idle in option::of(1..LAST / 4),
        read_after in 0..LAST / 4,
    ) {
        let expiry = started(now, ttl, idle);
        let last_access = Millis(now + read_after);
        match expiry.ends(last_access) {
            Some(end) => {
                prop_assert!(expiry.is_over(end, last_access));
                prop_assert!(expiry.is_over(Millis(u64::MAX), last_access));
                prop_assert!(!expiry.is_over(Millis(end.0 - 1), last_access));
            }
            None => prop_assert!(!expiry.is_over(Millis(u64::MAX), last_access)),
        }
    }

    #[test]
    fn r_expiry_is_the_sooner_of_deadline_and_idleness(
        now in 0..LAST / 4,
        ttl in option::of(1..LAST / 4),
        idle in option::of(1..LAST / 4),
        read_after in 0..LAST / 4,
    ) {
        let expected = [ttl.map(|ttl| now + ttl), idle.map(|idle| now + read_after + idle)];
        let expected = expected.into_iter().flatten().min().map(Millis);
        let expiry = started(now, ttl, idle);
        prop_assert_eq!(expiry.ends(Millis(now + read_after)), expected);
        // Reads may have moved an idle deadline unseen: it is taken a fifth of the period later than it was persisted.
        let unread = [ttl, idle.map(|idle| idle + idle / 5)];
        let unread = unread.into_iter().flatten().min().map(|period| Millis(now + period));
        prop_assert_eq!(expiry.persisted_end(), unread);
    }

    #[test]
    fn a_period_is_accepted_exactly_if_it_ends_within_the_calendar(now in any::<u64>(), millis in any::<u64>()) {
        let fits = millis > 0 && now.checked_add(millis).is_some_and(|end| end <= LAST);
        let period = Some(Duration::from_millis(millis));
        prop_assert_eq!(Expiry::starting(Millis(now), period, None).is_ok(), fits);
        prop_assert_eq!(Expiry::starting(Millis(now), None, period).is_ok(), fits);
    }

    #[test]
    fn r_expiry_a_record_gives_back_the_expiry_that_it_was_given(
        deadline in option::of(any::<u64>()),
        max_idle in option::of(any::<u64>()),
        idle_deadline in option::of(any::<u64>()),
    ) {
        let expiry = Expiry {
            deadline: deadline.map(Millis),
            max_idle,
            idle_deadline: idle_deadline.map(Millis),
        };
        for expiry in [expiry, Expiry { deadline: Some(Millis(u64::MAX)), ..Expiry::NEVER }] {
            let value = RecordValue::lww(1, at(5, 0, 0));
            let record = Record::builder(value, Version::ZERO).expiry(expiry).build();
            prop_assert_eq!(record.expiry(), expiry);
            for now in [0, 4, 5, 6, u64::MAX].map(Millis) {
                prop_assert_eq!(record.is_expired(now), expiry.is_over(now, record.access().last_access()));
            }
        }
    }
}

#[test]
fn a_period_that_cannot_be_is_refused_by_name() {
    let refused = |ttl, idle| {
        let error = Expiry::starting(Millis(1_700_000_000_000), ttl, idle).unwrap_err();
        error.to_string()
    };
    let (short, long) = (Duration::from_micros(999), Duration::MAX);
    assert!(refused(Some(short), None).starts_with("a time to live of 999µs is too short: "));
    assert!(refused(None, Some(short)).starts_with("a maximum idle time of 999µs is too short: "));
    assert!(refused(Some(long), None).contains("is too long: use 1 ms to about 8,900 years, or none"));
}

#[test]
fn r_expiry_a_reload_keeps_the_idle_deadline_that_was_persisted() {
    let expiry = Expiry {
        deadline: None,
        max_idle: Some(1_000),
        idle_deadline: Some(Millis(9_000)),
    };
    let value = RecordValue::lww(1, at(5, 0, 0));
    // Its last access is not persisted: it starts anew at the time of the write.
    let reloaded = Record::builder(value, Version::new(at(5, 0, 0)))
        .expiry(expiry)
        .build();
    assert!(!reloaded.is_expired(Millis(8_999)) && reloaded.is_expired(Millis(9_000)));
    reloaded.access().touch(Millis(8_500));
    assert!(!reloaded.is_expired(Millis(9_499)) && reloaded.is_expired(Millis(9_500)));
}
