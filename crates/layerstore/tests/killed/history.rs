//! What all processes of a history said, put together.

use std::collections::BTreeMap;

use layerstore_testkit::linearizability::{Call, check};

use crate::line::{Answer, Line, Told, Verb};
use crate::model::StoreModel;

/// The calls on the keys of one store, from process to process.
#[derive(Default)]
pub(crate) struct History {
    /// Lines so far. A call that was answered in a line before the one in which another was asked had ended when that began.
    lines: u64,
    /// Calls of the process that lives, by their number there: since which line, and what.
    open: BTreeMap<u64, (u64, u64, Verb)>,
    calls: BTreeMap<u64, Vec<Call<Verb, Answer>>>,
    model: StoreModel,
    /// The numbers that calls which were cut off may have written.
    cut: Vec<u64>,
    pub(crate) counts: Counts,
}

/// What went on, so that a proof can show that it was no idle one.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    /// Calls that were answered.
    pub(crate) answered: u64,
    /// Calls that a kill cut off.
    pub(crate) cut: u64,
    /// Calls that a kill cut off and whose number was seen.
    pub(crate) cut_and_seen: u64,
    /// Writes that a process took over from the one before it.
    pub(crate) taken_over: u64,
}

impl History {
    pub(crate) fn hear(&mut self, line: &Line) {
        self.lines += 1;
        match *line {
            Line::Opening => {}
            Line::Opened { pending } => self.counts.taken_over += pending,
            Line::Asked { call, key, verb } => drop(self.open.insert(call, (self.lines, key, verb))),
            Line::Answered { call, answer } => self.answered(call, answer),
        }
    }

    fn answered(&mut self, call: u64, answer: Answer) {
        let asked = self.open.remove(&call);
        let (start, key, verb) = asked.expect("what is answered was asked");
        if let (Told::Found(Some(number)), Some(version)) = (answer.told, answer.found_at) {
            self.learn(number, version);
        }
        // A toggle of an odd number writes none: its version is a removal's.
        let removed =
            matches!((verb, answer.told), (Verb::Toggle(_), Told::Found(Some(odd))) if odd % 2 == 1);
        if let (Some(number), Some(version), false) = (verb.writes(), answer.version, removed) {
            self.learn(number, version);
        }
        self.counts.answered += 1;
        let call = Call::ended(start, self.lines, verb, answer);
        self.calls.entry(key).or_default().push(call);
    }

    /// Takes note that a number was written with a version: every time the same.
    fn learn(&mut self, number: u64, version: (u64, u64)) {
        let known = *self.model.versions.entry(number).or_insert(version);
        assert_eq!(known, version, "the number {number} has two versions");
    }

    /// Takes note that the process is dead: what was not answered happened before, or never.
    pub(crate) fn crash(&mut self) {
        self.lines += 1;
        for (_, (start, key, verb)) in std::mem::take(&mut self.open) {
            self.counts.cut += 1;
            self.cut.extend(verb.writes());
            let call = Call::cut(start, self.lines, verb);
            self.calls.entry(key).or_default().push(call);
        }
    }

    /// Looks for an order of the calls on each key; returns the counts, or what cannot be.
    pub(crate) fn judge(mut self) -> Result<Counts, String> {
        assert!(self.open.is_empty(), "the last process ended by itself");
        for (key, calls) in &self.calls {
            check(&self.model, calls).map_err(|violation| format!("key {key}: {violation}"))?;
        }
        let seen = self
            .cut
            .iter()
            .filter(|number| self.model.versions.contains_key(number));
        self.counts.cut_and_seen = seen.count() as u64;
        Ok(self.counts)
    }
}
