//! What stands between two replicas: calls that are lost, repeated, late, and overtaken.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use layerstore_sync::{Peer, Replica, Request, Response, SyncError, SyncErrorKind};

use crate::node::{Node, map};

/// How many old calls may come again.
const REMEMBERED: usize = 20;

/// A way to a replica.
pub(crate) struct Weather {
    replica: Arc<Replica>,
    /// Decides what becomes of a call; `None` in calm weather.
    rng: Option<Mutex<fastrand::Rng>>,
    past: Mutex<Vec<Request>>,
}

impl Weather {
    /// Carries every call over, after letting others go on.
    pub(crate) fn calm(to: &Node) -> Self {
        Self {
            replica: Arc::clone(&to.replica),
            rng: None,
            past: Mutex::default(),
        }
    }

    pub(crate) fn rough(to: &Node, seed: u64) -> Self {
        Self {
            rng: Some(Mutex::new(fastrand::Rng::with_seed(seed))),
            ..Self::calm(to)
        }
    }

    fn dice(&self, sides: usize) -> usize {
        let rng = self.rng.as_ref();
        rng.map_or(usize::MAX, |rng| rng.lock().unwrap().usize(..sides))
    }

    /// One of the calls that were made before, which comes late or once more.
    fn old_call(&self) -> Option<Request> {
        let past = self.past.lock().unwrap();
        (!past.is_empty()).then(|| past[self.dice(past.len())].clone())
    }

    fn remember(&self, request: &Request) {
        let mut past = self.past.lock().unwrap();
        past.push(request.clone());
        if past.len() > REMEMBERED {
            past.remove(0);
        }
    }
}

fn lost() -> SyncError {
    SyncError::new(SyncErrorKind::Unreachable, &map(), "the call was lost")
}

#[async_trait]
impl Peer for Weather {
    async fn call(&self, request: Request) -> Result<Response, SyncError> {
        tokio::task::yield_now().await;
        self.remember(&request);
        match self.dice(12) {
            0 => return Err(lost()),
            1 => {
                // Carried out, and nobody hears of it.
                self.replica.answer(request).await?;
                return Err(lost());
            }
            2 | 3 => drop(self.replica.answer(request.clone()).await?),
            4 | 5 => {
                if let Some(old) = self.old_call() {
                    self.replica.answer(old).await?;
                }
            }
            _ => {}
        }
        let answer = self.replica.answer(request).await;
        tokio::task::yield_now().await;
        answer
    }
}
