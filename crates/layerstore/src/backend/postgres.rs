//! `kind = "postgres"`: rows of a PostgreSQL database.

use super::{Context, OpenDataStore};
use crate::config::secret::Secret;
use crate::config::setting::{Span, given};
use crate::config::{ConfigError, Sited, Size, choice, section};
use crate::error::Error;

section! {
    /// Only for `kind = "postgres"`, which needs the cargo feature `postgres`.
    struct PostgresSection {
        /// The address, as in `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full`.
        url: Secret = "required",
        /// The schema that holds the tables, and nothing else.
        schema: String = SCHEMA,
        /// How values lie in the database: `bytes` in the record's envelope; `jsonb` readable in SQL beside it. May change.
        value_format: ValueFormat = ValueFormat::Bytes,
        /// Who makes the tables: `run` for this process, `require` for somebody else, before it starts.
        migrations: Migrations = Migrations::Run,
        /// Connections at most.
        pool_size: u32 = 8_u32,
        /// How long a call waits for a connection.
        acquire_timeout: Span = Span::of_secs(10),
        /// How long opening a connection may take.
        connect_timeout: Span = Span::of_secs(5),
        /// How long a statement or transaction may take.
        statement_timeout: Span = Span::of_secs(30),
        /// How often a call is tried in all when its connection is lost or the server asks for it.
        attempts: u32 = 3_u32,
        /// Records that one statement writes at most.
        batch_records: u32 = 1_000_u32,
        /// Bytes of records that one statement writes; a larger record goes alone.
        batch_bytes: Size = Size(8 << 20),
        /// Prepared statements that a connection keeps; 0 for poolers in transaction mode that do not know them.
        statement_cache: u32 = 64_u32,
        /// How the server shows the connections.
        application_name: String = "what the address says, else layerstore",
        /// Whether connections are encrypted, and what of the server's certificate is checked.
        tls: Tls = "what the address says, else prefer",
        /// The file with the certificates of the authorities to trust; a relative one starts at the directory of this file.
        tls_root_certificate: String = "those of the system",
    }
}

/// The schema, where nothing is said.
const SCHEMA: &str = "layerstore";

choice! {
    /// How values lie in the database.
    enum ValueFormat = "`bytes`, `jsonb`" {
        Bytes = "bytes",
        Jsonb = "jsonb",
    }
}

choice! {
    /// Who makes the tables.
    enum Migrations = "`run`, `require`" {
        Run = "run",
        Require = "require",
    }
}

choice! {
    /// Whether connections are encrypted.
    enum Tls = "`disable`, `prefer`, `require`, `verify-ca`, `verify-full`" {
        Disable = "disable",
        Prefer = "prefer",
        Require = "require",
        VerifyCa = "verify-ca",
        VerifyFull = "verify-full",
    }
}

impl PostgresSection {
    /// The settings that an address alone makes.
    pub(super) fn at(url: &str) -> Self {
        Self {
            url: given(Secret::Text(url.to_owned())),
            ..Self::default()
        }
    }
}

/// Finds what cannot work, before anything is opened.
pub(super) fn check(sited: &Sited<PostgresSection>) -> Result<(), ConfigError> {
    let PostgresSection {
        url,
        pool_size,
        attempts,
        batch_records,
        ..
    } = &sited.section;
    if url.is_none() {
        return Err(sited.wrong(
            "url",
            "it is missing: write the address of a database, or where it is to be found",
        ));
    }
    for (name, number) in [
        ("pool_size", pool_size),
        ("attempts", attempts),
        ("batch_records", batch_records),
    ] {
        sited.at_least_one(name, number)?;
    }
    match &sited.section.batch_bytes {
        Some(size) if size.get_ref().0 == 0 => Err(sited.wrong("batch_bytes", "it must be at least 1 byte")),
        _ => Ok(()),
    }
}

/// Tells whether two are written as the same schema of the same database. Under different addresses nobody can tell.
pub(super) fn is_same_place(one: &Sited<PostgresSection>, other: &Sited<PostgresSection>) -> bool {
    let place = |sited: &Sited<PostgresSection>| {
        let PostgresSection { url, schema, .. } = &sited.section;
        let schema = schema.as_ref().map(|schema| schema.get_ref().clone());
        (
            url.as_ref().map(|url| url.get_ref().clone()),
            schema.unwrap_or_else(|| SCHEMA.to_owned()),
        )
    };
    place(one) == place(other)
}

/// Shows an address without user, password and parameters.
pub(crate) fn shown(url: &str) -> String {
    let place = url.split_once("://").map_or("", |(_, rest)| rest);
    let place = place.split(['?', '#']).next().unwrap_or_default();
    // A password may hold an `@` of its own.
    let place = place.rsplit_once('@').map_or(place, |(_, host)| host);
    format!("postgres://{place}")
}

#[cfg(feature = "postgres")]
pub(super) async fn open(sited: &Sited<PostgresSection>, context: &Context) -> Result<OpenDataStore, Error> {
    use std::sync::Arc;

    use layerstore_postgres::PostgresDataStore;
    let url = sited
        .secret("url", sited.section.url.as_ref())
        .await?
        .unwrap_or_default();
    let builder = PostgresDataStore::builder(&url).clock(Arc::clone(&context.clock));
    let builder = configured(builder, sited);
    let format = sited
        .section
        .value_format
        .as_ref()
        .map_or(ValueFormat::Bytes, |format| *format.get_ref());
    let store = builder.connect().await?;
    Ok(OpenDataStore::new(super::guarded::guarded(
        Arc::new(store),
        Arc::clone(&context.clock),
    ))
    .with_fact("address", shown(&url))
    .with_fact("value format", format.to_string()))
}

/// Hands on what is set; the rest is as the crate has it.
#[cfg(feature = "postgres")]
fn configured(
    builder: layerstore_postgres::PostgresBuilder,
    sited: &Sited<PostgresSection>,
) -> layerstore_postgres::PostgresBuilder {
    use layerstore_postgres as postgres;
    let section = &sited.section;
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let mut builder = builder;
    if let Some(schema) = &section.schema {
        builder = builder.schema(schema.get_ref());
    }
    if let Some(format) = &section.value_format {
        builder = builder.value_format(match format.get_ref() {
            ValueFormat::Bytes => postgres::ValueFormat::Bytes,
            ValueFormat::Jsonb => postgres::ValueFormat::Jsonb,
        });
    }
    if let Some(migrations) = &section.migrations {
        builder = builder.migrations(match migrations.get_ref() {
            Migrations::Run => postgres::Migrations::Run,
            Migrations::Require => postgres::Migrations::Require,
        });
    }
    if let Some(connections) = &section.pool_size {
        builder = builder.pool_size(count(*connections.get_ref()));
    }
    if let Some(timeout) = &section.acquire_timeout {
        builder = builder.acquire_timeout(timeout.get_ref().0);
    }
    if let Some(timeout) = &section.connect_timeout {
        builder = builder.connect_timeout(timeout.get_ref().0);
    }
    if let Some(timeout) = &section.statement_timeout {
        builder = builder.statement_timeout(timeout.get_ref().0);
    }
    if let Some(attempts) = &section.attempts {
        builder = builder.attempts(*attempts.get_ref());
    }
    if let Some(records) = &section.batch_records {
        builder = builder.batch_records(count(*records.get_ref()));
    }
    if let Some(size) = &section.batch_bytes {
        builder = builder.batch_bytes(usize::try_from(size.get_ref().0).unwrap_or(usize::MAX));
    }
    if let Some(statements) = &section.statement_cache {
        builder = builder.statement_cache(count(*statements.get_ref()));
    }
    if let Some(name) = &section.application_name {
        builder = builder.application_name(name.get_ref());
    }
    if let Some(tls) = &section.tls {
        builder = builder.tls(match tls.get_ref() {
            Tls::Disable => postgres::TlsMode::Disable,
            Tls::Prefer => postgres::TlsMode::Prefer,
            Tls::Require => postgres::TlsMode::Require,
            Tls::VerifyCa => postgres::TlsMode::VerifyCa,
            Tls::VerifyFull => postgres::TlsMode::VerifyFull,
        });
    }
    match &section.tls_root_certificate {
        Some(path) => builder.tls_root_certificate(sited.directory.join(path.get_ref())),
        None => builder,
    }
}

#[cfg(not(feature = "postgres"))]
pub(super) async fn open(_: &Sited<PostgresSection>, context: &Context) -> Result<OpenDataStore, Error> {
    Err(crate::DataStoreKind::Postgres.not_here(&context.at).into())
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use layerstore_postgres as postgres;

    use super::PostgresSection;
    use crate::config::section::Section;

    #[test]
    fn the_defaults_that_are_documented_are_those_of_the_store() {
        let defaults = PostgresSection::described();
        let default = |name: &str| {
            let setting = defaults.iter().find(|setting| setting.name == name);
            setting.map(|setting| setting.default.clone()).unwrap_or_default()
        };
        let seconds = |span: std::time::Duration| humantime::format_duration(span).to_string();
        assert_eq!(default("schema"), postgres::DEFAULT_SCHEMA);
        assert_eq!(default("pool_size"), postgres::DEFAULT_POOL_SIZE.to_string());
        assert_eq!(
            default("acquire_timeout"),
            seconds(postgres::DEFAULT_ACQUIRE_TIMEOUT)
        );
        assert_eq!(
            default("connect_timeout"),
            seconds(postgres::DEFAULT_CONNECT_TIMEOUT)
        );
        assert_eq!(
            default("statement_timeout"),
            seconds(postgres::DEFAULT_STATEMENT_TIMEOUT)
        );
        assert_eq!(default("attempts"), postgres::DEFAULT_ATTEMPTS.to_string());
        assert_eq!(
            default("batch_records"),
            postgres::DEFAULT_BATCH_RECORDS.to_string()
        );
        let bytes = crate::config::Size(postgres::DEFAULT_BATCH_BYTES as u64);
        assert_eq!(default("batch_bytes"), bytes.to_string());
        assert_eq!(
            default("statement_cache"),
            postgres::DEFAULT_STATEMENT_CACHE.to_string()
        );
        assert!(default("application_name").ends_with(postgres::DEFAULT_APPLICATION_NAME));
    }
}
