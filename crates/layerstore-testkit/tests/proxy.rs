//! A proxy breaks connections when it is told to, at the moment that it is told, and no others.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: an unexpected answer ends the test"
)]

use std::io::ErrorKind;
use std::time::Duration;

use layerstore_testkit::proxy::{Direction, Moment, TcpProxy, as_read};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// How long what must not happen is waited for.
const NOTHING: Duration = Duration::from_millis(50);

const DEADLINE: Duration = Duration::from_secs(30);

/// A server that sends back what it gets; it ends with the returned tasks.
async fn echo() -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut links = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            links.spawn(async move {
                let (mut from, mut to) = stream.split();
                // A broken connection is what the tests are about.
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    (address, tasks)
}

struct Peer(TcpStream);

impl Peer {
    async fn to(proxy: &TcpProxy) -> Self {
        Self(TcpStream::connect(proxy.address()).await.unwrap())
    }

    async fn says(&mut self, text: &str) -> std::io::Result<String> {
        self.0.write_all(text.as_bytes()).await?;
        self.hears(text.len()).await
    }

    async fn hears(&mut self, length: usize) -> std::io::Result<String> {
        let mut heard = vec![0; length];
        timeout(DEADLINE, self.0.read_exact(&mut heard)).await.unwrap()?;
        Ok(String::from_utf8(heard).unwrap())
    }
}

fn has(word: &'static str) -> impl FnMut(&[u8]) -> bool + Send + 'static {
    move |piece| piece.windows(word.len()).any(|part| part == word.as_bytes())
}

#[tokio::test]
async fn everything_passes_until_told_otherwise() {
    let (server, _tasks) = echo().await;
    let proxy = TcpProxy::start(&server, as_read).await.unwrap();
    let large = "x".repeat(1 << 20);
    let mut peer = Peer::to(&proxy).await;
    let (mut from, mut to) = peer.0.split();
    let mut heard = vec![0; large.len()];
    let (sent, read) = tokio::join!(to.write_all(large.as_bytes()), from.read_exact(&mut heard));
    sent.unwrap();
    read.unwrap();
    assert_eq!(heard, large.as_bytes());
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn a_closed_side_is_passed_on_and_the_other_goes_on() {
    let (server, _tasks) = echo().await;
    let proxy = TcpProxy::start(&server, as_read).await.unwrap();
    let mut peer = Peer::to(&proxy).await;
    peer.0.write_all(b"bye").await.unwrap();
    peer.0.shutdown().await.unwrap();
    let mut rest = String::new();
    timeout(DEADLINE, peer.0.read_to_string(&mut rest))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(rest, "bye");
}

#[tokio::test]
async fn a_cut_closes_and_a_reset_resets_what_is_open_and_new_connections_go_through() {
    let (server, _tasks) = echo().await;
    let proxy = TcpProxy::start(&server, as_read).await.unwrap();
    let mut peer = Peer::to(&proxy).await;
    peer.says("one").await.unwrap();
    proxy.cut();
    assert_eq!(peer.hears(1).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);

    let mut peer = Peer::to(&proxy).await;
    peer.says("two").await.unwrap();
    proxy.reset();
    assert_eq!(
        peer.hears(1).await.unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );

    assert_eq!(Peer::to(&proxy).await.says("three").await.unwrap(), "three");
}

#[tokio::test]
async fn a_stalled_proxy_accepts_and_never_answers_until_it_is_resumed() {
    let (server, _tasks) = echo().await;
    let proxy = TcpProxy::start(&server, as_read).await.unwrap();
    let mut open = Peer::to(&proxy).await;
    open.says("before").await.unwrap();
    proxy.stall();
    let mut late = Peer::to(&proxy).await;
    assert!(timeout(NOTHING, open.says("stalled")).await.is_err());
    assert!(timeout(NOTHING, late.says("late")).await.is_err());
    proxy.resume();
    assert_eq!(open.hears(7).await.unwrap(), "stalled");
    assert_eq!(late.hears(4).await.unwrap(), "late");
}

#[tokio::test]
async fn a_connection_that_is_stalled_can_be_cut() {
    let (server, _tasks) = echo().await;
    let proxy = TcpProxy::start(&server, as_read).await.unwrap();
    proxy.stall();
    let mut peer = Peer::to(&proxy).await;
    peer.0.write_all(b"x").await.unwrap();
    assert!(timeout(NOTHING, peer.hears(1)).await.is_err());
    proxy.cut();
    assert!(peer.hears(1).await.is_err());
}

#[tokio::test]
async fn a_delay_holds_each_reply_for_so_long() {
    let (server, _tasks) = echo().await;
    let proxy = TcpProxy::start(&server, as_read).await.unwrap();
    let mut peer = Peer::to(&proxy).await;
    proxy.delay(Direction::ToClient, Duration::from_millis(30));
    proxy.delay(Direction::ToServer, Duration::from_millis(20));
    let start = Instant::now();
    peer.says("slow").await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn new_connections_are_turned_away_and_open_ones_stay() {
    let (server, _tasks) = echo().await;
    let proxy = TcpProxy::start(&server, as_read).await.unwrap();
    let mut open = Peer::to(&proxy).await;
    open.says("in").await.unwrap();
    proxy.turn_away(true);
    let mut late = Peer::to(&proxy).await;
    assert!(late.says("out").await.is_err());
    assert_eq!(open.says("still in").await.unwrap(), "still in");
    proxy.turn_away(false);
    Peer::to(&proxy).await.says("in again").await.unwrap();
}

#[tokio::test]
async fn a_moment_holds_its_piece_and_no_other_connection_until_it_is_passed() {
    let (server, _tasks) = echo().await;
    let proxy = TcpProxy::start(&server, as_read).await.unwrap();
    let moment = proxy.at(Direction::ToServer, has("commit"));
    let (mut held, mut free) = (Peer::to(&proxy).await, Peer::to(&proxy).await);
    held.says("begin").await.unwrap();
    assert!(!moment.is_reached());
    assert!(timeout(NOTHING, held.says("commit")).await.is_err());
    moment.reached().await;
    assert_eq!(free.says("other").await.unwrap(), "other");
    moment.pass();
    assert_eq!(held.hears(6).await.unwrap(), "commit");
    assert_eq!(held.says("commit").await.unwrap(), "commit");
}

#[tokio::test]
async fn a_moment_decided_before_it_comes_breaks_only_the_connection_where_it_comes() {
    let (server, _tasks) = echo().await;
    let proxy = TcpProxy::start(&server, as_read).await.unwrap();
    let (mut cut, mut reset, mut free) = (
        Peer::to(&proxy).await,
        Peer::to(&proxy).await,
        Peer::to(&proxy).await,
    );
    let moments = [
        proxy.at(Direction::ToClient, has("cut")),
        proxy.at(Direction::ToServer, has("reset")),
    ];
    moments[0].cut();
    moments[1].reset();
    assert_eq!(
        cut.says("cut").await.unwrap_err().kind(),
        ErrorKind::UnexpectedEof
    );
    assert_eq!(
        reset.says("reset").await.unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
    assert!(moments.iter().all(Moment::is_reached));
    assert_eq!(free.says("cut, reset").await.unwrap(), "cut, reset");
}

#[tokio::test]
async fn a_moment_dropped_undecided_lets_its_piece_pass() {
    let (server, _tasks) = echo().await;
    let proxy = TcpProxy::start(&server, as_read).await.unwrap();
    let moment = proxy.at(Direction::ToClient, has("x"));
    let mut peer = Peer::to(&proxy).await;
    let let_go = async {
        moment.reached().await;
        drop(moment);
    };
    let (heard, ()) = tokio::join!(peer.says("x"), let_go);
    assert_eq!(heard.unwrap(), "x");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_reset() {
    let (server, tasks) = echo().await;
    let proxy = TcpProxy::start(&server, as_read).await.unwrap();
    drop(tasks);
    tokio::task::yield_now().await;
    assert!(Peer::to(&proxy).await.says("x").await.is_err());
}
