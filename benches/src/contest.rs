//! Several ways to do the same work, in turn in one run: what an operation of each costs.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::comparison::quantile;
use crate::cpu;

/// What a piece of work took.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    /// On the wall, from when the first thread began to when the last was done.
    wall: Duration,
    /// Of the processors, all threads together; `None` where the system does not tell.
    cpu: Option<Duration>,
}

/// What an operation costs by the median of the rounds, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// On the wall.
    pub wall: f64,
    /// Of the processors; that on the wall where the system does not tell.
    pub cpu: f64,
}

/// Does work on so many threads at once; each is told its number.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
pub fn spend(threads: usize, work: impl Fn(usize) + Sync) -> Spent {
    let (ready, work) = (Barrier::new(threads), &work);
    let begin = |thread| {
        ready.wait();
        // Asked by the thread itself: what it used is not to be seen any more once it has ended.
        let (begun, before) = (Instant::now(), cpu::used_by_this_thread());
        work(thread);
        let used = cpu::used_by_this_thread().zip(before);
        (
            begun,
            Instant::now(),
            used.map(|(after, before)| after.saturating_sub(before)),
        )
    };
    let ended: Vec<_> = thread::scope(|scope| {
        let begin = &begin;
        let running: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || begin(thread)))
            .collect();
        running
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .collect()
    });
    let first = ended.iter().map(|(begun, ..)| *begun).min();
    let last = ended.iter().map(|(_, end, _)| *end).max();
    let wall = first
        .zip(last)
        .map(|(first, last)| last.saturating_duration_since(first));
    Spent {
        wall: wall.unwrap_or_default(),
        cpu: ended.iter().map(|(.., used)| *used).sum(),
    }
}

/// Lets every way do its round in turn, each round beginning with another, after a round that is not counted. A round is so many operations.
pub fn contest(rounds: usize, operations: u32, ways: &mut [&mut dyn FnMut(u64) -> Spent]) -> Vec<Cost> {
    let mut spent: Vec<Vec<Spent>> = ways.iter().map(|_| Vec::new()).collect();
    for round in 0..=rounds {
        for turn in 0..ways.len() {
            let at = (round + turn) % ways.len();
            let took = ways[at](round as u64);
            if round > 0 {
                spent[at].push(took);
            }
        }
    }
    let cost = |rounds: &Vec<Spent>| Cost::of(rounds, operations);
    spent.iter().map(cost).collect()
}

impl Cost {
    fn of(rounds: &[Spent], operations: u32) -> Self {
        let each = |time: Duration| time.as_secs_f64() * 1e9 / f64::from(operations);
        let wall = quantile(rounds.iter().map(|spent| each(spent.wall)).collect(), 0.5);
        let cpu: Option<Vec<f64>> = rounds.iter().map(|spent| spent.cpu.map(each)).collect();
        Self {
            wall,
            cpu: cpu.map_or(wall, |cpu| quantile(cpu, 0.5)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_thread_does_its_part_and_its_time_is_counted() {
        let done = AtomicUsize::new(0);
        let spent = spend(3, |thread| {
            done.fetch_add(10_usize.pow(u32::try_from(thread).unwrap()), Ordering::Relaxed);
        });
        assert_eq!(done.into_inner(), 111);
        assert!(spent.wall > Duration::ZERO && spent.cpu.is_none_or(|cpu| cpu < Duration::from_secs(60)));
    }

    #[test]
    fn ways_take_turns_and_a_slow_round_is_not_heard() {
        let order = RefCell::new(String::new());
        let way = |name: char| {
            let order = &order;
            move |round| {
                order.borrow_mut().push(name);
                let millis = if round == 2 { 900 } else { 10 };
                let wall = Duration::from_millis(millis);
                Spent { wall, cpu: None }
            }
        };
        let costs = contest(3, 1_000, &mut [&mut way('a'), &mut way('b')]);
        assert_eq!(*order.borrow(), "abbaabba");
        assert!((costs[0].wall - 10_000.0).abs() < 1e-6 && (costs[1].cpu - 10_000.0).abs() < 1e-6);
    }
}
