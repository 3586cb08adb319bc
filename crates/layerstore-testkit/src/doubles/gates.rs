use std::collections::HashMap;

use tokio::sync::watch;

use super::call::Call;

/// Where a gate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Before the store below is asked.
    Before,
    /// After it has answered, before the caller hears of it.
    After,
}

/// Gates that calls pass through, all open at first.
pub(super) struct Gates {
    gates: watch::Sender<HashMap<(Call, Side), Gate>>,
}

#[derive(Default)]
struct Gate {
    is_shut: bool,
    /// How many may pass although it is shut.
    passes: usize,
    waiting: usize,
}

impl Gates {
    pub(super) fn new() -> Self {
        Self {
            gates: watch::Sender::new(HashMap::new()),
        }
    }

    pub(super) fn shut(&self, call: Call, side: Side) {
        self.change(call, side, |gate| gate.is_shut = true);
    }

    pub(super) fn open(&self, call: Call, side: Side) {
        self.change(call, side, |gate| (gate.is_shut, gate.passes) = (false, 0));
    }

    pub(super) fn open_all(&self) {
        self.gates.send_modify(|gates| {
            for gate in gates.values_mut() {
                (gate.is_shut, gate.passes) = (false, 0);
            }
        });
    }

    pub(super) fn let_pass(&self, call: Call, side: Side, number: usize) {
        self.change(call, side, |gate| gate.passes += number);
    }

    pub(super) fn waiting(&self, call: Call, side: Side) -> usize {
        self.gates
            .borrow()
            .get(&(call, side))
            .map_or(0, |gate| gate.waiting)
    }

    pub(super) async fn until_waiting(&self, call: Call, side: Side, number: usize) {
        let arrived = |gates: &HashMap<(Call, Side), Gate>| {
            gates
                .get(&(call, side))
                .is_some_and(|gate| gate.waiting >= number)
        };
        // The sender lives as long as this borrow of it, so the channel cannot close.
        let _ = self.gates.subscribe().wait_for(arrived).await;
    }

    /// Passes the gate, at once where it is open.
    pub(super) async fn pass(&self, call: Call, side: Side) {
        if self.try_pass(call, side) {
            return;
        }
        let _waiting = Waiting::at(self, call, side);
        let mut changes = self.gates.subscribe();
        // A pass is taken by whoever comes first; the others wait for the next change.
        while !self.try_pass(call, side) {
            let _ = changes.changed().await;
        }
    }

    fn try_pass(&self, call: Call, side: Side) -> bool {
        let mut passed = true;
        self.gates.send_if_modified(|gates| {
            let Some(gate) = gates.get_mut(&(call, side)).filter(|gate| gate.is_shut) else {
                return false;
            };
            passed = gate.passes > 0;
            gate.passes = gate.passes.saturating_sub(1);
            // Nobody waits for fewer passes, so nobody is woken.
            false
        });
        passed
    }

    fn change(&self, call: Call, side: Side, change: impl FnOnce(&mut Gate)) {
        self.gates
            .send_modify(|gates| change(gates.entry((call, side)).or_default()));
    }
}

/// Counts a caller as waiting until it has passed or was dropped.
struct Waiting<'a> {
    gates: &'a Gates,
    call: Call,
    side: Side,
}

impl<'a> Waiting<'a> {
    fn at(gates: &'a Gates, call: Call, side: Side) -> Self {
        gates.change(call, side, |gate| gate.waiting += 1);
        Self { gates, call, side }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.gates.change(self.call, self.side, |gate| gate.waiting -= 1);
    }
}
