//! `kind = "object"`: objects of a service that OpenDAL knows.

use std::collections::BTreeMap;

use toml::Spanned;

use super::{Context, OpenDataStore};
use crate::config::secret::Secret;
use crate::config::setting::{Span, given, placed};
use crate::config::{ConfigError, Sited, choice, section};
use crate::data_store_kind::absent;
use crate::error::Error;

section! {
    /// Only for `kind = "object"`, which needs a cargo feature by the name of the service. What the service itself wants to know
    /// stands in `[data_store.options]` by [OpenDAL's names](https://opendal.apache.org/docs/rust/opendal/services/index.html),
    /// each a text, `{ env = "NAME" }` or `{ file = "PATH" }`: `bucket`, `root`, `region`, `endpoint`, `access_key_id`, `secret_access_key`
    /// for `s3`; `root` for `fs`; `bucket`, `root`, `credential` for `gcs`; `container`, `root`, `account_name`, `account_key` for `azblob`.
    struct ObjectSection {
        /// The service.
        service: Service = "required",
        /// Allows a service that cannot keep a second writer out: then nobody else may ever write there.
        single_writer: bool = false,
        /// How long one try of one request may take.
        attempt_timeout: Span = Span::of_secs(10),
        /// How often a request is tried in all.
        attempts: u32 = 5_u32,
        /// The wait before the first retry, which doubles from there.
        backoff: Span = Span(std::time::Duration::from_millis(100)),
        /// Requests under way at once.
        concurrency: u32 = 64_u32,
        /// Writes that share the request which announces them.
        group_records: u32 = 1_000_u32,
        /// Keys of a map of which it is remembered what their objects hold.
        known_keys: u32 = 16_384_u32,
    }
    tables {
        /// What the service wants to know, by OpenDAL's names.
        options: BTreeMap<String, Spanned<Secret>>,
    }
}

choice! {
    /// A service for objects.
    enum Service = "`s3`, `fs`, `gcs`, `azblob`" {
        S3 = "s3",
        Fs = "fs",
        Gcs = "gcs",
        Azblob = "azblob",
    }
}

impl ObjectSection {
    /// The settings that a bucket and a prefix make; the rest is the environment's.
    pub(super) fn s3(bucket: &str, prefix: &str) -> Self {
        let text = |text: &str| placed(Secret::Text(text.to_owned()));
        let options = [("bucket", text(bucket)), ("root", text(&format!("/{prefix}")))];
        Self {
            service: given(Service::S3),
            options: options.map(|(name, value)| (name.to_owned(), value)).into(),
            ..Self::default()
        }
    }
}

impl Service {
    /// Tells whether this build has it.
    fn is_here(self) -> bool {
        match self {
            Self::S3 => cfg!(feature = "s3"),
            Self::Fs => cfg!(feature = "fs"),
            Self::Gcs => cfg!(feature = "gcs"),
            Self::Azblob => cfg!(feature = "azblob"),
        }
    }
}

/// Finds what cannot work, before anything is opened.
pub(super) fn check(sited: &Sited<ObjectSection>) -> Result<(), ConfigError> {
    let section = &sited.section;
    let Some(service) = section.service.as_ref().map(|service| *service.get_ref()) else {
        return Err(sited.wrong(
            "service",
            "it is missing: write one of \"s3\", \"fs\", \"gcs\", \"azblob\"",
        ));
    };
    if !service.is_here() {
        return Err(sited.wrong("service", absent(&service.to_string(), &service.to_string())));
    }
    for (name, number) in [
        ("attempts", &section.attempts),
        ("concurrency", &section.concurrency),
        ("group_records", &section.group_records),
    ] {
        sited.at_least_one(name, number)?;
    }
    Ok(())
}

#[cfg(feature = "_object")]
pub(super) async fn open(sited: &Sited<ObjectSection>, context: &Context) -> Result<OpenDataStore, Error> {
    use std::sync::Arc;

    use layerstore_opendal::OpendalDataStore;
    let service = sited
        .section
        .service
        .as_ref()
        .map(|service| service.get_ref().to_string());
    let mut options = Vec::new();
    for (name, value) in &sited.section.options {
        let found = sited.secret(&format!("options.{name}"), Some(value)).await?;
        options.extend(found.map(|value| (name.clone(), value)));
    }
    let store = OpendalDataStore::open(
        &service.unwrap_or_default(),
        options,
        configured(&sited.section).clock(Arc::clone(&context.clock)),
    )
    .await?;
    let report = store.report().clone();
    let says = |holds: bool| if holds { "kept" } else { "ignored" };
    let guarded = super::guarded::guarded(Arc::new(store), Arc::clone(&context.clock));
    let opened = OpenDataStore::new(guarded)
        .with_fact("service", report.service.clone())
        .with_fact("conditions of writes", says(report.conditional_writes))
        .with_fact("conditions of deletions", says(report.conditional_deletes))
        .with_fact(
            "listings from a name on",
            if report.lists_from { "yes" } else { "no" },
        );
    Ok(if report.conditional_writes {
        opened
    } else {
        opened.with_note(
            "this service ignores the conditions of writes: nothing but this configuration keeps a second writer out",
        )
    })
}

/// Hands on what is set; the rest is as the crate has it.
#[cfg(feature = "_object")]
fn configured(section: &ObjectSection) -> layerstore_opendal::OpendalOptions {
    let mut options = layerstore_opendal::OpendalOptions::default();
    let count = |number: &Spanned<u32>| usize::try_from(*number.get_ref()).unwrap_or(usize::MAX);
    if let Some(allowed) = &section.single_writer {
        options = options.single_writer(*allowed.get_ref());
    }
    if let Some(timeout) = &section.attempt_timeout {
        options = options.attempt_timeout(timeout.get_ref().0);
    }
    if let Some(attempts) = &section.attempts {
        options = options.attempts(count(attempts));
    }
    if let Some(wait) = &section.backoff {
        options = options.backoff(wait.get_ref().0);
    }
    if let Some(requests) = &section.concurrency {
        options = options.concurrency(count(requests));
    }
    if let Some(records) = &section.group_records {
        options = options.group_records(count(records));
    }
    if let Some(keys) = &section.known_keys {
        options = options.known_keys(count(keys));
    }
    options
}

#[cfg(not(feature = "_object"))]
pub(super) async fn open(_: &Sited<ObjectSection>, context: &Context) -> Result<OpenDataStore, Error> {
    Err(crate::DataStoreKind::Object.not_here(&context.at).into())
}

#[cfg(all(test, feature = "_object"))]
mod tests {
    use layerstore_opendal as object;

    use super::ObjectSection;
    use crate::config::section::Section;

    #[test]
    fn the_defaults_that_are_documented_are_those_of_the_store() {
        let defaults = ObjectSection::described();
        let default = |name: &str| {
            let setting = defaults.iter().find(|setting| setting.name == name);
            setting.map(|setting| setting.default.clone()).unwrap_or_default()
        };
        let span = |span: std::time::Duration| humantime::format_duration(span).to_string();
        assert_eq!(default("attempt_timeout"), span(object::DEFAULT_ATTEMPT_TIMEOUT));
        assert_eq!(default("attempts"), object::DEFAULT_ATTEMPTS.to_string());
        assert_eq!(default("backoff"), span(object::DEFAULT_BACKOFF));
        assert_eq!(default("concurrency"), object::DEFAULT_CONCURRENCY.to_string());
        assert_eq!(
            default("group_records"),
            object::DEFAULT_GROUP_RECORDS.to_string()
        );
        assert_eq!(default("known_keys"), object::DEFAULT_KNOWN_KEYS.to_string());
    }
}
