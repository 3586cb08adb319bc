//! A round ends in time, and may be dropped at any moment.

use std::pin::pin;
use std::time::Duration;

use async_trait::async_trait;
use layerstore_record::Key;
use layerstore_sync::{Peer, Request, Response, SyncError, SyncErrorKind, SyncReport};

use crate::node::Node;
use crate::weather::Weather;

/// A peer that takes calls and never answers.
struct Silent;

#[async_trait]
impl Peer for Silent {
    async fn call(&self, _: Request) -> Result<Response, SyncError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a5_a_peer_that_never_answers_is_waited_for_until_the_deadline() {
    let node = Node::new(1).await;
    node.set("k", 1).await;
    let started = tokio::time::Instant::now();
    let error = node.replica.sync(&Silent).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.is_transient()),
        (SyncErrorKind::Deadline, true)
    );
    let waited = started.elapsed();
    assert!(
        waited >= layerstore_sync::DEFAULT_CALL_DEADLINE && waited < Duration::from_secs(12),
        "{waited:?}"
    );
}

/// Polls a round so many times at most, then drops it; tells whether it had ended.
async fn polled(round: impl Future<Output = Result<SyncReport, SyncError>>, polls: usize) -> bool {
    let mut round = pin!(round);
    for _ in 0..polls {
        if futures::poll!(&mut round).is_ready() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

#[tokio::test]
async fn a5_a_round_that_is_dropped_at_any_moment_leaves_records_whole_and_the_next_ends_it() {
    let mut moments = 0;
    for polls in 0.. {
        let (one, other) = (Node::new(1).await, Node::new(2).await);
        for number in 0..40 {
            one.set(&format!("one:{number}"), number).await;
            other.set(&format!("other:{number}"), number).await;
        }
        let peer = Weather::calm(&other);
        let is_over = polled(one.replica.sync(&peer), polls).await;
        for node in [&one, &other] {
            let whole = |(key, held): &(Key, Option<u64>)| {
                held.is_some_and(|number| key.as_str().ends_with(&format!(":{number}")))
            };
            assert!(
                node.records().await.iter().all(whole),
                "dropped after {polls} polls"
            );
        }
        assert!(other.sync(&one).await.is_equal, "dropped after {polls} polls");
        assert_eq!(one.records().await, other.records().await);
        if is_over {
            break;
        }
        moments = polls;
    }
    assert!(moments >= 5, "it was dropped at {moments} moments");
}

#[tokio::test]
async fn a5_a_round_that_fails_half_way_is_gone_on_with() {
    let (one, other) = (Node::new(1).await, Node::new(2).await);
    for number in 0..400 {
        one.set(&format!("one:{number}"), number).await;
        other.set(&format!("other:{number}"), number).await;
    }
    let mut failures = 0;
    for seed in 0.. {
        match one.replica.sync(&Weather::rough(&other, seed)).await {
            Ok(report) if report.is_equal => break,
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind(), SyncErrorKind::Unreachable);
                failures += 1;
            }
        }
        assert!(seed < 200, "it does not come to an end");
    }
    assert!(failures > 0, "no call was lost");
    assert_eq!(one.records().await, other.records().await);
}
