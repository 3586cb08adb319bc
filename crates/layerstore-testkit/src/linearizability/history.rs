use std::sync::atomic::{AtomicU64, Ordering};

/// The counter that orders the starts and ends of calls of all threads.
#[derive(Debug, Default)]
pub struct Stamps(AtomicU64);

/// A call with its answer, and the stamps between which it happened.
#[derive(Debug, Clone)]
pub struct Call<Op, Output> {
    /// What was asked.
    pub op: Op,
    /// What was answered; `None` when the outcome is unknown.
    pub output: Option<Output>,
    /// Stamp of the start.
    pub start: u64,
    /// Stamp of the end; `None` when it may still happen.
    pub end: Option<u64>,
}

/// Notes the calls of one thread (or task).
#[derive(Debug)]
pub struct Recorder<'a, K, Op, Output> {
    stamps: &'a Stamps,
    calls: Vec<(K, Call<Op, Output>)>,
}

/// A call that was started. One that is never ended counts as a call of unknown outcome.
#[derive(Debug)]
#[must_use = "end the call, or drop this where the outcome is unknown"]
pub struct OpenCall(usize);

impl Stamps {
    /// Starts at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn next(&self) -> u64 {
        // Sequentially consistent: a call that ended before another started has the lower stamp on every core.
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

impl<Op, Output> Call<Op, Output> {
    /// Makes a call that started at stamp `start` and ended at stamp `end`.
    pub fn ended(start: u64, end: u64, op: Op, output: Output) -> Self {
        Self {
            op,
            output: Some(output),
            start,
            end: Some(end),
        }
    }

    /// Makes a call that started at stamp `start`, and that a crash at stamp `end` cut off: it happened before that, or never.
    pub fn cut(start: u64, end: u64, op: Op) -> Self {
        Self {
            op,
            output: None,
            start,
            end: Some(end),
        }
    }

    /// Makes a call that started at stamp `start`, and of which nothing more is known.
    pub fn unknown(start: u64, op: Op) -> Self {
        Self {
            op,
            output: None,
            start,
            end: None,
        }
    }
}

impl<'a, K, Op, Output> Recorder<'a, K, Op, Output> {
    /// Starts without calls.
    #[must_use]
    pub fn new(stamps: &'a Stamps) -> Self {
        Self {
            stamps,
            calls: Vec::new(),
        }
    }

    /// Notes that a call of `key` starts. Call it right before the real call.
    pub fn start(&mut self, key: K, op: Op) -> OpenCall {
        self.calls.push((key, Call::unknown(0, op)));
        let index = self.calls.len() - 1;
        self.calls[index].1.start = self.stamps.next();
        OpenCall(index)
    }

    /// Notes what a call answered. Call it right after the real call.
    pub fn end(&mut self, call: OpenCall, output: Output) {
        let end = self.stamps.next();
        let (_, call) = &mut self.calls[call.0];
        call.end = Some(end);
        call.output = Some(output);
    }

    /// Notes a call from start to end.
    pub fn call(&mut self, key: K, op: Op, real: impl FnOnce(&Op) -> Output) {
        let open = self.start(key, op);
        let output = real(&self.calls[open.0].1.op);
        self.end(open, output);
    }

    /// Returns how many calls were started.
    #[must_use]
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Tells whether no call was started.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    pub(super) fn into_calls(self) -> Vec<(K, Call<Op, Output>)> {
        self.calls
    }
}
