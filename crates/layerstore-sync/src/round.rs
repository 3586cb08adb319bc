use layerstore_observer::{Digest, KeyRange};
use layerstore_record::Key;

use crate::error::{SyncError, SyncErrorKind};
use crate::message::{ReplicaRecord, Request, Response};
use crate::peer::Peer;
use crate::replica::Replica;
use crate::report::SyncReport;

/// A round under way: what is still to be compared, sent and fetched.
pub(crate) struct Round<'a> {
    pub(crate) replica: &'a Replica,
    pub(crate) peer: &'a dyn Peer,
    pub(crate) report: SyncReport,
    /// Ranges that may differ. The last is looked at first, so that there are few of them however much differs.
    pub(crate) open: Vec<KeyRange>,
    /// Keys of which the peer is to get what we hold.
    pub(crate) send: Vec<Key>,
    /// Keys of which we want what the peer holds.
    pub(crate) want: Vec<Key>,
    /// What we hold of keys that the peer has sent, where that is more than it sent.
    pub(crate) echo: Vec<ReplicaRecord>,
}

impl Replica {
    /// Makes this replica and a peer equal: compares their trees, exchanges what differs, and merges it on both sides.
    ///
    /// One side's call does for both. Memory is bounded by the options, whatever differs. Dropped, it has merged some records and
    /// left out the others.
    ///
    /// # Errors
    /// [`SyncError`] by kind. What was merged until then stays, and a later call goes on from there.
    pub async fn sync(&self, peer: &dyn Peer) -> Result<SyncReport, SyncError> {
        let mut round = Round::new(self, peer);
        if round.compare_roots().await? {
            return Ok(round.ended(true));
        }
        round.open.push(KeyRange::ALL);
        while !round.open.is_empty() {
            round.compare_next().await?;
            round.exchange_full().await?;
        }
        round.exchange_rest().await?;
        let is_equal = round.compare_roots().await?;
        Ok(round.ended(is_equal))
    }
}

impl<'a> Round<'a> {
    fn new(replica: &'a Replica, peer: &'a dyn Peer) -> Self {
        Self {
            replica,
            peer,
            report: SyncReport::default(),
            open: Vec::new(),
            send: Vec::new(),
            want: Vec::new(),
            echo: Vec::new(),
        }
    }

    /// Calls the peer, within the deadline of a call.
    pub(crate) async fn call(&mut self, request: Request) -> Result<Response, SyncError> {
        self.report.calls += 1;
        let deadline = self.replica.options.call_deadline;
        let late = |_| {
            let what = format!("no answer within {deadline:?}");
            self.replica.error(SyncErrorKind::Deadline, what)
        };
        let answer = tokio::time::timeout(deadline, self.peer.call(request))
            .await
            .map_err(late)??;
        let kind = match answer {
            Response::Incomplete => (SyncErrorKind::PeerIncomplete, "it has to be rebuilt there first"),
            Response::OtherMap => {
                let what = "it keeps another map or partition, or as many partitions as we do not";
                (SyncErrorKind::OtherMap, what)
            }
            Response::CutoffAhead => (
                SyncErrorKind::CutoffAhead,
                "ours is, by the peer's clock: set the clocks right",
            ),
            answer => return Ok(answer),
        };
        Err(self.replica.error(kind.0, kind.1))
    }

    /// The peer said something that does not answer what it was asked.
    pub(crate) fn unexpected(&self) -> SyncError {
        let what = "the answer does not fit the request: are both of one version?";
        self.replica.error(SyncErrorKind::Malformed, what)
    }

    fn ended(mut self, is_equal: bool) -> SyncReport {
        self.report.root = self.replica.tree.root().unwrap_or(Digest::EMPTY);
        self.report.is_equal = is_equal;
        self.report
    }
}
