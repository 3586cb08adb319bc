//! An S3 server inside this process, over real HTTP and with real signatures.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use url::Url;

use super::Endpoint;
use super::listed::Listed;
use super::locked::Locked;
use crate::services::folders;
use crate::services::janitor::Janitor;

const ACCESS_KEY: &str = "layerstore";

/// A server on a free port of 127.0.0.1. It has a thread and a runtime of its own, so that neither a paused clock nor the
/// end of a test's runtime touches it.
#[derive(Debug)]
pub(super) struct LocalServer {
    endpoint: Endpoint,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Removes the objects, also where this process is killed.
    _folder: Janitor,
}

impl LocalServer {
    /// Starts a server without buckets.
    ///
    /// # Errors
    /// When there is no folder or no port for it.
    pub(super) fn start() -> Result<Self, String> {
        let home = folders::home("s3")?;
        let folder = Janitor::hold(["rm".as_ref(), "-rf".as_ref(), "--".as_ref(), home.as_os_str()])?;
        let secret_key = format!("{:016x}", RandomState::new().hash_one(0_u8));
        let locked = service(&home, &secret_key)?;
        let (bound, port) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let served = serve(locked, stopped, &bound);
            // Whoever waits for the port hears why there is none; later nobody listens.
            let _ = served.map_err(|error| bound.send(Err(error)));
        });
        let port = port
            .recv()
            .unwrap_or_else(|_| Err("the server ended".to_owned()))?;
        let url = Url::parse(&format!("http://{}:{port}/", Ipv4Addr::LOCALHOST));
        Ok(Self {
            endpoint: Endpoint {
                url: url.map_err(|error| format!("our own address: {error}"))?,
                access_key: ACCESS_KEY.to_owned(),
                secret_key,
            },
            stop: Some(stop),
            thread: Some(thread),
            _folder: folder,
        })
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl Drop for LocalServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn service(home: &Path, secret_key: &str) -> Result<Locked, String> {
    let files = FileSystem::new(home).map_err(|error| format!("no S3 server over a folder: {error:?}"))?;
    let mut builder = S3ServiceBuilder::new(Listed::new(files, home));
    builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, secret_key));
    Ok(Locked::new(builder.build(), home))
}

type Bound = mpsc::Sender<Result<u16, String>>;

fn serve(locked: Locked, stopped: oneshot::Receiver<()>, bound: &Bound) -> Result<(), String> {
    let told = |error: std::io::Error| format!("no S3 server: {error}");
    let runtime = Builder::new_current_thread().enable_all().build().map_err(told)?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(told)?;
        let port = listener.local_addr().map_err(told)?.port();
        // The starter waits for it.
        let _ = bound.send(Ok(port));
        tokio::select! {
            () = accept(listener, locked) => {}
            _ = stopped => {}
        }
        Ok(())
    })
}

/// Takes connections for ever; those that are open end with it.
async fn accept(listener: TcpListener, locked: Locked) {
    let mut links = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                let locked = locked.clone();
                links.spawn(async move {
                    // Small replies wait for nothing; that fails only for a client that is gone.
                    let _ = stream.set_nodelay(true);
                    let service = service_fn(|request| locked.clone().answer(request));
                    let link = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    // A client that breaks off is not the server's business.
                    let _ = link.await;
                });
            }
            Some(_) = links.join_next() => {}
            // A connection that was broken off before it was taken.
            else => tokio::task::yield_now().await,
        }
    }
}
