#[cfg(feature = "tiered")]
mod tiered;
mod write_behind;

use std::path::Path;
use std::time::Duration;

use layerstore_record::{Cost, NodeId};
use layerstore_record_store::Period;

use super::file::read;
use super::*;
use crate::backend::Backend;
use crate::settings::{Eviction, MemoryLimit, OnExpiry};

fn config(text: &str) -> ConfigFile {
    read(Path::new("etc/layerstore.toml"), text).unwrap()
}

fn refused(text: &str) -> String {
    read(Path::new("layerstore.toml"), text).unwrap_err().to_string()
}

#[test]
fn everything_that_is_set_is_read() {
    let config = config(
        r#"
        format = 1
        node_id = "00ff"
        [data_store]
        kind = "embedded"
        path = "data"
        [memory]
        max_cost = "64KiB"
        [maintenance]
        sweep_interval = "2s"
        purge_interval = "1h"
        tombstone_horizon = "7days"
        [map.default]
        ttl = "1h"
        max_cost = "1GiB"
        eviction = "lru"
        [map.users]
        ttl = "none"
        max_idle = "30m"
        max_count = 7
        expiry = "memory-only"
        partitions = 4
        put_deadline = "1s"
        store_deadline = "2s"
        load_deadline = "3s"
        absent_ttl = "none"
        "#,
    );
    assert_eq!(config.node, Some(NodeId(255)));
    let Backend::Embedded(below) = &config.backend else {
        panic!("{:?}", config.backend)
    };
    assert_eq!(below.directory, Path::new("etc/data"));
    assert_eq!(config.shared, MemoryLimit::Cost(Cost(65_536)));
    assert_eq!(config.sweep_interval, Some(Duration::from_secs(2)));
    assert_eq!(config.purge_interval, Some(Duration::from_secs(3_600)));
    assert_eq!(config.tombstone_horizon, Some(Duration::from_secs(7 * 86_400)));
    assert_eq!(config.defaults.ttl, Period::Of(Duration::from_secs(3_600)));
    assert_eq!(config.defaults.memory, MemoryLimit::Cost(Cost(1 << 30)));
    assert!(matches!(config.defaults.eviction, Some(Eviction::Lru)));
    let users = &config.maps["users"];
    assert_eq!(users.ttl, Period::Unlimited);
    assert_eq!(users.max_idle, Period::Of(Duration::from_secs(1_800)));
    assert_eq!(users.memory, MemoryLimit::Count(7));
    assert_eq!(users.expiry, Some(OnExpiry::MemoryOnly));
    assert_eq!(users.partitions, Some(4));
    assert_eq!(users.put_deadline, Some(Duration::from_secs(1)));
    assert_eq!(users.store_deadline, Some(Duration::from_secs(2)));
    assert_eq!(users.load_deadline, Some(Duration::from_secs(3)));
    assert_eq!(users.absent_ttl, Some(Duration::ZERO));
}

#[test]
fn f4_an_error_names_file_line_column_and_key() {
    let cases = [
        (
            "format = 1\n[map.users]\nttl = \"soon\"\n",
            "layerstore.toml:3:7: map.users.ttl: not a duration",
        ),
        (
            "format = 1\n[map.users]\nttl = \"0s\"\n",
            "layerstore.toml:3:7: map.users.ttl: a duration is at least 1 ms",
        ),
        (
            "format = 1\n[map.users]\ntll = \"1h\"\n",
            "layerstore.toml:3:1: map.users.tll: unknown field `tll`, expected one of",
        ),
        (
            "format = 1\n[memory]\nmax_cost = 5\n",
            "layerstore.toml:3:12: memory.max_cost: write a size in quotes",
        ),
        (
            "format = 1\n[maps.users]\n",
            "layerstore.toml:2:2: maps: unknown field `maps`",
        ),
        (
            "format = 1\n[map.default]\neviction = \"best\"\n",
            "layerstore.toml:3:12: map.default.eviction: write one of",
        ),
        (
            "format = 1\n[map.a]\npartitions = -1\n",
            "layerstore.toml:3:14: map.a.partitions: ",
        ),
        (
            "format = 1\n[map.a]\nmax_count = true\n",
            "layerstore.toml:3:13: map.a.max_count: write a whole number",
        ),
        (
            "format = 2\n",
            "layerstore.toml:1:10: format: format 2 is not known to this version, which reads format 1",
        ),
        (
            "[memory]\n",
            "layerstore.toml: format: it is missing: begin the file with `format = 1`",
        ),
        (
            "format = 1\nnode_id = \"xyz\"\n",
            "layerstore.toml:2:11: node_id: write 1 to 16 hexadecimal digits",
        ),
        (
            "format = 1\n[map.\"\"]\nttl = \"1h\"\n",
            "layerstore.toml: map.: a map name has 1 to 128 bytes",
        ),
        ("format = \n", "layerstore.toml:1:10: "),
    ];
    for (text, begins) in cases {
        let error = refused(text);
        assert!(error.starts_with(begins), "{text:?} gave {error:?}");
        assert!(!error.contains('\n'), "{error:?}");
    }
}

#[test]
fn f4_settings_that_contradict_each_other_are_refused() {
    let cases = [
        (
            "format = 1\n[map.a]\nmax_count = 1\nmax_cost = \"1GiB\"\n",
            "layerstore.toml:4:12: map.a.max_cost: max_count and max_cost contradict",
        ),
        (
            "format = 1\n[memory]\nmax_cost = \"1GiB\"\nmax_count = 1\n",
            "layerstore.toml:3:12: memory.max_cost: max_count and max_cost contradict",
        ),
        (
            "format = 1\n[data_store]\nkind = \"null\"\npath = \"x\"\n",
            "layerstore.toml:4:8: data_store.path: it goes with kind = \"embedded\"",
        ),
        (
            "format = 1\n[data_store]\npath = \"\"\n",
            "layerstore.toml:3:8: data_store.path: it is empty",
        ),
    ];
    for (text, begins) in cases {
        let error = refused(text);
        assert!(error.starts_with(begins), "{text:?} gave {error:?}");
    }
}

#[test]
fn a_backend_that_is_not_here_is_refused_by_the_name_of_its_feature() {
    let cases = [
        (
            "postgres",
            "kind = \"postgres\"\nurl = { env = \"DB\" }",
            cfg!(feature = "postgres"),
            "data_store.kind",
        ),
        (
            "s3",
            "kind = \"object\"\nservice = \"s3\"",
            cfg!(feature = "s3"),
            "data_store.service",
        ),
        (
            "fs",
            "kind = \"object\"\nservice = \"fs\"",
            cfg!(feature = "fs"),
            "data_store.service",
        ),
        (
            "gcs",
            "kind = \"object\"\nservice = \"gcs\"",
            cfg!(feature = "gcs"),
            "data_store.service",
        ),
        (
            "azblob",
            "kind = \"object\"\nservice = \"azblob\"",
            cfg!(feature = "azblob"),
            "data_store.service",
        ),
    ];
    for (feature, text, is_here, key) in cases {
        let parsed = config(&format!("format = 1\n[data_store]\n{text}\n"));
        let checked = parsed
            .backend
            .check("data_store")
            .map_err(|error| parsed.origin.locate(error));
        if is_here {
            assert_eq!(checked, Ok(()), "{feature}");
            continue;
        }
        let error = checked.unwrap_err().to_string();
        assert!(
            error.starts_with("etc/layerstore.toml:") && error.contains(key),
            "{error}"
        );
        assert!(error.contains(&format!("`--features {feature}`")), "{error}");
    }
    if cfg!(feature = "fs") && !cfg!(feature = "slatedb") {
        let text = "format = 1\n[data_store]\nkind = \"object\"\nservice = \"fs\"\nlayout = \"packed\"\n";
        let parsed = config(text);
        let error = parsed.backend.check("data_store").unwrap_err();
        let error = parsed.origin.locate(error).to_string();
        assert!(
            error.starts_with("etc/layerstore.toml:5:10: data_store.layout: ")
                && error.contains("`--features slatedb`"),
            "{error}"
        );
    }
    if !cfg!(feature = "tiered") {
        let parsed = config("format = 1\n[data_store]\nkind = \"tiered\"\nage = \"1h\"\n");
        let error = parsed.backend.check("data_store").unwrap_err();
        let error = parsed.origin.locate(error).to_string();
        assert!(
            error.starts_with("etc/layerstore.toml:3:8: data_store.kind: ")
                && error.contains("`--features tiered`"),
            "{error}"
        );
    }
    if !cfg!(feature = "write-behind") {
        let parsed = config("format = 1\n[write_behind]\ndelay = \"1s\"\n");
        let checked = parsed.write_behind.unwrap().check(Some(&parsed.backend));
        let error = parsed.origin.locate(checked.unwrap_err()).to_string();
        assert!(
            error.starts_with("etc/layerstore.toml:2:1: write_behind: ")
                && error.contains("`--features write-behind`"),
            "{error}"
        );
    }
}

#[test]
fn a_wrong_value_is_not_shown() {
    let error = refused("format = 1\n[map.a]\nttl = \"hunter2\"\n");
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn config_page_is_what_the_types_say() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/config.md");
    let page = config_page();
    if std::env::var_os("LAYERSTORE_BLESS").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == page,
        "docs/config.md is old: LAYERSTORE_BLESS=1 cargo test -p layerstore config_page"
    );
}

#[test]
fn the_pages_examples_are_configurations() {
    let page = config_page();
    let examples: Vec<_> = page
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert_eq!(examples.len(), 6);
    for example in &examples {
        config(example);
    }
    assert_eq!(config(examples[0]).maps.len(), 1);
}

#[test]
fn an_error_is_one_line_whatever_the_names_in_the_file() {
    let text = refused("format = 1\n[map.\"a\\nb\"]\neviction = \"fifo\"\n");
    assert!(
        text.contains("map.a\\nb.eviction") && !text.contains('\n'),
        "{text}"
    );
}

#[test]
fn f4_the_settings_of_each_kind_are_read_and_what_is_wrong_is_named_by_its_place() {
    let postgres = config(
        "format = 1\n[data_store]\nkind = \"postgres\"\nurl = { file = \"secret/url\" }\nvalue_format = \"jsonb\"\npool_size = 3\n\
         statement_timeout = \"5s\"\nbatch_bytes = \"1MiB\"\ntls = \"verify-full\"\n",
    );
    let Backend::Postgres(sited) = &postgres.backend else {
        panic!("{:?}", postgres.backend)
    };
    assert_eq!(sited.directory, Path::new("etc"));
    assert_eq!(
        sited.section.pool_size.as_ref().map(|size| *size.get_ref()),
        Some(3)
    );
    let object = config(
        "format = 1\n[data_store]\nkind = \"object\"\nservice = \"s3\"\n[data_store.options]\nbucket = \"b\"\n\
         secret_access_key = { env = \"KEY\" }\n",
    );
    let Backend::Object(sited) = &object.backend else {
        panic!("{:?}", object.backend)
    };
    assert_eq!(sited.section.options.len(), 2);
    let cases = [
        (
            "kind = \"postgres\"\nurl = 3\n",
            "layerstore.toml:4:7: data_store.url: write a text, { env",
        ),
        (
            "kind = \"postgres\"\nvalue_format = \"xml\"\n",
            "layerstore.toml:4:16: data_store.value_format: write one of",
        ),
        (
            "kind = \"postgres\"\nurls = \"x\"\n",
            "layerstore.toml:4:1: data_store.urls: unknown field",
        ),
        (
            "kind = \"postgres\"\nbucket = \"x\"\n",
            "layerstore.toml:4:1: data_store.bucket: unknown field",
        ),
        (
            "kind = \"embedded\"\npool_size = 1\n",
            "layerstore.toml:4:13: data_store.pool_size: it goes with kind = \"postgres\"",
        ),
        (
            "kind = \"object\"\nservice = \"ftp\"\n",
            "layerstore.toml:4:11: data_store.service: write one of",
        ),
        (
            "kind = \"object\"\nlayout = \"columns\"\n",
            "layerstore.toml:4:10: data_store.layout: write one of `objects`, `packed`",
        ),
        (
            "kind = \"object\"\noptions = 3\n",
            "layerstore.toml:4:11: data_store.options: ",
        ),
        (
            "kind = \"object\"\n[data_store.options]\nbucket = [\"hunter2\"]\n",
            "layerstore.toml:5:10: data_store.options.bucket: write a text",
        ),
        ("kind = \"mysql\"\n", "layerstore.toml:3:8: data_store.kind: "),
        (
            "kind = \"memory\"\nx = 1\n",
            "layerstore.toml:4:1: data_store.x: unknown field",
        ),
    ];
    for (text, begins) in cases {
        let error = refused(&format!("format = 1\n[data_store]\n{text}"));
        assert!(error.starts_with(begins), "{text:?} gave {error:?}");
        assert!(!error.contains("hunter2") && !error.contains('\n'), "{error}");
    }
    let error = refused("format = 1\ndata_store = \"postgres\"\n");
    assert!(
        error.starts_with("layerstore.toml:2:14: data_store: it is a table"),
        "{error}"
    );
}

#[test]
fn f4_what_a_store_cannot_be_opened_with_is_refused_before_it_is_tried() {
    let cases = [
        (
            "kind = \"postgres\"\n",
            cfg!(feature = "postgres"),
            "data_store.url: it is missing",
        ),
        (
            "kind = \"postgres\"\nurl = \"x\"\npool_size = 0\n",
            cfg!(feature = "postgres"),
            "layerstore.toml:5:13: data_store.pool_size: it must be",
        ),
        ("kind = \"object\"\n", true, "data_store.service: it is missing"),
        (
            "kind = \"object\"\nservice = \"fs\"\nattempts = 0\n",
            cfg!(feature = "fs"),
            "layerstore.toml:5:12: data_store.attempts: it must be",
        ),
    ];
    for (text, is_here, said) in cases {
        let parsed = config(&format!("format = 1\n[data_store]\n{text}"));
        let error = parsed.backend.check("data_store").unwrap_err();
        let error = parsed.origin.locate(error).to_string();
        assert!(!is_here || error.contains(said), "{text:?} gave {error:?}");
    }
}

#[cfg(all(feature = "fs", feature = "slatedb"))]
#[test]
fn f4_a_setting_of_one_layout_is_refused_with_the_other() {
    let checked = |settings: &str| {
        let text = format!("format = 1\n[data_store]\nkind = \"object\"\nservice = \"fs\"\n{settings}\n");
        let parsed = config(&text);
        let checked = parsed.backend.check("data_store");
        checked.map_err(|error| parsed.origin.locate(error).to_string())
    };
    let one_layout = [
        ("attempts = 3", "objects", "packed"),
        ("backoff = \"1s\"", "objects", "packed"),
        ("group_records = 10", "objects", "packed"),
        ("known_keys = 0", "objects", "packed"),
        ("deadline = \"10s\"", "packed", "objects"),
        ("poll_interval = \"1s\"", "packed", "objects"),
        ("cache_bytes = \"none\"", "packed", "objects"),
        ("table_bytes = \"1MiB\"", "packed", "objects"),
    ];
    for (setting, own, other) in one_layout {
        let name = setting.split(' ').next().unwrap_or_default();
        assert_eq!(checked(&format!("{setting}\nlayout = {own:?}")), Ok(()));
        let error = checked(&format!("{setting}\nlayout = {other:?}")).unwrap_err();
        let place = format!("etc/layerstore.toml:5:{}: data_store.{name}: ", name.len() + 4);
        let what = format!("it goes with layout = {own:?}, and layout is {other:?}");
        assert!(error.starts_with(&place) && error.contains(&what), "{error}");
        let unsaid = checked(setting);
        assert_eq!(unsaid.is_ok(), own == "objects", "{setting}");
    }
    for both in [
        "single_writer = true",
        "attempt_timeout = \"5s\"",
        "concurrency = 8",
    ] {
        for layout in ["objects", "packed"] {
            assert_eq!(checked(&format!("{both}\nlayout = {layout:?}")), Ok(()));
        }
    }
    for (less, least) in [
        ("poll_interval = \"9ms\"", "10ms"),
        ("table_bytes = \"1KiB\"", "64KiB"),
    ] {
        let error = checked(&format!("{less}\nlayout = \"packed\"")).unwrap_err();
        assert!(error.contains(&format!("it must be at least {least}")), "{error}");
    }
}

#[test]
fn the_configurations_on_the_page_of_object_stores_are_such() {
    let page = include_str!("../../../../docs/object-stores.md");
    let snippets: Vec<_> = page
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(!snippets.is_empty());
    for snippet in snippets {
        assert!(matches!(config(snippet).backend, Backend::Object(_)), "{snippet}");
    }
}
