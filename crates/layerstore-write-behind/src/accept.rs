//! How a write is judged, made durable in the log and acknowledged.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

use layerstore_data_store::{ErrorKind, Held, StoreError, TryApply, Write, WriteResult};
use layerstore_record::{Key, codec};
use tokio::time::Instant;

use crate::STORE;
use crate::options::WhenFull;
use crate::queue::{Arrival, Judged, Place, Queue, Refusal, Room};
use crate::shared::Shared;

/// A part of a batch holds at most this part of what may be pending: so that waiting for room is not waiting for all of it.
const PART_OF_BOUND: usize = 4;

/// What is to be done with one write of a batch.
pub(crate) enum Step {
    Answer(WriteResult),
    Accept(Place),
    /// To be made by the final store, which alone can judge it.
    Direct(Place),
    /// To be made by the final store at once, since there is no room to let it wait. Its condition was judged over what is pending, of which
    /// the final store may know nothing yet.
    Through(Place),
    /// To be judged again when it is known what the key holds.
    Unsure,
}

/// A call at its keys: nobody else judges a write of them until it is dropped.
struct Visit<'a> {
    shared: &'a Shared,
    call: u64,
    keys: Vec<(Place, Key)>,
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.shared.queue().leave(self.call, &self.keys);
        self.shared.moved.notify_waiters();
    }
}

impl Shared {
    pub(crate) async fn apply(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        if let [write] = &*writes
            && let Some(result) = self.apply_alone(write).await
        {
            return vec![result];
        }
        // On the heap, so that the short way does not carry what only the long way needs.
        Box::pin(self.apply_in_parts(writes)).await
    }

    async fn apply_in_parts(&self, writes: Vec<Write>) -> Vec<WriteResult> {
        let mut results = Vec::with_capacity(writes.len());
        for part in self.parts(&writes) {
            results.extend(self.apply_part(part).await);
        }
        results
    }

    /// Makes writes where that needs neither the log, nor the store behind, nor room that is not there.
    pub(crate) fn try_apply(&self, writes: Vec<Write>) -> TryApply {
        let is_closed = self.closed.load(Ordering::Acquire);
        if self.log.is_some() || is_closed {
            return TryApply::NeedsIo(writes);
        }
        if let [write] = &*writes
            && self.accept_one_at_once(write)
        {
            return TryApply::Done(vec![WriteResult::Applied]);
        }
        if self.parts(&writes).nth(1).is_some() {
            return TryApply::NeedsIo(writes);
        }
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let mut queue = self.queue();
        let keys = places(&mut queue, &writes);
        if !queue.enter(call, &keys) {
            return TryApply::NeedsIo(writes);
        }
        let steps = self.judge(&mut queue, &writes);
        let done = self.accept_at_once(&mut queue, &writes, steps);
        queue.leave(call, &keys);
        self.tell_worker(queue);
        match done {
            Some(results) => TryApply::Done(results),
            None => TryApply::NeedsIo(writes),
        }
    }

    /// Takes the short way, which nearly every write can take that is not logged; tells whether it could.
    fn accept_one_at_once(&self, write: &Write) -> bool {
        let arrival = Arrival::of(&write.key, Arc::clone(&write.record), None);
        if write.expect.is_some() || self.check_size(write, arrival.cost).is_err() {
            return false;
        }
        let now = self.now();
        let mut queue = self.queue();
        let place = queue.place(&write.map);
        let accepted = queue.accept_at_once(place, &write.key, arrival, now);
        self.tell_worker(queue);
        accepted.is_some()
    }

    /// Wakes the worker where it would sleep too long.
    pub(crate) fn tell_worker(&self, mut queue: MutexGuard<'_, Queue>) {
        let was_sooner = queue.was_sooner();
        drop(queue);
        if was_sooner {
            self.work.notify_one();
        }
    }

    fn accept_at_once(
        &self,
        queue: &mut Queue,
        writes: &[Write],
        steps: Vec<Step>,
    ) -> Option<Vec<WriteResult>> {
        if steps
            .iter()
            .any(|step| matches!(step, Step::Direct(_) | Step::Unsure))
        {
            return None;
        }
        let room =
            queue.reserve(accepted(writes, &steps).map(|(place, write)| (place, &write.key, cost(write))))?;
        let now = self.now();
        let results = writes.iter().zip(steps).map(|(write, step)| match step {
            Step::Answer(answer) => Some(answer),
            Step::Accept(place) => {
                let arrival = Arrival::of(&write.key, Arc::clone(&write.record), None);
                queue.accept(place, &write.key, arrival, now);
                Some(WriteResult::Applied)
            }
            Step::Direct(_) | Step::Through(_) | Step::Unsure => None,
        });
        let results = results.collect();
        queue.release(room);
        results
    }

    /// Parts of a batch that are judged, logged and accepted together.
    fn parts<'a>(&self, writes: &'a [Write]) -> impl Iterator<Item = &'a [Write]> {
        let most = self
            .limits
            .batch_records
            .min(self.options.max_records / PART_OF_BOUND)
            .max(1);
        let most_bytes = (self.options.max_bytes / PART_OF_BOUND as u64).min(self.options.batch_bytes);
        let mut rest = writes;
        std::iter::from_fn(move || {
            let mut bytes = 0_u64;
            let fitting = rest.iter().take(most).take_while(|write| {
                bytes = bytes.saturating_add(cost(write));
                bytes <= most_bytes
            });
            let count = fitting.count().max(1).min(rest.len());
            let (part, others) = rest.split_at(count);
            rest = others;
            (!part.is_empty()).then_some(part)
        })
    }

    async fn apply_part(&self, writes: &[Write]) -> Vec<WriteResult> {
        if let Err(error) = self.check_open("apply") {
            return reject_all(writes, &error);
        }
        let visit = match self.visit(writes).await {
            Ok(visit) => visit,
            Err(error) => return reject_all(writes, &error),
        };
        let mut steps = match self.judge_surely(writes).await {
            Ok(steps) => steps,
            Err(error) => return reject_all(writes, &error),
        };
        self.accept(writes, &mut steps).await;
        self.make_direct(writes, &mut steps).await;
        drop(visit);
        let results = steps.into_iter().zip(writes).map(|(step, write)| match step {
            Step::Answer(answer) => answer,
            // Every step was answered above.
            Step::Accept(_) | Step::Direct(_) | Step::Through(_) | Step::Unsure => {
                let what = "a write had no answer";
                WriteResult::Rejected(self.error(ErrorKind::Corrupt, "apply", what).at_key(&write.key))
            }
        });
        results.collect()
    }

    /// Waits until nobody else is at any of the keys.
    async fn visit(&self, writes: &[Write]) -> Result<Visit<'_>, StoreError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let keys = places(&mut self.queue(), writes);
        let visit = Visit {
            shared: self,
            call,
            keys,
        };
        let deadline = Instant::now() + self.options.patience;
        if self
            .wait_until(deadline, |queue| queue.enter(call, &visit.keys))
            .await
        {
            return Ok(visit);
        }
        let what = format!(
            "another write of the key did not end within {} ms",
            self.options.patience.as_millis()
        );
        Err(self.error(ErrorKind::Throttled, "apply", what))
    }

    /// Judges writes; first waits until it is known what their keys hold, where that is in doubt.
    async fn judge_surely(&self, writes: &[Write]) -> Result<Vec<Step>, StoreError> {
        loop {
            let steps = {
                let mut queue = self.queue();
                self.judge(&mut queue, writes)
            };
            let unsure = steps
                .iter()
                .zip(writes)
                .find(|(step, _)| matches!(step, Step::Unsure));
            match unsure {
                None => return Ok(steps),
                Some((_, write)) => self.make_sure(&write.map, &write.key, "apply").await?,
            }
        }
    }

    fn judge(&self, queue: &mut Queue, writes: &[Write]) -> Vec<Step> {
        let now = self.clock.now();
        // What earlier writes of the batch leave: none where the store decides.
        let mut earlier: HashMap<(Place, &Key), Option<Held>> = HashMap::new();
        let mut steps = Vec::with_capacity(writes.len());
        for write in writes {
            let place = queue.place(&write.map);
            let id = (place, &write.key);
            let step = if let Some(refusal) = queue.refusal(place) {
                rejected(write, refused(refusal, "apply"))
            } else if let Err(error) = self.check_size(write, cost(write)) {
                rejected(write, error)
            } else if earlier.get(&id) == Some(&None) {
                Step::Direct(place)
            } else {
                let before = earlier.get(&id).copied().flatten();
                match queue.judge(place, &write.key, (write.version(), write.expect), before, now) {
                    Judged::Accept => {
                        earlier.insert(id, Some(Held::of(&write.record, now)));
                        Step::Accept(place)
                    }
                    Judged::Answer(verdict) => Step::Answer(verdict.into_result(write, STORE)),
                    Judged::Ask => {
                        earlier.insert(id, None);
                        Step::Direct(place)
                    }
                    Judged::Wait => Step::Unsure,
                }
            };
            steps.push(step);
        }
        steps
    }

    /// Finds room for what was judged, logs it and puts it into the queue.
    async fn accept(&self, writes: &[Write], steps: &mut [Step]) {
        if accepted(writes, steps).next().is_none() {
            return;
        }
        let mut room = None;
        let mut reserve = |queue: &mut Queue| {
            room =
                queue.reserve(accepted(writes, steps).map(|(place, write)| (place, &write.key, cost(write))));
            room.is_some()
        };
        let has_room = if self.waits() {
            self.wait_until(Instant::now() + self.options.patience, &mut reserve)
                .await
        } else {
            reserve(&mut self.queue())
        };
        let Some(room) = room.filter(|_| has_room) else {
            return self.refuse_or_go_through(writes, steps, || self.full());
        };
        let room = ReleaseOnDrop { shared: self, room };
        match &self.log {
            None => writes
                .iter()
                .zip(steps)
                .for_each(|(write, step)| self.enqueue_one(write, step, None)),
            Some(_) => self.log_and_enqueue(writes, steps).await,
        }
        drop(room);
        self.tell_worker(self.queue());
    }

    /// Tells whether a write waits for room.
    pub(crate) fn waits(&self) -> bool {
        matches!(self.options.when_full, WhenFull::Wait | WhenFull::Spill)
    }

    pub(crate) fn refuse_or_go_through(
        &self,
        writes: &[Write],
        steps: &mut [Step],
        error: impl Fn() -> StoreError,
    ) {
        for (write, step) in writes.iter().zip(steps) {
            if let Step::Accept(place) = *step {
                *step = match self.options.when_full {
                    WhenFull::WriteThrough => Step::Through(place),
                    _ => rejected(write, error()),
                };
            }
        }
    }

    /// Makes writes that the final store has to judge, or that there is no room for, at once.
    async fn make_direct(&self, writes: &[Write], steps: &mut [Step]) {
        let direct: Vec<(usize, Place)> = steps
            .iter()
            .enumerate()
            .filter_map(|(number, step)| match step {
                Step::Direct(place) | Step::Through(place) => Some((number, *place)),
                _ => None,
            })
            .collect();
        if direct.is_empty() {
            return;
        }
        let batch = direct.iter().map(|(number, _)| {
            let mut write = writes[*number].clone();
            if matches!(steps[*number], Step::Through(_)) {
                write.expect = None;
            }
            write
        });
        let batch = batch.collect();
        let answers = self.send(batch).await;
        for ((number, place), answer) in direct.into_iter().zip(answers) {
            let write = &writes[number];
            let done = {
                let mut queue = self.queue();
                match &answer {
                    WriteResult::Applied => queue.overtaken(place, &write.key, write.version()),
                    WriteResult::Rejected(error) if error.kind() == ErrorKind::Fenced => {
                        queue.fence(place, error.clone());
                        Vec::new()
                    }
                    WriteResult::Rejected(_) => {
                        // It may land later: from now on the store is asked about what is not newer.
                        queue.knows(place, write.version());
                        Vec::new()
                    }
                    WriteResult::Stale { .. } | WriteResult::Conflict { .. } => Vec::new(),
                }
            };
            self.done(done);
            steps[number] = Step::Answer(answer);
        }
        self.moved.notify_waiters();
    }

    fn full(&self) -> StoreError {
        let counts = self.queue().counts();
        let what = format!(
            "{} writes of {} bytes are pending, {} of them dead letters, and as many as {} of {} bytes may be: the store behind does not keep up",
            counts.records, counts.bytes, counts.dead, self.options.max_records, self.options.max_bytes
        );
        self.error(ErrorKind::Throttled, "apply", what)
    }

    /// Refuses what the store behind or the log cannot hold, before anything is acknowledged.
    pub(crate) fn check_size(&self, write: &Write, cost: u64) -> Result<(), StoreError> {
        let limits = self.limits;
        let in_memory = usize::try_from(cost).unwrap_or(usize::MAX);
        let parts = [
            ("map name", write.map.as_str().len(), limits.map_name_bytes),
            ("key", write.key.as_bytes().len(), limits.key_bytes),
            // What a record takes in memory is known; its bytes are counted where they may be too many.
            ("record", codec::most_encoded(in_memory), limits.record_bytes),
        ];
        let Some((part, bytes, limit)) = parts.into_iter().find(|(_, bytes, limit)| bytes > limit) else {
            return Ok(());
        };
        let bytes = match part {
            "record" => codec::encoded_len(&write.record).map_err(|error| {
                let what = "the record cannot be encoded";
                self.error(ErrorKind::TooLarge, "apply", what).because(error)
            })?,
            _ => bytes,
        };
        if bytes <= limit {
            return Ok(());
        }
        let what = format!("a {part} of {bytes} bytes is above the limit of {limit}");
        Err(self.error(ErrorKind::TooLarge, "apply", what))
    }
}

/// Gives room back, also where the caller goes away while the log is at it.
struct ReleaseOnDrop<'a> {
    shared: &'a Shared,
    room: Room,
}

impl Drop for ReleaseOnDrop<'_> {
    fn drop(&mut self) {
        self.shared.queue().release(self.room);
    }
}

/// Says why a map takes no writes.
pub(crate) fn refused(refusal: Refusal, operation: &'static str) -> StoreError {
    match refusal {
        Refusal::NotClaimed => {
            StoreError::new(ErrorKind::NotClaimed, STORE, operation, "claim the map first")
        }
        Refusal::Fenced(error) => {
            let what = "another process has claimed the map; what is pending stays until it is claimed again";
            StoreError::new(ErrorKind::Fenced, STORE, operation, what).because(error)
        }
    }
}

pub(crate) fn rejected(write: &Write, error: StoreError) -> Step {
    Step::Answer(reject(write, error))
}

pub(crate) fn reject_all(writes: &[Write], error: &StoreError) -> Vec<WriteResult> {
    writes.iter().map(|write| reject(write, error.clone())).collect()
}

pub(crate) fn reject(write: &Write, error: StoreError) -> WriteResult {
    WriteResult::Rejected(error.in_map(&write.map).at_key(&write.key))
}

fn accepted<'a>(writes: &'a [Write], steps: &[Step]) -> impl Iterator<Item = (Place, &'a Write)> {
    let steps = writes.iter().zip(steps);
    steps.filter_map(|(write, step)| match step {
        Step::Accept(place) => Some((*place, write)),
        _ => None,
    })
}

fn places(queue: &mut Queue, writes: &[Write]) -> Vec<(Place, Key)> {
    writes
        .iter()
        .map(|write| (queue.place(&write.map), write.key.clone()))
        .collect()
}

fn cost(write: &Write) -> u64 {
    write.record.cost(&write.key).0
}
