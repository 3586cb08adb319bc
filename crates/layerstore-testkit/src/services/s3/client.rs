//! As much of a client as making, emptying and deleting a bucket takes. It blocks, on a thread of its own.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use rusty_s3::actions::{ListObjectsV2, ObjectIdentifier};
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use tokio::net::TcpStream;
use url::{Position, Url};

use super::{Endpoint, REGION};
use crate::services::runtime;

/// How long emptying and deleting a bucket may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// How long a signature is good for.
const SIGNED_FOR: Duration = Duration::from_secs(60);

/// A client for one bucket.
pub(super) struct Client {
    bucket: Bucket,
    credentials: Credentials,
}

impl Client {
    pub(super) fn new(endpoint: &Endpoint, name: &str) -> Result<Self, String> {
        if endpoint.url.scheme() != "http" {
            return Err("only http:// is spoken".to_owned());
        }
        let bucket = Bucket::new(endpoint.url.clone(), UrlStyle::Path, name.to_owned(), REGION);
        Ok(Self {
            bucket: bucket.map_err(|error| format!("the endpoint is no address: {error}"))?,
            credentials: Credentials::new(&*endpoint.access_key, &*endpoint.secret_key),
        })
    }

    pub(super) fn create(&self) -> Result<(), String> {
        let url = self.bucket.create_bucket(&self.credentials).sign(SIGNED_FOR);
        runtime::block_on(DEADLINE, async { send(Method::PUT, url, None).await.map(drop) })
    }

    pub(super) fn delete(&self) -> Result<(), String> {
        runtime::block_on(DEADLINE, async {
            while self.delete_some().await? {}
            let url = self.bucket.delete_bucket(&self.credentials).sign(SIGNED_FOR);
            send(Method::DELETE, url, None).await.map(drop)
        })
    }

    /// Deletes a page of objects and tells whether there were any.
    async fn delete_some(&self) -> Result<bool, String> {
        let url = self
            .bucket
            .list_objects_v2(Some(&self.credentials))
            .sign(SIGNED_FOR);
        let listed = send(Method::GET, url, None).await?;
        let listed =
            ListObjectsV2::parse_response(&listed).map_err(|error| format!("a list of objects: {error}"))?;
        let found: Vec<_> = listed
            .contents
            .into_iter()
            .map(|object| ObjectIdentifier::new(object.key))
            .collect();
        if found.is_empty() {
            return Ok(false);
        }
        let delete = self.bucket.delete_objects(Some(&self.credentials), found.iter());
        let url = delete.sign(SIGNED_FOR);
        send(Method::POST, url, Some(delete.body_with_md5())).await?;
        Ok(true)
    }
}

/// Sends one request over a connection of its own; a body comes with its MD5 in base64.
async fn send(method: Method, url: Url, body: Option<(String, String)>) -> Result<String, String> {
    let told = |error: &dyn std::fmt::Display| format!("the server does not answer: {error}");
    let address = &url[Position::BeforeHost..Position::AfterPort];
    let port = url.port_or_known_default().unwrap_or(80);
    let stream = TcpStream::connect((url.host_str().unwrap_or_default(), port)).await;
    let stream = TokioIo::new(stream.map_err(|error| told(&error))?);
    let (mut sender, connection) = http1::handshake(stream).await.map_err(|error| told(&error))?;
    let method_has_body = matches!(method, Method::PUT | Method::POST);
    let mut request = Request::builder()
        .method(method)
        .uri(&url[Position::BeforePath..])
        .header(header::HOST, address);
    let (body, digest) = body.unwrap_or_default();
    if !digest.is_empty() {
        request = request.header("content-md5", digest);
    }
    // Without a body hyper leaves the length out, and some servers insist on it.
    if method_has_body {
        request = request.header(header::CONTENT_LENGTH, body.len());
    }
    let request = request
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| told(&error))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| told(&error))?;
        let status = response.status();
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|error| told(&error))?;
        Ok::<_, String>((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
    };
    // The connection ends when the sender is gone; until then it must be driven beside the exchange.
    let (status, text) = tokio::select! {
        answer = exchange => answer?,
        Err(error) = connection => return Err(told(&error)),
    };
    if status.is_success() {
        return Ok(text);
    }
    Err(format!("the server answers {status}: {text}"))
}
