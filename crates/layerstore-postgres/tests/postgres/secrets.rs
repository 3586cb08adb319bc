//! No password and no value is ever shown: not in an error, nor its causes, nor in a span, a log line or a `Debug`.

use std::error::Error;
use std::fmt::{Debug, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use layerstore_data_store::{ErrorKind, MapDataStore, ScanRequest, StoreError, WriteResult};
use layerstore_postgres::{PostgresDataStore, TlsMode, ValueFormat};
use layerstore_record::Value;
use layerstore_testkit::records::version;
use sqlx::{Connection, PgConnection};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Metadata, Subscriber};

use crate::proxy::{Cut, Proxy};
use crate::server::Database;
use crate::support::{applied, key, map, put_value};

/// How long a server may take to answer: long, for it shares the machine with other tests.
const DEADLINE: Duration = Duration::from_secs(60);

/// What must never be seen.
const MARKER: &str = "s3cr3t";

/// Everything that was said at any level, by anybody on any thread.
static SAID: Mutex<String> = Mutex::new(String::new());

/// Collects every field of every span and event.
struct Collector;

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Collector {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        say(span.metadata(), |said| span.record(&mut Fields(said)));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, record: &tracing::span::Record<'_>) {
        record.record(&mut Fields(&mut lock()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        say(event.metadata(), |said| event.record(&mut Fields(said)));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn lock() -> std::sync::MutexGuard<'static, String> {
    SAID.lock().unwrap_or_else(PoisonError::into_inner)
}

fn say(of: &Metadata<'_>, record: impl FnOnce(&mut String)) {
    let mut said = lock();
    write!(said, "\n{} {}:", of.target(), of.name()).unwrap();
    record(&mut said);
}

/// Shows an error in every way that there is, with its causes.
fn shown(error: &StoreError) -> String {
    let mut all = format!("{error} {error:?} {error:#?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(all, " {error} {error:?}").unwrap();
        cause = error.source();
    }
    all
}

fn check(what: &str, text: &str) {
    assert!(!text.contains(MARKER), "{what} shows what nobody may see: {text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_password_and_no_value_is_ever_shown() {
    tracing::subscriber::set_global_default(Collector).unwrap();
    let database = Database::default();
    let server = database.get().await.server();
    let name = database.get().await.name();
    let quick = |url: String| {
        PostgresDataStore::builder(url)
            .acquire_timeout(DEADLINE)
            .connect_timeout(DEADLINE)
            .pool_size(1)
    };
    // Ways in which connecting fails.
    let refused = [
        (format!("postgres://layerstore:{MARKER}@{server}/{name}"), None),
        (
            format!("postgres://layerstore:{MARKER}@127.0.0.1:1/{name}"),
            Some(ErrorKind::Unavailable),
        ),
        (
            format!("postgres://layerstore:{MARKER}@{server}/{name}?sslmode={MARKER}"),
            Some(ErrorKind::Rejected),
        ),
        (
            format!("postgres://layerstore:{MARKER}@{server}/{name}?password={MARKER}&{MARKER}=1"),
            Some(ErrorKind::Rejected),
        ),
        (
            format!("postgres://layerstore:1/{MARKER}@{server}/{name}"),
            Some(ErrorKind::Rejected),
        ),
        (MARKER.to_owned(), Some(ErrorKind::Rejected)),
    ];
    for (url, kind) in refused {
        let builder = quick(url);
        check("a builder", &format!("{builder:?}"));
        // A server may trust whoever is on its machine; then there is nothing to see either.
        // Where nobody listens, it is waited until the end for a server that may be starting.
        let builder = match kind {
            Some(ErrorKind::Unavailable) => builder.acquire_timeout(Duration::from_secs(3)),
            _ => builder,
        };
        match builder.connect().await {
            Ok(store) => {
                assert_eq!(kind, None);
                check("a store", &format!("{store:?}"));
            }
            Err(error) => {
                assert_eq!(error.kind(), kind.unwrap_or(ErrorKind::Forbidden), "{error}");
                check("an error of connecting", &shown(&error));
            }
        }
    }
    let tls = quick(database.get().await.url().to_owned())
        .tls(TlsMode::Require)
        .connect()
        .await;
    check("an error of TLS", &shown(&tls.unwrap_err()));
    // Everything that a store does, with a value that is easy to find, and everything failing.
    let proxy = Proxy::to(&server).await;
    let through = database.get().await.url_through(proxy.address());
    for format in [ValueFormat::Bytes, ValueFormat::Jsonb] {
        let builder = quick(through.clone()).value_format(format);
        let store = builder.connect().await.unwrap();
        let map = map("map");
        let value = || Value::String(MARKER.into());
        let write = |number| put_value(&map, &key("a"), number, value());
        let answer = store.apply(vec![write(1)]).await.remove(0);
        let WriteResult::Rejected(error) = answer else {
            panic!("the map is not claimed")
        };
        check("an error of a write", &shown(&error));
        store.claim(&map).await.unwrap();
        let from = if format == ValueFormat::Bytes { 1 } else { 100 };
        applied(&store, vec![write(from), write(from + 1), write(from + 2)]).await;
        proxy.arm(0, Cut::BeforeReply);
        applied(&store, vec![write(from + 3)]).await;
        store.load(&map, &key("a")).await.unwrap();
        store.scan_page(&map, ScanRequest::first(9)).await.unwrap();
        check("a store", &format!("{store:?}"));
        // What the database refuses, it explains with the row.
        let mut sql = PgConnection::connect(database.get().await.url()).await.unwrap();
        let constraint = "ALTER TABLE layerstore.records ADD CONSTRAINT no_more CHECK (false) NOT VALID";
        sqlx::raw_sql(constraint).execute(&mut sql).await.unwrap();
        let many = vec![write(from + 4), put_value(&map, &key("b"), from + 4, value())];
        for answer in store.apply(many).await {
            let WriteResult::Rejected(error) = answer else {
                panic!("the table refuses rows")
            };
            assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
            check("an error of the server", &shown(&error));
        }
        sqlx::raw_sql("ALTER TABLE layerstore.records DROP CONSTRAINT no_more")
            .execute(&mut sql)
            .await
            .unwrap();
        sqlx::raw_sql("UPDATE layerstore.records SET body = 'x'")
            .execute(&mut sql)
            .await
            .unwrap();
        for error in [
            store.load(&map, &key("a")).await.unwrap_err(),
            store.scan_page(&map, ScanRequest::first(9)).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            check("an error of damage", &shown(&error));
        }
        store.clear(&map, version(99)).await.unwrap();
    }
    let said = lock().clone();
    assert!(
        said.contains("apply") && said.contains("tried again"),
        "the collector hears: {said}"
    );
    check("what was logged", &said);
}
