//! A proxy that knows the protocol well enough to cut a connection just before or just after a transaction is committed.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// The code of a client that asks for an encrypted connection.
const SSL_REQUEST: [u8; 4] = 80_877_103_u32.to_be_bytes();

/// Where a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The server never sees the request.
    BeforeRequest,
    /// The server gets it, and may or may not have read it when the connection ends.
    AfterRequest,
    /// The server has answered, and the answer never arrives.
    BeforeReply,
}

/// Stands between a store and the server. Ends when dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    plan: Arc<Plan>,
    task: JoinHandle<()>,
}

struct Plan {
    /// After how many more commits to cut next, and where; and then the cuts after that.
    armed: Mutex<VecDeque<(u64, Cut)>>,
    /// How many cuts were made.
    cuts: watch::Sender<u64>,
    silent: AtomicBool,
    /// Whether connections are refused from the first cut on.
    breaks_for_good: AtomicBool,
    /// What a pooler that knows no sessions could not have done.
    complaints: Mutex<Vec<&'static str>>,
}

impl Proxy {
    pub(crate) async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let plan = Arc::new(Plan {
            armed: Mutex::default(),
            cuts: watch::Sender::new(0),
            silent: AtomicBool::new(false),
            breaks_for_good: AtomicBool::new(false),
            complaints: Mutex::default(),
        });
        let task = tokio::spawn(accept(listener, server.to_owned(), Arc::clone(&plan)));
        Self { address, plan, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts at a commit, after letting this many pass, counted from the cut that was armed before.
    pub(crate) fn arm(&self, after: u64, cut: Cut) {
        self.plan.armed.lock().unwrap().push_back((after, cut));
    }

    /// Lets nobody connect any more once a connection was cut.
    pub(crate) fn break_for_good(&self) {
        self.plan.breaks_for_good.store(true, Ordering::Release);
    }

    /// Waits until this many cuts were made in all.
    pub(crate) async fn cut(&self, times: u64) {
        let mut cuts = self.plan.cuts.subscribe();
        cuts.wait_for(|made| *made >= times).await.unwrap();
    }

    /// From now on nothing is passed on and nothing closed, and whoever connects hears nothing.
    pub(crate) fn fall_silent(&self) {
        self.plan.silent.store(true, Ordering::Release);
    }

    pub(crate) fn complaints(&self) -> Vec<&'static str> {
        self.plan.complaints.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, server: String, plan: Arc<Plan>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let broken = plan.breaks_for_good.load(Ordering::Acquire) && *plan.cuts.borrow() > 0;
        if !broken {
            connections.spawn(serve(client, server.clone(), Arc::clone(&plan)));
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Serves a connection until either side ends it; both sockets are closed then.
async fn serve(mut client: TcpStream, server: String, plan: Arc<Plan>) {
    plan.wait_if_silent().await;
    let Ok(startup) = startup(&mut client).await else {
        return;
    };
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    for socket in [&client, &server] {
        socket.set_nodelay(true).unwrap();
    }
    if server.write_all(&startup).await.is_err() {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let link = Arc::new(Link {
        plan,
        swallows: AtomicBool::new(false),
        status: AtomicU8::new(b'T'),
    });
    // Whichever ends first ends both.
    tokio::select! {
        _ = requests(Arc::clone(&link), from_client, to_server) => {}
        _ = replies(link, from_server, to_client) => {}
    }
}

struct Link {
    plan: Arc<Plan>,
    /// Whether the next whole answer is kept back, and the connection cut.
    swallows: AtomicBool,
    /// What the server last said of the transaction: `I` for none.
    status: AtomicU8,
}

async fn requests(link: Arc<Link>, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> std::io::Result<()> {
    let mut ending = false;
    loop {
        let frame = frame(&mut from).await?;
        link.plan.wait_if_silent().await;
        link.complain(&frame);
        match commits(&frame).then(|| link.plan.due()).flatten() {
            Some(Cut::BeforeRequest) => {
                link.plan.count();
                return Ok(());
            }
            Some(Cut::AfterRequest) => ending = true,
            Some(Cut::BeforeReply) => link.swallows.store(true, Ordering::Release),
            None => {}
        }
        to.write_all(&frame).await?;
        if ending && matches!(frame[0], b'S' | b'Q') {
            link.plan.count();
            return Ok(());
        }
    }
}

async fn replies(link: Arc<Link>, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> std::io::Result<()> {
    loop {
        let frame = frame(&mut from).await?;
        link.plan.wait_if_silent().await;
        let is_end = frame[0] == b'Z';
        if is_end {
            link.status.store(frame[5], Ordering::Release);
        }
        if !link.swallows.load(Ordering::Acquire) {
            to.write_all(&frame).await?;
        } else if is_end {
            link.plan.count();
            return Ok(());
        }
    }
}

/// Reads what a client says first; it is told that there is no encryption here.
async fn startup(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    loop {
        let length = client.read_u32().await?;
        let mut message = length.to_be_bytes().to_vec();
        message.resize(length as usize, 0);
        client.read_exact(&mut message[4..]).await?;
        if message[4..] != SSL_REQUEST {
            return Ok(message);
        }
        client.write_all(b"N").await?;
    }
}

async fn frame(from: &mut OwnedReadHalf) -> std::io::Result<Vec<u8>> {
    let kind = from.read_u8().await?;
    let length = from.read_u32().await?;
    let mut frame = vec![kind];
    frame.extend(length.to_be_bytes());
    frame.resize(1 + length as usize, 0);
    from.read_exact(&mut frame[5..]).await?;
    Ok(frame)
}

/// Tells whether a request runs a prepared statement, which may be a transaction of its own, or commits one.
fn commits(frame: &[u8]) -> bool {
    frame[0] == b'B' || (frame[0] == b'Q' && frame[5..].starts_with(b"COMMIT"))
}

impl Link {
    fn complain(&self, frame: &[u8]) {
        let complain = |what| self.plan.complaints.lock().unwrap().push(what);
        let alone = self.status.load(Ordering::Acquire) == b'I';
        match frame[0] {
            b'P' if frame[5] != 0 => complain("a statement has a name"),
            b'P' | b'B' if alone => complain("a statement is prepared or run outside of a transaction"),
            b'Q' if frame[5..].starts_with(b"SET") || frame[5..].starts_with(b"LISTEN") => {
                complain("the session is given a state");
            }
            _ => {}
        }
    }
}

impl Plan {
    fn due(&self) -> Option<Cut> {
        let mut armed = self.armed.lock().unwrap();
        match armed.front_mut() {
            Some((0, cut)) => {
                let cut = *cut;
                armed.pop_front();
                Some(cut)
            }
            Some((after, _)) => {
                *after -= 1;
                None
            }
            None => None,
        }
    }

    fn count(&self) {
        self.cuts.send_modify(|made| *made += 1);
    }

    async fn wait_if_silent(&self) {
        if self.silent.load(Ordering::Acquire) {
            std::future::pending::<()>().await;
        }
    }
}
