//! A hot and a cold store as one, from a configuration: what the commands show of it and do to it.

use layerstore::Builder;

use crate::shop::{PATIENCE, Shop, lines};

/// How many records are archived.
const COUNT: u64 = 300;

/// Writes a configuration of two tiers whose records are due at once.
fn configure(shop: &Shop) {
    let root = shop.path("cold").display().to_string();
    let text = format!(
        "format = 1\n[data_store]\nkind = \"tiered\"\nage = \"1ms\"\npause = \"1ms\"\n\
         [data_store.hot]\npath = \"hot\"\n\
         [data_store.cold]\nkind = \"object\"\nservice = \"fs\"\noptions = {{ root = {root:?} }}\n"
    );
    shop.write("tiered.toml", text);
}

/// Serves the store until everything in it is archived: no command does that.
fn archive(shop: &Shop) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let builder = Builder::from_file(shop.path("tiered.toml")).await.unwrap();
        let store = builder.build().await.unwrap();
        // Whoever writes to a map archives it.
        store
            .map::<u64>("m")
            .unwrap()
            .set("k00000000x", &0)
            .await
            .unwrap();
        let archived = async {
            let report = || store.open_data_store().archiver_report();
            while report().is_none_or(|report| report.archived <= COUNT) {
                tokio::task::yield_now().await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, archived).await.is_ok());
        store.map::<u64>("m").unwrap().remove("k00000000x").await.unwrap();
        let closed = store.close(PATIENCE).await;
        assert!(closed.is_complete() && closed.archiver.unwrap().failed == 0);
    });
}

/// A shop with such a store, and its records.
fn stocked() -> (Shop, String) {
    let shop = Shop::new();
    configure(&shop);
    let whole = lines(0, COUNT);
    shop.write("in.jsonl", &whole);
    shop.done(&["--config", "tiered.toml", "import", "in.jsonl", "--map", "m"]);
    archive(&shop);
    (shop, whole)
}

fn tiered(shop: &Shop, args: &[&str]) -> String {
    shop.done(&[&["--config", "tiered.toml"], args].concat())
}

#[test]
fn what_is_archived_is_read_written_removed_and_exported_like_anything_else() {
    let (shop, whole) = stocked();
    assert_eq!(tiered(&shop, &["export", "--map", "m"]), whole);
    assert!(tiered(&shop, &["get", "--map", "m", "k00000007"]).contains("\"n\":7"));
    let scanned = tiered(
        &shop,
        &["scan", "--map", "m", "--prefix", "k0000001", "--limit", "3"],
    );
    assert_eq!(scanned.lines().count(), 3, "{scanned}");
    tiered(&shop, &["rm", "--map", "m", "k00000007"]);
    tiered(
        &shop,
        &[
            "put",
            "--map",
            "m",
            "k00000008",
            "{\"id\":\"k00000008\",\"n\":-1}",
        ],
    );
    let changed = whole
        .lines()
        .filter(|line| !line.contains("k00000007"))
        .map(|line| format!("{line}\n"))
        .collect::<String>()
        .replace("\"n\":8}", "\"n\":-1}");
    assert_eq!(tiered(&shop, &["export", "--map", "m"]), changed);
    assert!(tiered(&shop, &["stat"]).starts_with("m\t299 records\t"));
}

#[test]
fn check_and_verify_show_both_tiers() {
    let (shop, _) = stocked();
    let said = tiered(&shop, &["check"]);
    for part in [
        "data store: tiered, as tiered.toml says\n",
        "\n  archived: 1ms after the last write\n",
        "\n  promotion: on-read\n",
        "\n  hot: embedded\n    directory: ",
        "\n    service: fs\n",
        "ok: the store opens",
    ] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    let said = tiered(&shop, &["--json", "check"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["tiers"]["cold"]["found"]["service"], "fs");
    assert_eq!(said["tiers"]["hot"]["data_store"], "embedded");
    let said = tiered(&shop, &["verify"]);
    for part in [
        "m: 300 records, 0 expired, 1 tombstones, 0 corrupt\n",
        "\nhot: m: 300 records",
        "\ncold: m: ",
        "\nall 300 records are sound",
    ] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    let said = tiered(&shop, &["--json", "verify"]);
    let tiers = said.lines().map(|line| {
        let report: serde_json::Value = serde_json::from_str(line).unwrap();
        report["tier"].as_str().map(str::to_owned)
    });
    assert_eq!(
        tiers.collect::<Vec<_>>(),
        [None, Some("hot".to_owned()), Some("cold".to_owned())]
    );
}

#[test]
fn a_copy_reads_both_tiers_and_writes_to_hot() {
    let (shop, whole) = stocked();
    let said = shop.done(&["copy", "--from", "tiered.toml", "--to", "embedded:plain"]);
    assert!(said.contains("map m: 301 written, 0 there already"), "{said}");
    assert_eq!(shop.done(&["--data", "plain", "export", "--map", "m"]), whole);
    for name in ["hot", "cold"] {
        std::fs::remove_dir_all(shop.path(name)).unwrap();
    }
    let ran = shop.run(&["copy", "--from", "tiered.toml", "--to", "embedded:other"]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(
        ran.err.contains("--from: there is no store in ") && ran.err.contains("hot"),
        "{ran:?}"
    );
    shop.done(&["copy", "--from", "embedded:plain", "--to", "tiered.toml"]);
    assert_eq!(tiered(&shop, &["export", "--map", "m"]), whole);
    let ran = shop.run(&["copy", "--from", "tiered.toml", "--to", "embedded:hot"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("the same store"), "{ran:?}");
}

#[test]
fn a_tier_that_cannot_be_opened_is_named_by_its_table_and_no_secret_is_shown() {
    let shop = Shop::new();
    let config = |cold: &str| {
        format!(
            "format = 1\n[data_store]\nkind = \"tiered\"\nage = \"1h\"\n[data_store.hot]\npath = \"hot\"\n[data_store.cold]\n{cold}\n"
        )
    };
    shop.write("in_the_way", "x");
    let in_the_way = shop.path("in_the_way").display().to_string();
    shop.write("empty", "\n");
    let object = "kind = \"object\"\nservice = \"fs\"\noptions = ";
    let cases = [
        (
            format!("{object}{{ root = {{ env = \"NO_SUCH_VARIABLE_HERE\" }} }}"),
            2,
            "data_store.cold.options.root: the environment variable NO_SUCH_VARIABLE_HERE is not set",
        ),
        (
            format!("{object}{{ root = {{ file = \"empty\" }} }}"),
            2,
            "tiered.toml:10:20: data_store.cold.options.root: the file empty is empty",
        ),
        (
            format!("{object}{{ root = {in_the_way:?} }}"),
            1,
            "the cold store does not open",
        ),
    ];
    for (cold, code, said) in cases {
        shop.write("tiered.toml", config(&cold));
        let ran = shop.run(&["--config", "tiered.toml", "check"]);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(ran.err.contains(said), "no {said:?} in {ran:?}");
    }
    // A secret of a tier is found beside the configuration, as any other.
    shop.write("root", shop.path("cold").display().to_string());
    shop.write(
        "tiered.toml",
        config(&format!("{object}{{ root = {{ file = \"root\" }} }}")),
    );
    tiered(&shop, &["put", "--map", "m", "k", "1"]);
    assert!(shop.path("cold").is_dir());
}
