//! What `[data_store]` of a tiered store, and the tables in it, may say.

use std::path::Path;

use super::{config, refused};
use crate::backend::Backend;

/// A tiered store with these settings of its own, of hot and of cold.
fn tiered(own: &str, hot: &str, cold: &str) -> String {
    format!(
        "format = 1\n[data_store]\nkind = \"tiered\"\n{own}\n[data_store.hot]\n{hot}\n[data_store.cold]\n{cold}\n"
    )
}

#[test]
fn the_two_stores_of_a_tiered_one_have_kinds_and_settings_of_their_own() {
    let text = tiered(
        "age = \"30days\"\npromotion = \"on-demand\"\nbatch_records = 7",
        "kind = \"postgres\"\nurl = { file = \"secret/url\" }",
        "path = \"cold\"",
    );
    let config = config(&text);
    let Backend::Tiered(tiered) = &config.backend else {
        panic!("{:?}", config.backend)
    };
    let Backend::Postgres(hot) = &tiered.hot else {
        panic!("{:?}", tiered.hot)
    };
    assert_eq!(
        (hot.at.as_str(), hot.directory.as_path()),
        ("data_store.hot", Path::new("etc"))
    );
    let Backend::Embedded(cold) = &tiered.cold else {
        panic!("{:?}", tiered.cold)
    };
    assert_eq!(cold.directory, Path::new("etc/cold"));
    assert_eq!(config.backend.directories(), [Path::new("etc/cold")]);
    let batch = tiered.own.section.batch_records.as_ref();
    assert_eq!(batch.map(|batch| *batch.get_ref()), Some(7));
}

#[test]
fn f4_what_is_wrong_with_a_tier_is_named_by_its_table_and_key() {
    let cases = [
        (
            tiered("age = \"1h\"", "path = \"\"", ""),
            "layerstore.toml:6:8: data_store.hot.path: it is empty",
        ),
        (
            tiered("age = \"1h\"", "", "kind = \"object\"\nservice = \"ftp\""),
            "layerstore.toml:9:11: data_store.cold.service: write one of",
        ),
        (
            tiered("age = \"1h\"", "", "url = \"postgres://u:hunter2@h\""),
            "layerstore.toml:8:7: data_store.cold.url: it goes with kind = \"postgres\"",
        ),
        (
            tiered("age = \"1h\"", "kind = \"postgres\"\nurl = [\"hunter2\"]", ""),
            "layerstore.toml:7:7: data_store.hot.url: write a text",
        ),
        (
            tiered("age = \"1h\"", "kind = \"tiered\"", ""),
            "layerstore.toml:6:8: data_store.hot.kind: a tiered store is no tier of another",
        ),
        (
            tiered("age = \"1h\"", "", "kind = \"tiered\""),
            "layerstore.toml:8:8: data_store.cold.kind: a tiered store is no tier of another",
        ),
        (
            tiered("promotion = \"never\"", "", ""),
            "layerstore.toml:4:13: data_store.promotion: write one of",
        ),
        (
            tiered("path = \"x\"", "", ""),
            "layerstore.toml:4:8: data_store.path: it goes with kind = \"embedded\"",
        ),
        (
            "format = 1\n[data_store]\nkind = \"tiered\"\nage = \"1h\"\n[data_store.hot]\n".to_owned(),
            "layerstore.toml: data_store.cold: it is missing: write a table [data_store.cold]",
        ),
        (
            "format = 1\n[data_store]\nkind = \"tiered\"\nage = \"1h\"\nhot = \"hunter2\"\n".to_owned(),
            "layerstore.toml:5:7: data_store.hot: it is a table",
        ),
        (
            "format = 1\n[data_store]\nage = \"1h\"\n".to_owned(),
            "layerstore.toml:3:7: data_store.age: it goes with kind = \"tiered\", and kind is \"embedded\"",
        ),
        (
            "format = 1\n[data_store.hot]\npath = \"x\"\n".to_owned(),
            "layerstore.toml:2:1: data_store.hot: it goes with kind = \"tiered\"",
        ),
    ];
    for (text, begins) in cases {
        let error = refused(&text);
        assert!(error.starts_with(begins), "{text:?} gave {error:?}");
        assert!(!error.contains("hunter2") && !error.contains('\n'), "{error}");
    }
}

#[test]
fn f4_tiers_that_cannot_be_are_refused_before_they_are_opened() {
    let plain = "path = \"cold\"";
    let cases = [
        (
            tiered("", "", plain),
            "data_store.age: neither age nor idle is set",
        ),
        (
            tiered("age = \"1h\"\nbatch_records = 0", "", plain),
            "layerstore.toml:5:17: data_store.batch_records: it must be",
        ),
        (
            tiered("age = \"1h\"\nbatch_bytes = \"0B\"", "", plain),
            "data_store.batch_bytes: it must be",
        ),
        (
            tiered("idle = \"1h\"\nknown_uses = 0", "", plain),
            "data_store.known_uses: it must be",
        ),
        (
            tiered("age = \"1h\"\nremembered = 0", "", plain),
            "data_store.remembered: it must be",
        ),
        (
            tiered("age = \"1h\"", "kind = \"object\"\nservice = \"fs\"", plain),
            "layerstore.toml:6:8: data_store.hot.kind: \"object\" cannot be the hot store",
        ),
        (
            tiered("age = \"1h\"", "kind = \"null\"", plain),
            "data_store.hot.kind: \"null\" cannot be the hot store",
        ),
        (
            tiered("age = \"1h\"", "", "kind = \"null\""),
            "layerstore.toml:8:8: data_store.cold.kind: \"null\" keeps nothing",
        ),
        (
            tiered("age = \"1h\"", "", "kind = \"memory\""),
            "data_store.cold.kind: \"memory\" ends with the process",
        ),
        (
            tiered("age = \"1h\"", "kind = \"memory\"", plain),
            "data_store.hot.kind: \"memory\" ends with the process",
        ),
        (
            tiered("age = \"1h\"", "path = \"x\"", "path = \"x\""),
            "layerstore.toml:8:8: data_store.cold.path: it is the directory of the hot store",
        ),
        (
            tiered("age = \"1h\"", "", ""),
            "data_store.cold.path: it is the directory of the hot store",
        ),
    ];
    let is_embedded_here = cfg!(feature = "embedded");
    for (text, said) in cases.iter().filter(|_| is_embedded_here) {
        let parsed = config(text);
        let error = parsed.backend.check("data_store").unwrap_err();
        let error = parsed.origin.locate(error).to_string();
        let said = said.trim_start_matches("layerstore.toml");
        assert!(error.contains(said), "{text:?} gave {error:?}");
    }
    let same = "kind = \"postgres\"\nurl = { env = \"DB\" }";
    let other = "kind = \"postgres\"\nurl = { env = \"DB\" }\nschema = \"archive\"";
    for (cold, is_fine) in [(same, false), (other, true)] {
        let parsed = config(&tiered("age = \"1h\"", same, cold));
        let checked = parsed.backend.check("data_store");
        if cfg!(feature = "postgres") {
            assert_eq!(checked.is_ok(), is_fine, "{checked:?}");
        } else {
            let error = checked.unwrap_err();
            assert!(
                error.to_string().contains("schema") || error.key() == "data_store.hot.kind",
                "{error}"
            );
        }
    }
}
