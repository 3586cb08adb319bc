//! A TCP proxy that breaks connections, at any time or at an exact moment of what passes through it.
//!
//! ```
//! use layerstore_testkit::proxy::{Direction, TcpProxy, postgres};
//!
//! # async fn test(server: &str) -> std::io::Result<()> {
//! let proxy = TcpProxy::start(server, postgres::messages).await?;
//! // The transaction commits, and the client never hears of it.
//! let reply = proxy.at(Direction::ToClient, postgres::completes("COMMIT"));
//! reply.cut();
//! // … the client connects to `proxy.address()` and commits, which fails …
//! reply.reached().await;
//! # Ok(())
//! # }
//! ```

mod condition;
mod link;
mod moment;
mod pieces;
pub mod postgres;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use condition::{Conditions, End};
use link::Link;
pub use moment::Moment;
use moment::Moments;
pub use pieces::{Pieces, as_read};

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the server: requests.
    ToServer,
    /// From the server to the client: replies.
    ToClient,
}

/// A proxy on a free port of 127.0.0.1, which passes everything on until it is told otherwise. Dropping it ends every
/// connection.
#[derive(Debug)]
pub struct TcpProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: JoinHandle<()>,
}

/// What all connections of a proxy look at.
#[derive(Debug, Default)]
struct Shared {
    conditions: Conditions,
    moments: Moments,
}

impl TcpProxy {
    /// Starts a proxy before `server` (`host:port`), whose bytes `pieces` cuts into what moments are found in: [`as_read`], or
    /// [`postgres::messages`]. The server is connected to for each connection of a client, and need not run before.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start<P: Pieces>(server: &str, pieces: fn() -> (P, P)) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let acceptor = tokio::spawn(accept(listener, server.to_owned(), Arc::clone(&shared), pieces));
        Ok(Self {
            address,
            shared,
            acceptor,
        })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has taken so far, also those that it turned away.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.conditions.accepted()
    }

    /// Closes every connection, as a server does that ends.
    pub fn cut(&self) {
        self.shared.conditions.end_all(End::Cut);
    }

    /// Resets every connection, as a machine does that has lost its memory of them.
    pub fn reset(&self) {
        self.shared.conditions.end_all(End::Reset);
    }

    /// Passes nothing on from here on, and keeps taking connections: a remote that accepts and never answers.
    pub fn stall(&self) {
        self.shared.conditions.change(|now| now.is_stalled = true);
    }

    /// Passes on what was stalled and what comes.
    pub fn resume(&self) {
        self.shared.conditions.change(|now| now.is_stalled = false);
    }

    /// Resets every new connection at once, until told to take them again.
    pub fn turn_away(&self, new_connections: bool) {
        self.shared
            .conditions
            .change(|now| now.turns_away = new_connections);
    }

    /// Lets every piece of one direction wait for so long before it is passed on.
    pub fn delay(&self, direction: Direction, delay: Duration) {
        self.shared.conditions.change(|now| match direction {
            Direction::ToServer => now.delay_to_server = delay,
            Direction::ToClient => now.delay_to_client = delay,
        });
    }

    /// Holds the first piece that `found` answers true for, before it is passed on, until the returned moment is decided; the other
    /// connections go on. `found` sees each piece of that direction, of all connections, in order of their arrival, until it has found one.
    pub fn at(&self, direction: Direction, found: impl FnMut(&[u8]) -> bool + Send + 'static) -> Moment {
        self.shared.moments.at(direction, Box::new(found))
    }
}

impl Drop for TcpProxy {
    /// Ends the task that takes connections, and with it those of the connections.
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

async fn accept<P: Pieces>(
    listener: TcpListener,
    server: String,
    shared: Arc<Shared>,
    pieces: fn() -> (P, P),
) {
    let mut links = JoinSet::new();
    // A connection that was broken off before it was taken is nobody's loss.
    while let Some(client) = next(&listener, &mut links).await {
        let Ok(client) = client else { continue };
        shared.conditions.count();
        if shared.conditions.now().turns_away {
            link::reset(&client);
            continue;
        }
        let link = Link::new(Arc::clone(&shared), pieces());
        links.spawn(link.run(client, server.clone()));
    }
}

/// The next connection; what became of earlier ones is taken away meanwhile.
async fn next(listener: &TcpListener, links: &mut JoinSet<()>) -> Option<io::Result<TcpStream>> {
    loop {
        tokio::select! {
            client = listener.accept() => return Some(client.map(|(client, _)| client)),
            Some(_) = links.join_next() => {}
        }
    }
}
