use std::collections::HashSet;

use super::Model;
use super::history::Call;
use super::timeline::{Event, Timeline};
use super::violation::Violation;

/// Looks for an order of the calls, depth first, and remembers what led nowhere.
pub(super) struct Search<'a, M: Model> {
    model: &'a M,
    calls: &'a [Call<M::Op, M::Output>],
    timeline: Timeline,
    state: M::State,
    placed: CallSet,
    /// The order so far: each call with the state before it.
    order: Vec<(usize, M::State)>,
    /// Sets of calls with the state that some order of them led to. One order of a set is as good as any other
    /// that leads to the same state.
    seen: HashSet<(CallSet, M::State)>,
    /// Calls that were answered and have no place yet.
    missing: usize,
    longest: Vec<usize>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct CallSet(Box<[u64]>);

impl<'a, M: Model> Search<'a, M> {
    pub(super) fn new(model: &'a M, calls: &'a [Call<M::Op, M::Output>]) -> Self {
        Self {
            model,
            calls,
            timeline: Timeline::new(calls),
            state: model.initial(),
            placed: CallSet(vec![0; calls.len().div_ceil(64)].into()),
            order: Vec::new(),
            seen: HashSet::new(),
            missing: calls.iter().filter(|call| call.output.is_some()).count(),
            longest: Vec::new(),
        }
    }

    pub(super) fn run(mut self) -> Result<(), Violation> {
        let mut node = self.timeline.first();
        while self.missing > 0 {
            node = match Timeline::event(node) {
                Event::Start(call) if self.place(call) => self.timeline.first(),
                Event::Start(_) => self.timeline.after(node),
                // A call that was cut off before it had a place never happened.
                Event::End(call) if self.leave_out(call) => self.timeline.first(),
                // A call that is not placed ended here, so nothing later can come before it: try another order.
                Event::End(_) | Event::Over => match self.take_back() {
                    Some(call) => self.timeline.after_start(call),
                    None => return Err(Violation::new(self.calls, &self.longest)),
                },
            };
        }
        Ok(())
    }

    /// Makes `call` the next in the order, unless its answer does not fit or the result is known to lead nowhere.
    fn place(&mut self, call: usize) -> bool {
        let Call { op, output, .. } = &self.calls[call];
        let state = self.model.apply(&self.state, op, output.as_ref());
        state.is_some_and(|state| self.settle(call, state))
    }

    /// Goes on without `call`, if that was cut off and going on so is not known to lead nowhere.
    fn leave_out(&mut self, call: usize) -> bool {
        self.calls[call].output.is_none() && self.settle(call, self.state.clone())
    }

    fn settle(&mut self, call: usize, state: M::State) -> bool {
        let mut placed = self.placed.clone();
        placed.flip(call);
        if !self.seen.insert((placed.clone(), state.clone())) {
            return false;
        }
        self.placed = placed;
        self.order.push((call, std::mem::replace(&mut self.state, state)));
        self.missing -= usize::from(self.calls[call].output.is_some());
        self.timeline.lift(call);
        true
    }

    /// Undoes the last call of the order, `None` when there is none left.
    fn take_back(&mut self) -> Option<usize> {
        if self.order.len() > self.longest.len() {
            self.longest = self.order.iter().map(|(call, _)| *call).collect();
        }
        let (call, state) = self.order.pop()?;
        self.state = state;
        self.placed.flip(call);
        self.missing += usize::from(self.calls[call].output.is_some());
        self.timeline.unlift(call);
        Some(call)
    }
}

impl CallSet {
    fn flip(&mut self, call: usize) {
        self.0[call / 64] ^= 1 << (call % 64);
    }
}
