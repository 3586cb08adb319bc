//! `kind = "object"`: objects of a service that OpenDAL knows.

use std::collections::BTreeMap;

use toml::Spanned;

use super::{Context, OpenDataStore};
use crate::config::secret::Secret;
use crate::config::setting::{OrNone, Setting, Span, given, placed};
use crate::config::{ConfigError, Sited, Size, choice, section};
use crate::data_store_kind::absent;
use crate::error::Error;

section! {
    /// Only for `kind = "object"`, which needs a cargo feature by the name of the service. What the service itself wants to know
    /// stands in `[data_store.options]` by [OpenDAL's names](https://opendal.apache.org/docs/rust/opendal/services/index.html),
    /// each a text, `{ env = "NAME" }` or `{ file = "PATH" }`: `bucket`, `root`, `region`, `endpoint`, `access_key_id`, `secret_access_key`
    /// for `s3`; `root` for `fs`; `bucket`, `root`, `credential` for `gcs`; `container`, `root`, `account_name`, `account_key` for `azblob`.
    /// A setting of one layout is refused with the other; `packed` needs the cargo feature `slatedb`.
    struct ObjectSection {
        /// The service.
        service: Service = "required",
        /// What the objects are: `objects` keeps each record as one, `packed` many records in each ([object-stores.md](object-stores.md#packed)).
        /// A place keeps the layout that it was first opened with.
        layout: Layout = Layout::Objects,
        /// Allows a service that cannot keep a second writer out: then nobody else may ever write there.
        single_writer: bool = false,
        /// How long one try of one request may take.
        attempt_timeout: Span = Span::of_secs(10),
        /// Requests under way at once.
        concurrency: u32 = 64_u32,
        /// `objects`: how often a request is tried in all.
        attempts: u32 = 5_u32,
        /// `objects`: the wait before the first retry, which doubles from there.
        backoff: Span = Span(std::time::Duration::from_millis(100)),
        /// `objects`: writes that share the request which announces them.
        group_records: u32 = 1_000_u32,
        /// `objects`: keys of a map of which it is remembered what their objects hold.
        known_keys: u32 = 16_384_u32,
        /// `packed`: how long a call waits for its answer; until then requests are tried again.
        deadline: Span = Span::of_secs(54),
        /// `packed`: how often the database of a map that is held looks for what others did: a request or two each time. At least 10 ms.
        poll_interval: Span = Span::of_secs(1),
        /// `packed`: memory for blocks that were read, of all maps together; `"none"` for none.
        cache_bytes: OrNone<Size> = Size(64 << 20),
        /// `packed`: what a map gathers in memory before it writes a table, at least 64 KiB. A map may have four times that in memory.
        table_bytes: Size = Size(16 << 20),
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

choice! {
    /// What the objects of a place are.
    enum Layout = "`objects`, `packed`" {
        Objects = "objects",
        Packed = "packed",
    }
}

/// The least that the packed layout takes; what is less, the crate would raise in silence.
const LEAST_POLL_INTERVAL: Span = Span(std::time::Duration::from_millis(10));
const LEAST_TABLE_BYTES: Size = Size(64 << 10);

impl ObjectSection {
    fn layout(&self) -> Layout {
        self.layout
            .as_ref()
            .map_or(Layout::Objects, |layout| *layout.get_ref())
    }

    /// The settings that go with one layout alone, and whether they are set.
    fn of_one_layout(&self) -> [(&'static str, Layout, bool); 8] {
        fn set<T>(setting: &Setting<T>) -> bool {
            setting.is_some()
        }
        let (objects, packed) = (Layout::Objects, Layout::Packed);
        [
            ("attempts", objects, set(&self.attempts)),
            ("backoff", objects, set(&self.backoff)),
            ("group_records", objects, set(&self.group_records)),
            ("known_keys", objects, set(&self.known_keys)),
            ("deadline", packed, set(&self.deadline)),
            ("poll_interval", packed, set(&self.poll_interval)),
            ("cache_bytes", packed, set(&self.cache_bytes)),
            ("table_bytes", packed, set(&self.table_bytes)),
        ]
    }

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
    check_layout(sited)?;
    for (name, number) in [
        ("attempts", &section.attempts),
        ("concurrency", &section.concurrency),
        ("group_records", &section.group_records),
    ] {
        sited.at_least_one(name, number)?;
    }
    Ok(())
}

/// Refuses a layout that this build has not, what goes with the other one, and less than it takes.
fn check_layout(sited: &Sited<ObjectSection>) -> Result<(), ConfigError> {
    let (section, layout) = (&sited.section, sited.section.layout());
    if layout == Layout::Packed && !cfg!(feature = "slatedb") {
        return Err(sited.wrong("layout", absent(&layout.to_string(), "slatedb")));
    }
    let misplaced = section
        .of_one_layout()
        .into_iter()
        .find(|(_, of, is_set)| *is_set && *of != layout);
    if let Some((name, of, _)) = misplaced {
        let (of, layout) = (of.to_string(), layout.to_string());
        let what = format!("it goes with layout = {of:?}, and layout is {layout:?}: take one of the two out");
        return Err(sited.wrong(name, what));
    }
    if let Some(interval) = &section.poll_interval
        && interval.get_ref().0 < LEAST_POLL_INTERVAL.0
    {
        return Err(sited.wrong(
            "poll_interval",
            format!("it must be at least {LEAST_POLL_INTERVAL}"),
        ));
    }
    if let Some(size) = &section.table_bytes
        && *size.get_ref() < LEAST_TABLE_BYTES
    {
        return Err(sited.wrong("table_bytes", format!("it must be at least {LEAST_TABLE_BYTES}")));
    }
    Ok(())
}

#[cfg(feature = "_object")]
pub(super) async fn open(sited: &Sited<ObjectSection>, context: &Context) -> Result<OpenDataStore, Error> {
    let section = &sited.section;
    let service = section.service.as_ref();
    let service = service.map_or_else(String::new, |service| service.get_ref().to_string());
    let mut options = Vec::new();
    for (name, value) in &section.options {
        let found = sited.secret(&format!("options.{name}"), Some(value)).await?;
        options.extend(found.map(|value| (name.clone(), value)));
    }
    match section.layout() {
        Layout::Objects => open_objects(section, (service, options), context).await,
        #[cfg(feature = "slatedb")]
        Layout::Packed => super::packed::open(section, (service, options), context).await,
        #[cfg(not(feature = "slatedb"))]
        Layout::Packed => Err(sited.wrong("layout", absent("packed", "slatedb")).into()),
    }
}

#[cfg(feature = "_object")]
async fn open_objects(
    section: &ObjectSection,
    (service, options): (String, Vec<(String, String)>),
    context: &Context,
) -> Result<OpenDataStore, Error> {
    use std::sync::Arc;

    use layerstore_opendal::OpendalDataStore;
    let configured = configured(section).clock(Arc::clone(&context.clock));
    let store = OpendalDataStore::open(&service, options, configured).await?;
    let report = store.report().clone();
    let guarded = super::guarded::guarded(Arc::new(store), Arc::clone(&context.clock));
    let yes = if report.lists_from { "yes" } else { "no" };
    let opened = found(OpenDataStore::new(guarded), Layout::Objects, &report)
        .with_fact("conditions of deletions", says(report.conditional_deletes))
        .with_fact("listings from a name on", yes);
    Ok(opened)
}

/// Says what was found where the store was opened, whatever its layout.
#[cfg(feature = "_object")]
pub(super) fn found(
    opened: OpenDataStore,
    layout: Layout,
    report: &layerstore_opendal::ProbeReport,
) -> OpenDataStore {
    let opened = opened
        .with_fact("service", report.service.clone())
        .with_fact("layout", layout.to_string())
        .with_fact("conditions of writes", says(report.conditional_writes));
    if report.conditional_writes {
        return opened;
    }
    opened.with_note(
        "this service ignores the conditions of writes: nothing but this configuration keeps a second writer out",
    )
}

#[cfg(feature = "_object")]
fn says(holds: bool) -> &'static str {
    if holds { "kept" } else { "ignored" }
}

/// Hands on what is set; the rest is as the crate has it.
#[cfg(feature = "_object")]
fn configured(section: &ObjectSection) -> layerstore_opendal::OpendalOptions {
    let mut options = shared(section);
    if let Some(attempts) = &section.attempts {
        options = options.attempts(count(attempts));
    }
    if let Some(wait) = &section.backoff {
        options = options.backoff(wait.get_ref().0);
    }
    if let Some(records) = &section.group_records {
        options = options.group_records(count(records));
    }
    if let Some(keys) = &section.known_keys {
        options = options.known_keys(count(keys));
    }
    options
}

/// Hands on what both layouts know.
#[cfg(feature = "_object")]
pub(super) fn shared(section: &ObjectSection) -> layerstore_opendal::OpendalOptions {
    let mut options = layerstore_opendal::OpendalOptions::default();
    if let Some(allowed) = &section.single_writer {
        options = options.single_writer(*allowed.get_ref());
    }
    if let Some(timeout) = &section.attempt_timeout {
        options = options.attempt_timeout(timeout.get_ref().0);
    }
    if let Some(requests) = &section.concurrency {
        options = options.concurrency(count(requests));
    }
    options
}

#[cfg(feature = "_object")]
fn count(number: &Spanned<u32>) -> usize {
    usize::try_from(*number.get_ref()).unwrap_or(usize::MAX)
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
