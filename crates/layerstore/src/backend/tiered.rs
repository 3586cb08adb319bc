//! `kind = "tiered"`: a hot and a cold store as one.

use super::{Backend, Context, OpenDataStore, postgres};
use crate::config::setting::{Setting, Span};
use crate::config::{ConfigError, Sited, Size, choice, section};
use crate::data_store_kind::DataStoreKind;
use crate::error::Error;

section! {
    /// Only for `kind = "tiered"`, which needs the cargo feature `tiered`. `[data_store.hot]` and `[data_store.cold]` each say a store with
    /// its own kind and settings, as `[data_store]` does. Hot takes every write and is `embedded` or `postgres`; cold takes what is archived and
    /// is `embedded`, `postgres` or `object`; `memory` is for tests and goes with `memory` alone. At least one of `age` and `idle` is set.
    struct TieredSection {
        /// Archives what was written this long ago, or was brought back and not written for as long.
        age: Span = "none",
        /// Archives what was neither written nor read for this long. Reads by an earlier process are not known: it counts from the start
        /// of this one at the earliest.
        idle: Span = "none",
        /// What a read of an archived record does: `on-read` brings it back to hot, `on-demand` leaves it in cold.
        promotion: Promotion = Promotion::OnRead,
        /// How long the archiver rests between two rounds through all maps.
        pause: Span = Span::of_secs(60),
        /// Records that one batch of archiving looks at.
        batch_records: u32 = 500_u32,
        /// Bytes of records that one batch takes to cold at once; a larger record goes alone.
        batch_bytes: Size = Size(8 << 20),
        /// Keys that came back from cold and are remembered, so that they are not archived again at once.
        remembered: u32 = 100_000_u32,
        /// Keys whose last use is remembered, where `idle` is set: about 50 bytes each.
        known_uses: u32 = 1_000_000_u32,
    }
    tables {
        /// The store that takes every write: taken out before, since what it may hold depends on its kind.
        hot: Setting<toml::Table>,
        /// The store that takes what is archived; the same holds for it.
        cold: Setting<toml::Table>,
    }
}

choice! {
    /// What a read of an archived record does besides answering.
    enum Promotion = "`on-read`, `on-demand`" {
        OnRead = "on-read",
        OnDemand = "on-demand",
    }
}

/// The names of the two tables, and of the stores in everything that is said of them.
pub(crate) const TIERS: [&str; 2] = [HOT, COLD];
const HOT: &str = "hot";
const COLD: &str = "cold";

/// A hot and a cold store with their settings, and when records go from one to the other.
#[derive(Debug, Clone)]
pub(crate) struct Tiered {
    pub(crate) own: Sited<TieredSection>,
    pub(crate) hot: Backend,
    pub(crate) cold: Backend,
}

impl Tiered {
    /// The two with their names.
    pub(crate) fn tiers(&self) -> [(&'static str, &Backend); 2] {
        [(HOT, &self.hot), (COLD, &self.cold)]
    }
}

/// Says that there is no third tier.
pub(crate) fn nested(at: &str) -> ConfigError {
    let what = "a tiered store is no tier of another: write a store of another kind";
    ConfigError::new(format!("{at}.kind"), what)
}

/// Finds what cannot work, before anything is opened.
pub(super) fn check(tiered: &Tiered) -> Result<(), ConfigError> {
    let Tiered { own, .. } = tiered;
    let section = &own.section;
    if section.age.is_none() && section.idle.is_none() {
        return Err(own.wrong(
            "age",
            "neither age nor idle is set, so that nothing would ever be archived: set one of them, or both",
        ));
    }
    for (name, number) in [
        ("batch_records", &section.batch_records),
        ("remembered", &section.remembered),
        ("known_uses", &section.known_uses),
    ] {
        own.at_least_one(name, number)?;
    }
    if let Some(size) = &section.batch_bytes
        && size.get_ref().0 == 0
    {
        return Err(own.wrong("batch_bytes", "it must be at least 1 byte"));
    }
    check_pair(tiered)?;
    tiered
        .tiers()
        .into_iter()
        .try_for_each(|(name, tier)| tier.check(&own.inner(name)))
}

/// Refuses stores that cannot be what they are to be, or not together.
fn check_pair(tiered: &Tiered) -> Result<(), ConfigError> {
    let Tiered { own, hot, cold } = tiered;
    let wrong = |tier: &str, setting: &str, what: String| Err(own.wrong(&format!("{tier}.{setting}"), what));
    if matches!(hot.kind(), DataStoreKind::Null | DataStoreKind::Object) {
        let what = format!(
            "{:?} cannot be the hot store, which keeps a mark of each record that is archived: take \"embedded\" or \"postgres\"",
            hot.kind().name()
        );
        return wrong(HOT, "kind", what);
    }
    if cold.kind() == DataStoreKind::Null {
        let what = "\"null\" keeps nothing: archived records would be lost; take \"embedded\", \"postgres\" or \"object\"";
        return wrong(COLD, "kind", what.to_owned());
    }
    let lasts = |tier: &Backend| tier.kind() != DataStoreKind::Memory;
    if lasts(hot) != lasts(cold) {
        let tier = if lasts(hot) { COLD } else { HOT };
        let what = "\"memory\" ends with the process and the other store does not, which would lose what is archived: \
                    take \"memory\" for both or for none";
        return wrong(tier, "kind", what.to_owned());
    }
    match (hot, cold) {
        (Backend::Embedded(hot), Backend::Embedded(cold)) if hot == cold => wrong(
            COLD,
            "path",
            "it is the directory of the hot store: name another".to_owned(),
        ),
        (Backend::Postgres(hot), Backend::Postgres(cold)) if postgres::is_same_place(hot, cold) => wrong(
            COLD,
            "schema",
            "it is the schema of the hot store: name another".to_owned(),
        ),
        _ => Ok(()),
    }
}

#[cfg(feature = "tiered")]
pub(super) async fn open(tiered: &Tiered, context: &Context) -> Result<OpenDataStore, Error> {
    let hot = open_tier(tiered, HOT, &tiered.hot, context).await?;
    let cold = match open_tier(tiered, COLD, &tiered.cold, context).await {
        Ok(cold) => cold,
        Err(error) => {
            let _ = hot.close(CLOSE_DEADLINE).await;
            return Err(error);
        }
    };
    join(tiered, (&hot, &cold), context)
}

#[cfg(not(feature = "tiered"))]
pub(super) async fn open(_: &Tiered, context: &Context) -> Result<OpenDataStore, Error> {
    Err(DataStoreKind::Tiered.not_here(&context.at).into())
}

/// How long closing a store may take that was opened in vain: nothing was written to it.
#[cfg(feature = "tiered")]
const CLOSE_DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);

#[cfg(feature = "tiered")]
async fn open_tier(
    tiered: &Tiered,
    name: &'static str,
    tier: &Backend,
    context: &Context,
) -> Result<OpenDataStore, Error> {
    use layerstore_data_store::StoreError;
    let context = Context {
        at: tiered.own.inner(name),
        clock: std::sync::Arc::clone(&context.clock),
    };
    tier.open_plain(&context).await.map_err(|error| match error {
        Error::Store(error) => {
            let what = format!("the {name} store does not open");
            Error::Store(StoreError::new(error.kind(), "tiered", "open", what).because(error))
        }
        other => other,
    })
}

/// Makes one store of two.
#[cfg(feature = "tiered")]
fn join(
    tiered: &Tiered,
    (hot, cold): (&OpenDataStore, &OpenDataStore),
    context: &Context,
) -> Result<OpenDataStore, Error> {
    use std::sync::Arc;

    use super::archiving::Archiving;
    let section = &tiered.own.section;
    let store = layerstore_tiered::TieredDataStore::new(
        Arc::clone(hot.store()),
        Arc::clone(cold.store()),
        options(section).clock(Arc::clone(&context.clock)),
    )?;
    let archiving = Archiving::new(Arc::new(store), policy(section), Arc::clone(&context.clock));
    let archiving = archiving.pause(section.pause.as_ref().map(|pause| pause.get_ref().0));
    let archiving = match &section.idle {
        Some(_) => archiving.watch(given(&section.known_uses, DEFAULT_KNOWN_USES)),
        None => archiving,
    };
    let promotion = section.promotion.as_ref();
    let promotion = promotion.map_or(Promotion::OnRead, |promotion| *promotion.get_ref());
    Ok(
        OpenDataStore::tiered(archiving, [(HOT, hot.clone()), (COLD, cold.clone())])
            .with_fact("archived", conditions(section))
            .with_fact("promotion", promotion.to_string()),
    )
}

/// How many keys' last use is remembered by default: some tens of megabytes where that many are in use.
#[cfg(feature = "tiered")]
const DEFAULT_KNOWN_USES: usize = 1_000_000;

#[cfg(feature = "tiered")]
fn given(setting: &Setting<u32>, default: usize) -> usize {
    setting.as_ref().map_or(default, |number| {
        usize::try_from(*number.get_ref()).unwrap_or(usize::MAX)
    })
}

/// Says when records go.
#[cfg(feature = "tiered")]
fn conditions(section: &TieredSection) -> String {
    let age = section
        .age
        .as_ref()
        .map(|age| format!("{} after the last write", age.get_ref()));
    let idle = section
        .idle
        .as_ref()
        .map(|idle| format!("after {} without use", idle.get_ref()));
    let conditions: Vec<String> = age.into_iter().chain(idle).collect();
    conditions.join(", or ")
}

/// Hands on what is set; the rest is as the crate has it.
#[cfg(feature = "tiered")]
fn options(section: &TieredSection) -> layerstore_tiered::TieredOptions {
    let mut options = layerstore_tiered::TieredOptions::default();
    if let Some(promotion) = &section.promotion {
        options = options.promotion(match promotion.get_ref() {
            Promotion::OnRead => layerstore_tiered::Promotion::OnRead,
            Promotion::OnDemand => layerstore_tiered::Promotion::OnDemand,
        });
    }
    options.remembered(given(&section.remembered, layerstore_tiered::DEFAULT_REMEMBERED))
}

/// Hands on what is set; who knows of uses comes later.
#[cfg(feature = "tiered")]
fn policy(section: &TieredSection) -> layerstore_tiered::ArchivePolicyBuilder {
    let mut policy = layerstore_tiered::ArchivePolicy::builder();
    if let Some(age) = &section.age {
        policy = policy.age(age.get_ref().0);
    }
    if let Some(idle) = &section.idle {
        policy = policy.idle(idle.get_ref().0);
    }
    if let Some(size) = &section.batch_bytes {
        policy = policy.batch_bytes(usize::try_from(size.get_ref().0).unwrap_or(usize::MAX));
    }
    policy.batch_records(given(
        &section.batch_records,
        layerstore_tiered::DEFAULT_BATCH_RECORDS,
    ))
}

#[cfg(all(test, feature = "tiered"))]
mod tests {
    use layerstore_tiered as tiered;

    use super::{DEFAULT_KNOWN_USES, TieredSection};
    use crate::config::section::Section;

    #[test]
    fn the_defaults_that_are_documented_are_those_of_the_store() {
        let defaults = TieredSection::described();
        let default = |name: &str| {
            let setting = defaults.iter().find(|setting| setting.name == name);
            setting.map(|setting| setting.default.clone()).unwrap_or_default()
        };
        let pause = humantime::format_duration(tiered::DEFAULT_PAUSE).to_string();
        assert_eq!(default("pause"), pause);
        assert_eq!(
            default("batch_records"),
            tiered::DEFAULT_BATCH_RECORDS.to_string()
        );
        let bytes = crate::config::Size(tiered::DEFAULT_BATCH_BYTES as u64);
        assert_eq!(default("batch_bytes"), bytes.to_string());
        assert_eq!(default("remembered"), tiered::DEFAULT_REMEMBERED.to_string());
        assert_eq!(default("known_uses"), DEFAULT_KNOWN_USES.to_string());
        assert_eq!(tiered::Promotion::default(), tiered::Promotion::OnRead);
        assert_eq!(default("promotion"), "on-read");
    }
}
