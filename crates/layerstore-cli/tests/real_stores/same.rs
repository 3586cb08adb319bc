//! Every command over every kind of store, beside the embedded one.

use crate::shop::{Shop, lines};
use crate::store::Kind;

/// How many plain records there are beside the odd ones: more than a batch.
const PLAIN: u64 = 1_200;

/// Keys and values that a store might trip over.
fn odd() -> String {
    let keys = [
        "a/b/../c",
        "..",
        "%2e%2e%2f",
        "'; DROP TABLE layerstore.records; --",
        "\\\"quoted\\\"",
        "new\\nline",
        "nul\\u0000nul",
        "😀 Ünïcödé",
        " ",
    ];
    // As long as every store holds: on S3 a key has at most some 260 bytes.
    let long = "x".repeat(200);
    let keyed = keys.iter().copied().chain([long.as_str()]).enumerate();
    let mut odd: String = keyed
        .map(|(number, key)| format!("{{\"id\":\"{key}\",\"n\":{number}}}\n"))
        .collect();
    odd.push_str(concat!(
        r#"{"id":"numbers","max":18446744073709551615,"min":-9223372036854775808,"tenth":0.1,"top":1.7976931348623157e308}"#,
        "\n",
        r#"{"id":"reserved","x":{"$bytes":"AP8="},"y":{"$$bytes":"mine"},"z":{"$float":"NaN"}}"#,
        "\n",
        r#"{"id":"texts","x":[[],{},null,true,"\u0000😀\"\\"]}"#,
        "\n",
    ));
    odd
}

/// Runs the same commands over a store and over the embedded one; what they print and what they end with must be the same.
fn gives_what_embedded_gives(kind: Kind) {
    let shop = Shop::new();
    let _held = kind.configure(&shop, "store.toml");
    let _plain = Kind::Embedded.configure(&shop, "embedded.toml");
    shop.write("in.jsonl", lines(0, PLAIN) + &odd());
    shop.write("more.jsonl", lines(PLAIN, 30));
    let commands: &[&[&str]] = &[
        &["export", "--map", "m"],
        &["get", "--map", "m", "k00000007"],
        &["get", "--map", "m", "a/b/../c"],
        &["get", "--map", "m", "'; DROP TABLE layerstore.records; --"],
        &["get", "--map", "m", "none"],
        &["scan", "--map", "m", "--prefix", "k000001", "--limit", "7"],
        &["scan", "--map", "m", "--prefix", "%"],
        &[
            "put",
            "--map",
            "m",
            "k00000008",
            "{\"id\":\"k00000008\",\"n\":-1}",
        ],
        &["put", "--map", "m", "brief", "1", "--ttl", "1ms"],
        &["put", "--map", "other", "x", "[1,2]"],
        &["rm", "--map", "m", "k00000009"],
        &["rm", "--map", "m", "k00000009"],
        &["get", "--map", "m", "k00000009"],
        &["import", "more.jsonl", "--map", "m", "--ttl", "1h"],
        &["export", "--map", "m"],
        &["export", "--map", "other"],
        &["export", "--map", "nothing"],
        &["verify"],
    ];
    let imported = ["store.toml", "embedded.toml"].map(|config| import(&shop, config));
    assert_eq!(imported[0], imported[1]);
    for command in commands {
        let [ran, plain] = ["store.toml", "embedded.toml"].map(|config| {
            let ran = shop.run(&[&["--config", config], *command].concat());
            let said = ran.out.replace(config, "CONFIG");
            // What has ended is counted by some and forgotten by others; advice names the store.
            let said = said.replace("1 expired", "0 expired");
            (ran.code, said, ran.err.replace(config, "CONFIG"))
        });
        assert_eq!((ran.0, &ran.2), (plain.0, &plain.2), "{kind:?} {command:?}");
        let is_same = match command[0] {
            "verify" => {
                ran.1.contains("all 1243 records are sound\n")
                    && plain.1.contains("all 1243 records are sound\n")
            }
            "import" => true,
            _ => ran.1 == plain.1,
        };
        assert!(is_same, "{kind:?} {command:?}: {} instead of {}", ran.1, plain.1);
    }
    let stat = shop.done(&["--config", "store.toml", "stat"]);
    assert!(
        stat.starts_with("m\t1242 records\t") && stat.contains("\nother\t1 records\t"),
        "{stat}"
    );
}

/// Imports, and again, which changes nothing; returns what the first said of the records.
fn import(shop: &Shop, config: &str) -> String {
    let args = ["--config", config, "import", "in.jsonl", "--map", "m"];
    let said = shop.done(&args);
    let again = shop.done(&args);
    assert!(again.contains("0 new, 0 changed, 1213 unchanged"), "{again}");
    let counts = said.lines().find(|line| line.contains(" new, "));
    counts.unwrap_or_else(|| panic!("{said}")).to_owned()
}

#[test]
fn postgres_with_bytes_gives_what_embedded_gives() {
    gives_what_embedded_gives(Kind::Bytes);
}

#[test]
fn postgres_with_jsonb_gives_what_embedded_gives() {
    gives_what_embedded_gives(Kind::Jsonb);
}

#[test]
fn s3_gives_what_embedded_gives() {
    gives_what_embedded_gives(Kind::S3);
}

#[test]
fn packed_s3_gives_what_embedded_gives() {
    gives_what_embedded_gives(Kind::Packed);
}

#[test]
fn two_tiers_give_what_embedded_gives() {
    gives_what_embedded_gives(Kind::Tiered);
}

#[test]
fn check_says_what_was_found_and_no_secret() {
    let cases = [
        (Kind::Bytes, "data store: postgres", "value format: bytes"),
        (Kind::Jsonb, "data store: postgres", "value format: jsonb"),
        (Kind::S3, "data store: object", "service: s3\n  layout: objects"),
        (
            Kind::Packed,
            "data store: slatedb",
            "service: s3\n  layout: packed",
        ),
    ];
    for (kind, store, fact) in cases {
        let shop = Shop::new();
        let _held = kind.configure(&shop, "store.toml");
        shop.done(&["--config", "store.toml", "put", "--map", "m", "k", "1"]);
        for form in [&["check"][..], &["--json", "check"]] {
            let ran = shop.run(&[&["--config", "store.toml"], form].concat());
            assert_eq!(ran.code, Some(0), "{ran:?}");
            assert_no_secret(&shop, &[&ran.out, &ran.err]);
        }
        let said = shop.done(&["--config", "store.toml", "check"]);
        assert!(said.contains(store) && said.contains(fact), "{kind:?}: {said}");
        assert!(
            said.contains("ok: the store opens and every map can be read"),
            "{said}"
        );
        let said = shop.done(&["--json", "--config", "store.toml", "check"]);
        let layout = match kind {
            Kind::S3 => "\"layout\":\"objects\"",
            Kind::Packed => "\"layout\":\"packed\"",
            _ => "\"found\":",
        };
        assert!(said.contains(layout), "{said}");
    }
}

/// No secret of the shop's files is in what was said.
pub(crate) fn assert_no_secret(shop: &Shop, said: &[&str]) {
    for file in ["database.url", "secret.key"] {
        if !shop.path(file).exists() {
            continue;
        }
        let secret = shop.read(file);
        // Of an address the password, which stands before the host.
        let secret = match secret
            .split_once("://")
            .and_then(|(_, rest)| rest.rsplit_once('@'))
        {
            Some((user, _)) => user
                .split_once(':')
                .map_or("", |(_, password)| password)
                .to_owned(),
            None => secret,
        };
        for said in said {
            assert!(
                secret.is_empty() || !said.contains(&secret),
                "a secret is in {said}"
            );
        }
    }
}
