//! Messages over TCP: a length of four bytes, then the message.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use layerstore::MapName;
use layerstore::sync::{
    MAX_MESSAGE_BYTES, Peer, Replica, Request, Response, SyncError, SyncErrorKind, decode_request,
    decode_response, encode_request, encode_response,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

/// A replica in another process.
pub(crate) struct TcpPeer {
    address: SocketAddr,
    map: MapName,
    /// The connection, while no call is under way: one that was dropped or failed half way cannot be gone on with.
    idle: Mutex<Option<TcpStream>>,
    bytes: AtomicUsize,
}

impl TcpPeer {
    pub(crate) fn new(address: SocketAddr, map: MapName) -> Self {
        Self {
            address,
            map,
            idle: Mutex::default(),
            bytes: AtomicUsize::new(0),
        }
    }

    /// Returns how many bytes went either way.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    async fn ask(&self, request: &[u8]) -> std::io::Result<Vec<u8>> {
        let idle = self.idle.lock().await.take();
        let mut stream = match idle {
            Some(stream) => stream,
            None => TcpStream::connect(self.address).await?,
        };
        write(&mut stream, request).await?;
        let answer = read(&mut stream)
            .await?
            .ok_or(std::io::ErrorKind::UnexpectedEof)?;
        *self.idle.lock().await = Some(stream);
        self.bytes
            .fetch_add(request.len() + answer.len() + 8, Ordering::Relaxed);
        Ok(answer)
    }
}

#[async_trait]
impl Peer for TcpPeer {
    async fn call(&self, request: Request) -> Result<Response, SyncError> {
        let malformed =
            |what| move |error| SyncError::new(SyncErrorKind::Malformed, &self.map, what).because(error);
        let request = encode_request(&request).map_err(malformed("the request has no bytes"))?;
        let answer = self.ask(&request).await.map_err(|error| {
            let what = format!("{} does not answer", self.address);
            SyncError::new(SyncErrorKind::Unreachable, &self.map, what).because(error)
        })?;
        decode_response(&answer).map_err(malformed("the answer cannot be read"))
    }
}

/// Serves one visitor until it goes.
pub(crate) async fn serve(
    listener: &TcpListener,
    replica: &Replica,
) -> Result<(), Box<dyn std::error::Error>> {
    let (mut stream, _) = listener.accept().await?;
    while let Some(request) = read(&mut stream).await? {
        let answer = replica.answer(decode_request(&request)?).await?;
        write(&mut stream, &encode_response(&answer)?).await?;
    }
    Ok(())
}

async fn write(stream: &mut TcpStream, message: &[u8]) -> std::io::Result<()> {
    let len = u32::try_from(message.len()).map_err(std::io::Error::other)?;
    stream.write_all(&len.to_le_bytes()).await?;
    stream.write_all(message).await
}

/// Reads a message; nothing where the other side has closed between two.
async fn read(stream: &mut TcpStream) -> std::io::Result<Option<Vec<u8>>> {
    let mut len = [0; 4];
    if stream.read(&mut len[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut len[1..]).await?;
    let len = usize::try_from(u32::from_le_bytes(len)).map_err(std::io::Error::other)?;
    // Before memory is asked for: the length may be anybody's.
    if len > MAX_MESSAGE_BYTES {
        return Err(std::io::Error::other("a message claims to be larger than any is"));
    }
    let mut message = vec![0; len];
    stream.read_exact(&mut message).await?;
    Ok(Some(message))
}
