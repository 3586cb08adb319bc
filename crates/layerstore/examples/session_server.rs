//! A session server: sessions end by themselves, and outlive a restart of the server.
//!
//! `cargo run --release -p layerstore --example session_server -- 127.0.0.1:7000 sessions-data`, then `nc 127.0.0.1 7000`:
//! `login NAME` answers a token, `who TOKEN` the name, `logout TOKEN` ends the session. Without arguments it shows itself.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use layerstore::{Clock, Layerstore, Map, MapSettings, SystemClock};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A session ends when nobody asked for it for half an hour, and after a day whatever happens.
pub(crate) const MAX_IDLE: Duration = Duration::from_secs(30 * 60);
pub(crate) const TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest line that a client may send, in bytes.
const MAX_LINE: u64 = 1_024;
/// How many clients are served at a time; more wait to be accepted.
const MAX_CONNECTIONS: usize = 1_000;
const CLOSE_DEADLINE: Duration = Duration::from_secs(10);

type Failure = Box<dyn Error + Send + Sync>;

#[derive(Serialize, Deserialize)]
struct Session {
    name: String,
}

/// A server that runs until it is stopped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    store: Layerstore,
    stop: watch::Sender<bool>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Listens at an address, and keeps sessions in a directory.
    pub(crate) async fn start(
        address: &str,
        directory: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let sessions = MapSettings::new().ttl(TTL).max_idle(MAX_IDLE);
        let builder = Layerstore::builder().embedded(directory).clock(clock);
        let store = builder.map("sessions", sessions).build().await?;
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, store.map("sessions")?, stopped));
        Ok(Self {
            address,
            store,
            stop,
            accepting,
        })
    }

    /// Ends connections, then the store: every session that a client was told of is on disk.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        self.stop.send_replace(true);
        self.accepting.await?;
        let report = self.store.close(CLOSE_DEADLINE).await;
        if report.is_complete() {
            Ok(())
        } else {
            Err(format!("the store did not close cleanly: {report:?}").into())
        }
    }
}

async fn accept(listener: TcpListener, sessions: Map<Session>, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, sessions.clone()));
                }
            }
        }
    }
    // A write that a client waits for happens whole or not at all, whoever waits for it.
    connections.shutdown().await;
}

async fn serve(mut stream: TcpStream, sessions: Map<Session>) -> Result<(), Failure> {
    let (read, mut write) = stream.split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = String::new();
        if (&mut read).take(MAX_LINE).read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let answer = match answer(&sessions, line.trim_end()).await {
            Ok(answer) => answer,
            Err(error) => format!("error {error}"),
        };
        write.write_all(format!("{answer}\n").as_bytes()).await?;
    }
}

async fn answer(sessions: &Map<Session>, line: &str) -> Result<String, Failure> {
    match line.split_once(' ') {
        Some(("login", name)) if !name.is_empty() => {
            let token = token().await?;
            let session = Session {
                name: name.to_owned(),
            };
            // Acknowledged means durable: the client gets the token after the session is on disk.
            sessions.set(&*token, &session).await?;
            Ok(token)
        }
        // Reading a session moves the end of its idle time.
        Some(("who", token)) => {
            let session = sessions.get(token).await?;
            Ok(session.map_or_else(|| "nobody".to_owned(), |session| session.name))
        }
        Some(("logout", token)) => match sessions.remove(token).await? {
            Some(session) => Ok(format!("bye {}", session.name)),
            None => Ok("nobody".to_owned()),
        },
        _ => Ok("say: login NAME, who TOKEN or logout TOKEN".to_owned()),
    }
}

/// Draws 128 bits that nobody can guess.
async fn token() -> io::Result<String> {
    let mut bytes = [0; 16];
    tokio::fs::File::open("/dev/urandom")
        .await?
        .read_exact(&mut bytes)
        .await?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Asks a server one thing.
pub(crate) async fn ask(address: SocketAddr, question: &str) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("{question}\n").as_bytes()).await?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).await?;
    Ok(answer.trim_end().to_owned())
}

/// Logs somebody in, restarts the server, and finds the session again.
pub(crate) async fn show() -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let server = Server::start("127.0.0.1:0", directory.path(), Arc::new(SystemClock)).await?;
    let token = ask(server.address, "login alice").await?;
    println!("logged in, the token has {} characters", token.len());
    server.stop().await?;

    let server = Server::start("127.0.0.1:0", directory.path(), Arc::new(SystemClock)).await?;
    println!(
        "after a restart the session is of {}",
        ask(server.address, &format!("who {token}")).await?
    );
    println!("{}", ask(server.address, &format!("logout {token}")).await?);
    server.stop().await
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(directory)) = (arguments.next(), arguments.next()) else {
        return show().await;
    };
    let server = Server::start(&address, Path::new(&directory), Arc::new(SystemClock)).await?;
    println!("listening at {}; Ctrl-C stops", server.address);
    tokio::signal::ctrl_c().await?;
    server.stop().await
}
