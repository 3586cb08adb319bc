//! `kind = "object"` with `layout = "packed"`: many records an object, by SlateDB.

use std::sync::Arc;

use layerstore_slatedb::{SlateDataStore, SlateOptions};

use super::object::{Layout, ObjectSection, found, shared};
use super::{Context, OpenDataStore};
use crate::error::Error;

pub(super) async fn open(
    section: &ObjectSection,
    (service, options): (String, Vec<(String, String)>),
    context: &Context,
) -> Result<OpenDataStore, Error> {
    let configured = configured(section).clock(Arc::clone(&context.clock));
    let store = Arc::new(SlateDataStore::open(&service, options, configured).await?);
    let before = Arc::clone(&store) as Arc<dyn layerstore_data_store::MapDataStore>;
    let guarded = super::guarded::guarded(before, Arc::clone(&context.clock));
    let opened = OpenDataStore::packed(Arc::clone(&store), guarded);
    Ok(found(opened, Layout::Packed, store.report()))
}

/// Hands on what is set; the rest is as the crate has it.
fn configured(section: &ObjectSection) -> SlateOptions {
    let mut options = SlateOptions::default().requests(shared(section));
    if let Some(deadline) = &section.deadline {
        options = options.deadline(deadline.get_ref().0);
    }
    if let Some(interval) = &section.poll_interval {
        options = options.poll_interval(interval.get_ref().0);
    }
    if let Some(size) = &section.cache_bytes {
        options = options.cache_bytes(size.get_ref().get().map_or(0, |size| size.0));
    }
    if let Some(size) = &section.table_bytes {
        options = options.table_bytes(usize::try_from(size.get_ref().0).unwrap_or(usize::MAX));
    }
    options
}

#[cfg(test)]
mod tests {
    use layerstore_slatedb as packed;

    use super::*;
    use crate::config::Size;
    use crate::config::section::Section;
    use crate::config::setting::{OrNone, given};

    #[test]
    fn the_defaults_that_are_documented_are_those_of_the_store() {
        let defaults = ObjectSection::described();
        let default = |name: &str| {
            let setting = defaults.iter().find(|setting| setting.name == name);
            setting.map(|setting| setting.default.clone()).unwrap_or_default()
        };
        let span = |span: std::time::Duration| humantime::format_duration(span).to_string();
        assert_eq!(default("deadline"), span(packed::DEFAULT_DEADLINE));
        assert_eq!(default("poll_interval"), span(packed::DEFAULT_POLL_INTERVAL));
        let size = |bytes: u64| Size(bytes).to_string();
        assert_eq!(default("cache_bytes"), size(packed::DEFAULT_CACHE_BYTES));
        assert_eq!(default("table_bytes"), size(packed::DEFAULT_TABLE_BYTES as u64));
    }

    #[test]
    fn no_cache_is_a_cache_of_no_bytes() {
        let with = |cache: OrNone<Size>| {
            let section = ObjectSection {
                cache_bytes: given(cache),
                ..ObjectSection::default()
            };
            configured(&section).cache_bytes
        };
        assert_eq!(with(OrNone::None), 0);
        assert_eq!(with(OrNone::Some(Size(1 << 20))), 1 << 20);
    }
}
