//! The checker itself: histories known to be right and wrong, and a second opinion by brute force.

mod histories;

use fastrand::Rng;
use histories::{KNOWN, Known};
use layerstore_testkit::linearizability::{Call, Model, Recorder, Register, RegisterOp, RegisterOutput};
use layerstore_testkit::linearizability::{Stamps, check, check_by_key};
use layerstore_testkit::proof;

type RegisterCall = Call<RegisterOp, RegisterOutput>;

#[test]
fn known_histories_are_judged_as_they_should_be() {
    assert!(KNOWN.len() >= 20);
    assert!(KNOWN.iter().filter(|known| known.right).count() >= 10);
    for Known { name, right, calls } in KNOWN {
        let result = check(&Register, &calls());
        assert_eq!(result.is_ok(), *right, "{name}: {result:?}");
    }
}

#[test]
fn histories_that_happened_are_accepted_and_wrong_answers_in_them_are_not() {
    let mut rng = Rng::with_seed(proof::seed());
    for _ in 0..300 {
        let mut calls = happened(&mut rng, 200, 8);
        check(&Register, &calls).unwrap();
        let answered: Vec<_> = (0..calls.len())
            .filter(|&call| calls[call].output.is_some())
            .collect();
        let wrong = answered[rng.usize(..answered.len())];
        // Nobody ever put this number, so no order can explain it.
        calls[wrong].op = RegisterOp::Get;
        calls[wrong].output = Some(RegisterOutput::Value(Some(u64::MAX)));
        let violation = check(&Register, &calls).unwrap_err();
        assert!(violation.placed() < calls.len());
        assert!(
            violation.to_string().contains(&u64::MAX.to_string()),
            "{violation}"
        );
    }
}

#[test]
fn small_random_histories_are_judged_as_brute_force_judges_them() {
    let mut rng = Rng::with_seed(proof::seed());
    let (mut right, mut wrong) = (0, 0);
    for _ in 0..20_000 {
        let calls = nearly_happened(&mut rng);
        let found = check(&Register, &calls).is_ok();
        assert_eq!(found, brute_force(&calls, &mut Vec::new(), None), "{calls:#?}");
        right += u32::from(found);
        wrong += u32::from(!found);
    }
    assert!(
        right > 1_000 && wrong > 1_000,
        "one-sided: {right} right, {wrong} wrong"
    );
}

#[test]
fn a_thousand_calls_of_eight_threads_on_one_key_are_searched_in_no_time() {
    let mut rng = Rng::with_seed(proof::seed());
    let calls = happened(&mut rng, 1_000, 8);
    check(&Register, &calls).unwrap();
}

#[test]
fn every_key_is_checked_by_itself_and_the_wrong_one_is_named() {
    let stamps = Stamps::new();
    let mut recorder = Recorder::new(&stamps);
    for key in ["a", "b"] {
        recorder.call(key, RegisterOp::Put(1), |_| RegisterOutput::Value(None));
    }
    assert_eq!(recorder.len(), 2);
    recorder.call("b", RegisterOp::Get, |_| RegisterOutput::Value(None));
    let violation = check_by_key(&Register, [recorder]).unwrap_err().to_string();
    assert!(
        violation.contains("2 calls of key \"b\"") && violation.contains("Get -> Some(Value(None))"),
        "{violation}"
    );
}

#[test]
fn a_call_that_never_ended_is_of_unknown_outcome() {
    let stamps = Stamps::new();
    let mut recorder = Recorder::new(&stamps);
    drop(recorder.start("a", RegisterOp::Put(1)));
    recorder.call("a", RegisterOp::Get, |_| RegisterOutput::Value(None));
    recorder.call("a", RegisterOp::Get, |_| RegisterOutput::Value(Some(1)));
    let checked = check_by_key(&Register, [recorder]).unwrap();
    assert_eq!((checked.keys, checked.calls), (1, 3));
}

/// Makes a history by letting every call happen at an instant between its start and its end.
fn happened(rng: &mut Rng, count: u64, threads: usize) -> Vec<RegisterCall> {
    let mut calls: Vec<RegisterCall> = Vec::new();
    let mut open: Vec<Option<usize>> = vec![None; threads];
    let (mut state, mut stamp, mut number) = (None, 0, 0);
    while number < count || open.iter().any(Option::is_some) {
        stamp += 1;
        let slot = rng.usize(..threads);
        match open[slot] {
            None if number < count => {
                number += 1;
                open[slot] = Some(calls.len());
                calls.push(Call::unknown(stamp, random_op(rng, number, state)));
            }
            None => {}
            Some(call) if calls[call].output.is_none() => {
                let (output, next) = Register::answer(state, calls[call].op);
                calls[call].output = Some(output);
                state = next;
            }
            Some(call) => {
                calls[call].end = Some(stamp);
                open[slot] = None;
            }
        }
    }
    calls
}

/// A short history with, often, one answer or one end changed, or a call whose outcome is unknown, or that a crash cut off.
fn nearly_happened(rng: &mut Rng) -> Vec<RegisterCall> {
    let count = rng.u64(1..=6);
    let mut calls = happened(rng, count, 3);
    let call = rng.usize(..calls.len());
    match rng.u8(..5) {
        0 => {}
        1 => calls[call].output = Some(RegisterOutput::Value(rng.bool().then(|| rng.u64(1..=count)))),
        2 => calls[call].end = calls[call].end.map(|end| rng.u64(calls[call].start..=end)),
        3 => (calls[call].output, calls[call].end) = (None, None),
        _ => {
            calls[call].output = None;
            calls[call].end = calls[call].end.map(|end| rng.u64(calls[call].start..=end));
        }
    }
    calls
}

fn random_op(rng: &mut Rng, number: u64, state: Option<u64>) -> RegisterOp {
    match rng.u8(..6) {
        0 => RegisterOp::Put(number),
        1 => RegisterOp::PutIf {
            expected: state,
            put: number,
        },
        2 => RegisterOp::Remove,
        3 => RegisterOp::Toggle(number),
        _ => RegisterOp::Get,
    }
}

/// Tries every order.
fn brute_force(calls: &[RegisterCall], order: &mut Vec<usize>, state: Option<u64>) -> bool {
    let left: Vec<_> = (0..calls.len()).filter(|call| !order.contains(call)).collect();
    if left.iter().all(|&call| calls[call].output.is_none()) {
        return true;
    }
    left.iter().any(|&call| {
        let may_be_next = left
            .iter()
            .all(|&other| calls[other].end.is_none_or(|end| end >= calls[call].start));
        let Call { op, output, end, .. } = &calls[call];
        let happens = Register.apply(&state, op, output.as_ref());
        // One that a crash cut off may be left out.
        let is_left_out = (output.is_none() && end.is_some()).then_some(state);
        let mut next = happens.into_iter().chain(is_left_out);
        may_be_next
            && next.any(|next| {
                order.push(call);
                let found = brute_force(calls, order, next);
                order.pop();
                found
            })
    })
}
