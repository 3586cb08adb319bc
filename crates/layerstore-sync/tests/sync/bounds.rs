//! No message is larger than it may be, whatever differs.

use std::sync::Mutex;

use async_trait::async_trait;
use layerstore_record::{Millis, NodeId, RecordValue, Timestamp};
use layerstore_sync::{
    LocalPeer, Peer, Request, Response, SyncError, SyncOptions, decode_request, decode_response,
    encode_request, encode_response,
};

use crate::node::Node;

/// A way to a replica that goes through bytes, and counts them.
struct Measured {
    peer: LocalPeer,
    largest: Mutex<Largest>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Largest {
    bytes: usize,
    /// Of messages with records.
    bytes_of_records: usize,
    records: usize,
    ranges: usize,
}

impl Measured {
    fn note(&self, bytes: usize, records: usize, ranges: usize) {
        let mut largest = self.largest.lock().unwrap();
        largest.bytes = largest.bytes.max(bytes);
        if records > 0 {
            largest.bytes_of_records = largest.bytes_of_records.max(bytes);
        }
        largest.records = largest.records.max(records);
        largest.ranges = largest.ranges.max(ranges);
    }
}

#[async_trait]
impl Peer for Measured {
    async fn call(&self, request: Request) -> Result<Response, SyncError> {
        let (records, ranges) = match &request {
            Request::Compare { ranges, .. } => (0, ranges.len()),
            Request::Exchange { records, wanted, .. } => (records.len().max(wanted.len()), 0),
        };
        let bytes = encode_request(&request).unwrap();
        self.note(bytes.len(), records, ranges);
        let answer = self.peer.call(decode_request(&bytes).unwrap()).await?;
        let bytes = encode_response(&answer).unwrap();
        let records = match &answer {
            Response::Exchanged(answer) => answer.records.len(),
            _ => 0,
        };
        self.note(bytes.len(), records, 0);
        Ok(decode_response(&bytes).unwrap())
    }
}

fn small() -> SyncOptions {
    let mut options = SyncOptions::default();
    (options.ranges, options.records, options.bytes) = (8, 50, 8 << 10);
    options
}

#[tokio::test]
async fn a4_messages_stay_within_their_bounds_whatever_differs() {
    for asks_the_full_one in [true, false] {
        let (full, empty) = (Node::with(1, small()).await, Node::with(2, small()).await);
        for number in 0..2_000_u64 {
            full.put(&format!("user:{number:05}"), sized(number, 1_000)).await;
        }
        let (asking, asked) = if asks_the_full_one {
            (&empty, &full)
        } else {
            (&full, &empty)
        };
        let peer = Measured {
            peer: asked.peer(),
            largest: Mutex::default(),
        };
        assert!(asking.replica.sync(&peer).await.unwrap().is_equal);
        let largest = *peer.largest.lock().unwrap();
        assert!(largest.records <= 50 && largest.ranges <= 8, "{largest:?}");
        // The bound of records, and the keys of those that are wanted.
        assert!(largest.bytes_of_records <= 12 << 10, "{largest:?}");
        // An answer of leaves is bounded by itself: 8 ranges of up to 512 leaves of up to 30 bytes here.
        assert!(largest.bytes <= 128 << 10, "{largest:?}");
        assert_eq!(asking.replica.tree().root().unwrap().leaves(), 2_000);
    }
}

#[tokio::test]
async fn a4_a_record_above_the_bound_goes_alone() {
    let (one, other) = (Node::with(1, small()).await, Node::with(2, small()).await);
    for number in 0..20_u64 {
        let bytes = if number % 5 == 0 { 100_000 } else { 10 };
        one.put(&format!("one:{number:05}"), sized(number, bytes)).await;
        other
            .put(&format!("other:{number:05}"), sized(number, bytes))
            .await;
    }
    let peer = Measured {
        peer: other.peer(),
        largest: Mutex::default(),
    };
    assert!(one.replica.sync(&peer).await.unwrap().is_equal);
    let largest = *peer.largest.lock().unwrap();
    assert!((100_000..120_000).contains(&largest.bytes), "{largest:?}");
}

/// A value of about this many bytes.
fn sized(number: u64, bytes: usize) -> RecordValue {
    let at = Timestamp::new(Millis(1_700_000_000_000 + number), 0, NodeId(9));
    RecordValue::lww("v".repeat(bytes).as_str(), at)
}
