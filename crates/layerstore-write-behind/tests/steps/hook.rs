//! Lets one step fail, take long, wait until it is let go, or end the process, at a pass of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use layerstore_write_behind::{Failpoint, FailpointPlan, Reaction, Runs};
use tokio::sync::watch;

/// What a script is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum During {
    #[default]
    Open,
    Work,
    /// Closing, with little time.
    Leave,
    Close,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Fail,
    Full,
    Kill,
    /// Every pass from this one on takes this long.
    Delay(Duration),
    /// Until it is let go.
    Hold,
}

/// What is to happen, at which pass of which step; passes count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) step: Failpoint,
    pub(crate) pass: u64,
    pub(crate) act: Act,
}

#[derive(Debug, Default)]
struct State {
    passes: BTreeMap<Failpoint, u64>,
    plan: Option<Plan>,
    during: During,
}

#[derive(Debug)]
pub(crate) struct Hook {
    state: Mutex<State>,
    /// When it struck, and what the script was about then.
    struck: watch::Sender<Option<During>>,
    let_go: watch::Sender<bool>,
    /// Told when the thread of the log may go on; with a lock of its own.
    thread: (Mutex<bool>, Condvar),
}

/// A thread that nobody lets go ends the test by itself.
const PATIENCE: Duration = Duration::from_secs(20);

impl Hook {
    pub(crate) fn new(plan: Option<Plan>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                plan,
                ..State::default()
            }),
            struck: watch::Sender::new(None),
            let_go: watch::Sender::new(false),
            thread: (Mutex::new(false), Condvar::new()),
        })
    }

    pub(crate) fn during(&self, during: During) {
        self.state().during = during;
    }

    /// Lets everything pass from now on.
    pub(crate) fn disarm(&self) {
        self.state().plan = None;
        self.release();
    }

    pub(crate) fn passes(&self) -> BTreeMap<Failpoint, u64> {
        self.state().passes.clone()
    }

    pub(crate) fn struck(&self) -> Option<During> {
        *self.struck.borrow()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Option<During>> {
        self.struck.subscribe()
    }

    pub(crate) fn release(&self) {
        self.let_go.send_replace(true);
        *self.thread.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.thread.1.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn due(&self, step: Failpoint) -> Option<Act> {
        let mut state = self.state();
        let pass = state.passes.entry(step).or_default();
        *pass += 1;
        let pass = *pass;
        let plan = state.plan.filter(|plan| plan.step == step)?;
        let is_due = match plan.act {
            Act::Delay(_) => pass >= plan.pass,
            _ => pass == plan.pass,
        };
        if is_due {
            self.struck.send_replace(Some(state.during));
        }
        is_due.then_some(plan.act)
    }

    fn wait(&self, step: Failpoint, until: Option<Duration>) -> Reaction {
        if step.runs() == Runs::Thread {
            let (lock, told) = &self.thread;
            let let_go = lock.lock().unwrap_or_else(PoisonError::into_inner);
            drop(told.wait_timeout_while(let_go, until.unwrap_or(PATIENCE), |let_go| !*let_go));
            return Reaction::Go;
        }
        let mut let_go = self.let_go.subscribe();
        match until {
            Some(time) => Reaction::Wait(tokio::time::sleep(time).boxed()),
            None => Reaction::Wait(async move { drop(let_go.wait_for(|let_go| *let_go).await) }.boxed()),
        }
    }
}

impl FailpointPlan for Hook {
    fn reach(&self, step: Failpoint) -> Reaction {
        match self.due(step) {
            None => Reaction::Go,
            Some(Act::Fail) => Reaction::Fail,
            Some(Act::Full) => Reaction::Full,
            Some(Act::Kill) => std::process::abort(),
            Some(Act::Delay(time)) => self.wait(step, Some(time)),
            Some(Act::Hold) => self.wait(step, None),
        }
    }
}
