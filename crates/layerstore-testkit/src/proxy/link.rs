//! One connection: a client, a server, and what passes between them.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::condition::End;
use super::pieces::Pieces;
use super::{Direction, Shared};

/// How much is read at once, in bytes.
const READ_SIZE: usize = 64 * 1024;

/// A connection through a proxy.
pub(super) struct Link<P> {
    shared: Arc<Shared>,
    past_ends: u64,
    to_server: P,
    to_client: P,
}

/// Why a connection is over before both sides have closed.
enum Broken {
    Ended(End),
    Failed,
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Failed
    }
}

impl<P: Pieces> Link<P> {
    pub(super) fn new(shared: Arc<Shared>, (to_server, to_client): (P, P)) -> Self {
        let past_ends = shared.conditions.past_ends();
        Self {
            shared,
            past_ends,
            to_server,
            to_client,
        }
    }

    /// Passes bytes both ways until both sides have closed or the connection is ended.
    pub(super) async fn run(self, mut client: TcpStream, server: String) {
        let shared = Arc::clone(&self.shared);
        let ended = shared.conditions.ended(self.past_ends);
        let mut upstream = None;
        let end = tokio::select! {
            end = ended => end,
            end = self.pass(&mut client, &mut upstream, &server) => end,
        };
        for stream in [Some(&mut client), upstream.as_mut()].into_iter().flatten() {
            match end {
                End::Reset => reset(stream),
                // To one that is gone there is nothing to say.
                End::Cut => drop(stream.shutdown().await),
            }
        }
    }

    async fn pass(self, client: &mut TcpStream, upstream: &mut Option<TcpStream>, server: &str) -> End {
        // A proxy that is stalled does not even reach the server.
        self.shared.conditions.passes(Direction::ToServer).await;
        let Ok(connected) = TcpStream::connect(server).await else {
            return End::Reset;
        };
        let upstream = upstream.insert(connected);
        for stream in [&*client, &*upstream] {
            // Pieces that are passed on as they come must not wait for each other; one that fails is gone anyway.
            let _ = stream.set_nodelay(true);
        }
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = upstream.split();
        let shared = &*self.shared;
        let requests = pump(
            shared,
            Direction::ToServer,
            self.to_server,
            from_client,
            to_server,
        );
        let replies = pump(
            shared,
            Direction::ToClient,
            self.to_client,
            from_server,
            to_client,
        );
        match tokio::try_join!(requests, replies) {
            Err(Broken::Ended(end)) => end,
            Ok(_) => End::Cut,
            Err(Broken::Failed) => End::Reset,
        }
    }
}

async fn pump<P: Pieces>(
    shared: &Shared,
    direction: Direction,
    mut pieces: P,
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
) -> Result<(), Broken> {
    let mut buffer = vec![0; READ_SIZE];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            to.write_all(&pieces.rest()).await?;
            to.shutdown().await?;
            return Ok(());
        }
        pieces.push(buffer.get(..length).unwrap_or_default());
        while let Some(piece) = pieces.next() {
            shared.conditions.passes(direction).await;
            if let Some(end) = shared.moments.pass(direction, &piece).await {
                return Err(Broken::Ended(end));
            }
            to.write_all(&piece).await?;
        }
    }
}

/// Makes the end of this stream a reset.
pub(super) fn reset(stream: &TcpStream) {
    // Where that fails it is closed instead, which ends it as well.
    let _ = stream.set_zero_linger();
}
