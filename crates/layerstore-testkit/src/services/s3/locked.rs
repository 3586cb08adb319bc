//! What the server does not do by itself: judge a conditional write and make it, with nobody in between.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use s3s::Body;
use s3s::service::S3Service;
use tokio::sync::RwLock;

const NO_BUCKET: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>"#;

/// A service whose writes happen one at a time, and no read during one: unlocked, it looks at the object that a
/// condition speaks of and writes its own later, so that several writers that race win.
#[derive(Clone)]
pub(super) struct Locked {
    service: S3Service,
    /// The folder of the buckets.
    home: PathBuf,
    /// Protects all objects: taken for reading by what reads, for writing by everything else.
    turn: Arc<RwLock<()>>,
}

impl Locked {
    pub(super) fn new(service: S3Service, home: &Path) -> Self {
        Self {
            service,
            home: home.to_owned(),
            turn: Arc::default(),
        }
    }

    pub(super) async fn answer(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Box<dyn Error + Send + Sync>> {
        let (head, body) = request.into_parts();
        // Read before the lock is taken: a client that stalls must not keep the others waiting.
        let body = body.collect().await?.to_bytes();
        if self.lacks_bucket(head.uri.path()) {
            // By itself the server would make the bucket with its first object.
            return Ok(Response::builder()
                .status(StatusCode::NOT_FOUND)
                .body(Body::from(NO_BUCKET.to_owned()))?);
        }
        let reads = matches!(head.method, Method::GET | Method::HEAD);
        let request = Request::from_parts(head, Body::from(body));
        let answered = if reads {
            let _turn = self.turn.read().await;
            self.service.call(request).await
        } else {
            let _turn = self.turn.write().await;
            self.service.call(request).await
        };
        answered.map_err(|error| format!("{error:?}").into())
    }

    /// Tells whether a request speaks of an object in a bucket that there is not.
    fn lacks_bucket(&self, path: &str) -> bool {
        let object = path.trim_start_matches('/').split_once('/');
        object.is_some_and(|(bucket, key)| !key.is_empty() && !self.home.join(bucket).is_dir())
    }
}
