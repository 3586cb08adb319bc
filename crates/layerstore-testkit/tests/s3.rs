//! An S3 server for tests: each test has a bucket of its own, signatures are checked, and of writers that race one wins.

#![cfg(feature = "services-s3")]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: an unexpected answer ends the test"
)]

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use layerstore_testkit::services::{self, S3Bucket};
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use url::{Position, Url};

/// How many rounds of a race, and writers in each: unlocked, nine of ten rounds have several winners.
const ROUNDS: usize = 20;
const WRITERS: usize = 8;

fn put(bucket: &S3Bucket, secret: &str, key: &str) -> Url {
    let endpoint = Url::parse(bucket.endpoint()).unwrap();
    let there = Bucket::new(
        endpoint,
        UrlStyle::Path,
        bucket.name().to_owned(),
        bucket.region().to_owned(),
    );
    let credentials = Credentials::new(bucket.access_key(), secret);
    there
        .unwrap()
        .put_object(Some(&credentials), key)
        .sign(Duration::from_secs(60))
}

async fn send(method: &str, url: Url, if_none_match: bool) -> (StatusCode, String) {
    let server = &url[Position::BeforeHost..Position::AfterPort];
    let stream = TokioIo::new(TcpStream::connect(server).await.unwrap());
    let (mut sender, connection) = http1::handshake(stream).await.unwrap();
    let mut request = Request::builder().method(method).header(header::HOST, server);
    if if_none_match {
        request = request.header(header::IF_NONE_MATCH, "*");
    }
    let request = request
        .uri(&url[Position::BeforePath..])
        .body(Full::new(Bytes::from("body")));
    let exchange = async {
        let response = sender.send_request(request.unwrap()).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    };
    tokio::select! {
        answer = exchange => answer,
        Err(error) = connection => panic!("{error}"),
    }
}

#[tokio::test]
async fn buckets_are_apart_and_are_deleted_with_what_is_in_them() {
    let (one, other) = (services::s3().await.unwrap(), services::s3().await.unwrap());
    assert_ne!(one.name(), other.name());
    let written = put(&one, one.secret_key(), "folder/object");
    assert_eq!(send("PUT", written.clone(), false).await.0, StatusCode::OK);
    drop(one);
    let (status, body) = send("PUT", written, false).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{body}");
}

#[tokio::test]
async fn a_wrong_signature_is_refused() {
    let bucket = services::s3().await.unwrap();
    let (status, _) = send("PUT", put(&bucket, "wrong", "object"), false).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_conditional_writes_that_race_one_wins() {
    let bucket = services::s3().await.unwrap();
    for round in 0..ROUNDS {
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            let url = put(&bucket, bucket.secret_key(), &format!("object-{round}"));
            writers.spawn(send("PUT", url, true));
        }
        let answers = writers.join_all().await;
        let won = answers.iter().filter(|(status, _)| status.is_success()).count();
        let lost = answers
            .iter()
            .filter(|(status, _)| *status == StatusCode::PRECONDITION_FAILED)
            .count();
        assert_eq!((won, lost), (1, WRITERS - 1), "{answers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bucket_is_made_while_the_clock_of_a_test_stands_still() {
    assert!(services::s3().await.unwrap().endpoint().starts_with("http://"));
}
