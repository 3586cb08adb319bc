//! R13: calls on a key have one order across kill -9: what a process was told stands in the next, and what it was not told happened before it
//! died, or never.

use std::path::Path;

use fastrand::Rng;
use layerstore_testkit::killed::{self, Errand, Then};
use layerstore_testkit::proof;

use crate::history::{Counts, History};
use crate::life::{LAST_RUN, live};
use crate::line::Line;

const TEST: &str = "linearizable::r13_calls_on_a_key_are_linearizable_across_kills";

/// The full figure.
const HISTORIES: u64 = 200;

/// How often the process of a history is killed amid its calls.
const KILLS: u64 = 3;

/// A process is killed after at most so many answers.
const MOST_ANSWERS: u64 = 800;

/// One of so many processes is killed while it opens what the one before it left, beside those that are killed amid calls.
const OPENING_KILLS: u64 = 3;

#[test]
fn r13_calls_on_a_key_are_linearizable_across_kills() {
    if let Some(errand) = killed::errand() {
        return live(&errand);
    }
    let seed = proof::seed();
    let histories = proof::scaled(HISTORIES);
    let (mut all, mut kills) = (Counts::default(), 0);
    for history in 0..histories {
        let of = seed.wrapping_add(history);
        let (made, more) = play(of);
        kills += made;
        let counts = more.judge();
        let counts = counts.unwrap_or_else(|what| panic!("R13: history of seed {of}: {what}"));
        all.answered += counts.answered;
        all.cut += counts.cut;
        all.cut_and_seen += counts.cut_and_seen;
        all.taken_over += counts.taken_over;
    }
    let idle = [all.answered, all.cut, all.cut_and_seen, all.taken_over];
    assert!(idle.iter().all(|count| *count > 0), "{all:?}");
    let counts = [
        ("histories", histories),
        ("kills", kills),
        ("calls", all.answered),
        ("cut_off", all.cut),
        ("cut_off_and_seen", all.cut_and_seen),
        ("taken_over", all.taken_over),
        ("seed", seed),
        ("violations", 0),
    ];
    proof::report("R13", &counts);
}

/// Makes a history; returns how many kills it has.
fn play(seed: u64) -> (u64, History) {
    let mut rng = Rng::with_seed(seed);
    let directory = tempfile::tempdir().unwrap();
    let (mut history, mut runs) = (History::default(), 0);
    for _ in 0..KILLS {
        if rng.u64(..OPENING_KILLS) == 0 {
            let wants_open = rng.bool();
            let is_time = |line: &Line, _| match line {
                Line::Opening => !wants_open,
                _ => true,
            };
            run_and_kill(&mut history, errand(directory.path(), runs, &mut rng), is_time);
            runs += 1;
        }
        let after = rng.u64(1..=MOST_ANSWERS);
        let is_time = |_: &Line, answered| answered >= after;
        run_and_kill(&mut history, errand(directory.path(), runs, &mut rng), is_time);
        runs += 1;
    }
    let last = errand(directory.path(), LAST_RUN, &mut rng);
    killed::to_its_end(TEST, &last, |line| history.hear(&Line::read(line)));
    (runs, history)
}

/// Kills a process when it is time, by a line and how many answers there were in its life.
fn run_and_kill(history: &mut History, errand: Errand, is_time: impl Fn(&Line, u64) -> bool) {
    let before = history.counts.answered;
    killed::until_killed(TEST, &errand, |line| {
        let line = Line::read(line);
        history.hear(&line);
        if is_time(&line, history.counts.answered - before) {
            Then::Kill
        } else {
            Then::Live
        }
    });
    history.crash();
}

fn errand(directory: &Path, run: u64, rng: &mut Rng) -> Errand {
    Errand {
        directory: directory.to_owned(),
        run,
        seed: rng.u64(..),
    }
}
