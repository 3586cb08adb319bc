//! What goes wrong, how often, and how much of it did.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opendal::{Error, ErrorKind};
use tokio::sync::watch;

use super::faulty::FaultyObjects;

/// How many of a thousand requests meet with what. The rest goes well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FaultRates {
    /// 503 before anything is done.
    pub unavailable: u16,
    /// 429 before anything is done.
    pub throttled: u16,
    /// The connection is reset before anything is done.
    pub reset: u16,
    /// The request is carried out, and its answer is lost.
    pub after_apply: u16,
    /// A body ends half way; other requests are reset.
    pub short_read: u16,
    /// A change is held back and carried out later, while its sender is told that the connection was reset.
    pub late: u16,
    /// The request takes as long as [`latency`](Self::latency) first.
    pub slow: u16,
    /// How long a slow request waits.
    pub latency: Duration,
}

impl FaultRates {
    /// Nothing goes wrong.
    pub const NONE: Self = Self {
        unavailable: 0,
        throttled: 0,
        reset: 0,
        after_apply: 0,
        short_read: 0,
        late: 0,
        slow: 0,
        latency: Duration::ZERO,
    };
}

/// Decides about the requests of a layer, from a seed. Clones are one.
#[derive(Clone)]
pub struct ObjectFaults {
    shared: Arc<Shared>,
}

struct Shared {
    plan: Mutex<Plan>,
    stalled: watch::Sender<bool>,
    reading: watch::Sender<Reading>,
}

/// Whether a single read is stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reading {
    Free,
    /// The next read of a path with this part in it is to stop.
    Armed(String),
    Stopped,
}

struct Plan {
    rng: fastrand::Rng,
    rates: FaultRates,
    late: VecDeque<Late>,
    hold_next: Option<String>,
    requests: u64,
    injected: u64,
}

/// A change that is carried out when it is polled.
pub(super) type Late = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a request meets with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Unavailable,
    Throttled,
    Reset,
    AfterApply,
    ShortRead,
    Late,
}

impl ObjectFaults {
    /// Makes a source of faults, which lets everything pass until it is [`set`](Self::set).
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let plan = Plan {
            rng: fastrand::Rng::with_seed(seed),
            rates: FaultRates::NONE,
            late: VecDeque::new(),
            hold_next: None,
            requests: 0,
            injected: 0,
        };
        Self {
            shared: Arc::new(Shared {
                plan: Mutex::new(plan),
                stalled: watch::Sender::new(false),
                reading: watch::Sender::new(Reading::Free),
            }),
        }
    }

    /// Returns the layer to put around a service, below retries and timeouts.
    #[must_use]
    pub fn layer(&self) -> FaultyObjects {
        FaultyObjects::new(self.clone())
    }

    /// Sets what goes wrong from now on. Changes that were held back stay held back.
    pub fn set(&self, rates: FaultRates) {
        self.plan().rates = rates;
    }

    /// Holds back the next write to a path that has this part in it, whatever the rates.
    pub fn hold_back_next(&self, part: &str) {
        self.plan().hold_next = Some(part.to_owned());
    }

    /// Lets every request from now on wait for ever, or until it is unset.
    pub fn set_stalled(&self, stalled: bool) {
        self.shared.stalled.send_replace(stalled);
    }

    /// Stops the next read of a path that has this part in it, until [`release_read`](Self::release_read).
    pub fn stall_next_read(&self, part: &str) {
        self.shared.reading.send_replace(Reading::Armed(part.to_owned()));
    }

    /// Waits until the read is stopped.
    pub async fn read_is_stalled(&self) {
        let mut reading = self.shared.reading.subscribe();
        // The sender lives as long as this.
        let _ = reading.wait_for(|reading| *reading == Reading::Stopped).await;
    }

    /// Lets the read that was stopped go on.
    pub fn release_read(&self) {
        self.shared.reading.send_replace(Reading::Free);
    }

    /// Returns how many requests there were, those that went wrong among them.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.plan().requests
    }

    /// Returns how many requests went wrong or were slow.
    #[must_use]
    pub fn injected(&self) -> u64 {
        self.plan().injected
    }

    /// Carries out all changes that were held back, in the order in which they were sent.
    pub async fn land(&self) {
        loop {
            let Some(late) = self.plan().late.pop_front() else {
                return;
            };
            late.await;
        }
    }

    /// Carries out one of the changes that were held back, of which the draw decides.
    async fn land_some(&self) {
        let late = {
            let mut plan = self.plan();
            let waiting = plan.late.len();
            if waiting == 0 || plan.rng.u8(..) >= 64 {
                return;
            }
            let at = plan.rng.usize(..waiting);
            plan.late.remove(at)
        };
        if let Some(late) = late {
            late.await;
        }
    }

    pub(super) fn hold_back(&self, late: Late) {
        self.plan().late.push_back(late);
    }

    /// Decides about a request, after the wait that it meets with.
    pub(super) async fn meet(&self) -> Option<Fault> {
        let mut stalled = self.shared.stalled.subscribe();
        // The sender lives as long as this.
        let _ = stalled.wait_for(|stalled| !stalled).await;
        self.land_some().await;
        let (fault, wait) = self.plan().draw();
        if let Some(wait) = wait {
            tokio::time::sleep(wait).await;
        }
        fault
    }

    /// Decides about a read.
    pub(super) async fn meet_read(&self, path: &str) -> Option<Fault> {
        let is_stopped = self.shared.reading.send_if_modified(|reading| {
            let is_meant = matches!(reading, Reading::Armed(part) if path.contains(part.as_str()));
            if is_meant {
                *reading = Reading::Stopped;
            }
            is_meant
        });
        if is_stopped {
            let mut reading = self.shared.reading.subscribe();
            let _ = reading.wait_for(|reading| *reading == Reading::Free).await;
        }
        self.meet().await
    }

    /// Decides about a write.
    pub(super) async fn meet_write(&self, path: &str) -> Option<Fault> {
        let is_held = self.plan().hold_next.take_if(|part| path.contains(part.as_str()));
        if is_held.is_some() {
            return Some(Fault::Late);
        }
        self.meet().await
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.shared.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plan {
    fn draw(&mut self) -> (Option<Fault>, Option<Duration>) {
        self.requests += 1;
        let rates = self.rates;
        let wait = (self.rng.u16(..1_000) < rates.slow).then_some(rates.latency);
        let table = [
            (rates.unavailable, Fault::Unavailable),
            (rates.throttled, Fault::Throttled),
            (rates.reset, Fault::Reset),
            (rates.after_apply, Fault::AfterApply),
            (rates.short_read, Fault::ShortRead),
            (rates.late, Fault::Late),
        ];
        let mut left = self.rng.u16(..1_000);
        let mut drawn = None;
        for (rate, fault) in table {
            if left < rate {
                drawn = Some(fault);
                break;
            }
            left -= rate;
        }
        self.injected += u64::from(drawn.is_some() || wait.is_some());
        (drawn, wait)
    }
}

impl Fault {
    /// The error that the sender sees.
    pub(super) fn error(self) -> Error {
        let error = match self {
            Self::Unavailable => Error::new(ErrorKind::Unexpected, "503 injected"),
            Self::Throttled => Error::new(ErrorKind::RateLimited, "429 injected"),
            _ => Error::new(ErrorKind::Unexpected, "connection reset, injected"),
        };
        error.set_temporary()
    }
}

impl std::fmt::Debug for ObjectFaults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectFaults").finish_non_exhaustive()
    }
}
