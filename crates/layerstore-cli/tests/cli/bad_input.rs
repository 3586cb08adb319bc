//! Whatever is wrong is said, with its place and with what to do, and nothing is lost.

use crate::shop::{Ran, Shop};

/// Asserts how a command fails: its code, and all of these texts on stderr, none of them a stack trace.
#[track_caller]
fn fails(ran: &Ran, code: i32, texts: &[&str]) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    assert!(
        ran.err.starts_with("layerstore: ") || ran.err.starts_with("error: "),
        "{ran:?}"
    );
    for text in texts {
        assert!(ran.err.contains(text), "{text:?} is not in {ran:?}");
    }
}

#[test]
fn keys_that_cannot_be_are_refused() {
    let shop = Shop::new();
    let long = "k".repeat(1_025);
    for key in ["", &long] {
        let size = format!("this one has {}", key.len());
        fails(
            &shop.run(&["put", "--map", "m", key, "1"]),
            2,
            &["a key has 1 to 1024 bytes", &size],
        );
        fails(&shop.run(&["get", "--map", "m", key]), 2, &[&size]);
        fails(&shop.run(&["rm", "--map", "m", key]), 2, &[&size]);
    }
    fails(
        &shop.run(&["put", "--map", "", "k", "1"]),
        2,
        &["a map name has 1 to 128 bytes"],
    );
    fails(
        &shop.run(&["put", "--map", &"m".repeat(129), "k", "1"]),
        2,
        &["this one has 129"],
    );
    shop.write(
        "in.jsonl",
        format!(
            "{{\"id\":\"\"}}\n{{\"id\":\"{long}\"}}\n{{\"id\":\"{}\"}}\n",
            "k".repeat(1_024)
        ),
    );
    let ran = shop.run(&["import", "in.jsonl", "--map", "m"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let list = shop.read("in.rejects.jsonl");
    assert!(
        list.contains("this one has 0") && list.contains("this one has 1025"),
        "{list}"
    );
    assert!(ran.out.contains("imported 1 records"), "{ran:?}");
}

#[test]
fn keys_of_any_content_are_kept() {
    let shop = Shop::new();
    let file = "{\"id\":\"../../etc/passwd\"}\n{\"id\":\"a\\u0000b\"}\n{\"id\":\"a/b//\"}\n{\"id\":\"😀\"}\n";
    shop.write("in.jsonl", file);
    shop.done(&["import", "in.jsonl", "--map", "../m/\u{1f600}"]);
    assert_eq!(shop.done(&["export", "--map", "../m/\u{1f600}"]), file);
    assert_eq!(
        shop.done(&["get", "--map", "../m/\u{1f600}", "../../etc/passwd"]),
        "{\"id\":\"../../etc/passwd\"}\n"
    );
    // A control character is shown escaped, so that a line stays a line.
    assert!(
        shop.done(&["scan", "--map", "../m/\u{1f600}"])
            .contains("a\\0b\t")
    );
}

#[test]
fn values_that_cannot_be_are_refused() {
    let shop = Shop::new();
    let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    shop.done(&["put", "--map", "m", "deep", &nested(64)]);
    assert_eq!(shop.done(&["get", "--map", "m", "deep"]).trim(), nested(64));
    fails(
        &shop.run(&["put", "--map", "m", "k", &nested(65)]),
        2,
        &["more than 64 deep"],
    );
    fails(
        &shop.run(&["put", "--map", "m", "k", "{\"a\":1,\"a\":2}"]),
        2,
        &["field a: the field comes twice"],
    );
    fails(
        &shop.run(&["put", "--map", "m", "k", "0.1000000000000000000001"]),
        2,
        &["to the last digit"],
    );
    fails(
        &shop.run(&["put", "--map", "m", "k", "{\"pin\":hunter2}"]),
        2,
        &["not JSON", "column"],
    );
    shop.write("in.jsonl", format!("{{\"id\":\"k\",\"v\":{}}}\n", nested(64)));
    assert_eq!(shop.run(&["import", "in.jsonl", "--map", "m"]).code, Some(3));
    assert!(shop.read("in.rejects.jsonl").contains("more than 64 deep"));
    fails(
        &shop.run(&["get", "--map", "m", "k"]),
        4,
        &["there is no record \"k\""],
    );
}

#[test]
fn times_to_live_that_cannot_be_are_refused() {
    let shop = Shop::new();
    for ttl in ["20000years", "99999999999999999999years", "0s", "soon"] {
        fails(
            &shop.run(&["put", "--map", "m", "k", "1", "--ttl", ttl]),
            2,
            &["--ttl"],
        );
    }
    assert!(
        !shop.path("layerstore-data").exists(),
        "a refused command line makes no store"
    );
}

#[test]
fn wrong_configurations_name_file_line_and_key() {
    let shop = Shop::new();
    let cases = [
        (
            "format = 1\n[map.m]\nttll = \"1h\"\n",
            ":3:1: map.m.ttll: unknown field",
        ),
        (
            "format = 1\n[map.m]\nttl = \"soon\"\n",
            ":3:7: map.m.ttl: not a duration",
        ),
        (
            "format = 1\n[map.m]\nttl = \"1h\"\nmax_idle = \"2h\"\n",
            ":4:12: map.m.max_idle: it is longer than ttl",
        ),
        (
            "format = 1\n[map.m]\nmax_count = 1\nmax_cost = \"1GiB\"\n",
            ":4:12: map.m.max_cost: max_count and max_cost contradict",
        ),
        (
            "format = 1\n[data_store]\nkind = \"tiered\"\n",
            if cfg!(feature = "tiered") {
                ": data_store.hot: it is missing"
            } else {
                ":3:8: data_store.kind: \"tiered\" needs the cargo feature `tiered`"
            },
        ),
        (
            "format = 1\n[data_store]\nkind = \"mysql\"\n",
            ":3:8: data_store.kind: ",
        ),
        ("format = 7\n", ":1:10: format: format 7 is not known"),
        ("formt", ":1:"),
    ];
    for (text, place) in cases {
        shop.write("layerstore.toml", text);
        fails(
            &shop.run(&["--config", "layerstore.toml", "check"]),
            2,
            &[&format!("layerstore.toml{place}")],
        );
    }
    fails(
        &shop.run(&["--config", "no.toml", "check"]),
        2,
        &["no.toml: it cannot be read"],
    );
    fails(
        &shop.run(&["--config", "a.toml", "--data", "b", "check"]),
        2,
        &["--data"],
    );
    assert!(!shop.path("layerstore-data").exists());
}

#[test]
fn what_is_not_there_is_said_and_nothing_is_made() {
    let shop = Shop::new();
    fails(
        &shop.run(&["stat"]),
        4,
        &["there is no store in layerstore-data", "--data DIR"],
    );
    fails(&shop.run(&["import", "no.jsonl", "--map", "m"]), 1, &["no.jsonl"]);
    fails(&shop.run(&["import", ".", "--map", "m"]), 2, &["is a directory"]);
    fails(&shop.run(&["frobnicate"]), 2, &["frobnicate"]);
    fails(&shop.run(&["import", "no.jsonl"]), 2, &["--map"]);
    shop.done(&["put", "--map", "m", "k", "1"]);
    fails(
        &shop.run(&["get", "--map", "m", "other"]),
        4,
        &["there is no record \"other\" in map \"m\""],
    );
    // What to do is said as it is to be typed, for this store and no other.
    shop.done(&["put", "--data", "here", "--map", "m", "k", "1"]);
    for verb in ["get", "rm"] {
        fails(
            &shop.run(&["--data", "here", verb, "--map", "m", "other"]),
            4,
            &["there is no record", "--data here scan --map m`"],
        );
    }
}

#[test]
fn a_refused_command_line_makes_no_store() {
    let shop = Shop::new();
    shop.write("in.jsonl", "{\"id\":1}\n");
    let long = "m".repeat(129);
    let refused: [&[&str]; 9] = [
        &["put", "--map", "m", "k", "{\"a\":1"],
        &["put", "--map", "m", "", "1"],
        &["put", "--map", "", "k", "1"],
        &["import", "in.jsonl", "--map", ""],
        &["import", "in.jsonl", "--map", &long],
        &["get", "--map", "m", ""],
        &["rm", "--map", "", "k"],
        &["scan", "--map", &long],
        &["export", "--map", ""],
    ];
    for arguments in refused {
        assert_eq!(shop.run(arguments).code, Some(2), "{arguments:?}");
        assert!(!shop.path("layerstore-data").exists(), "{arguments:?}");
    }
}

#[test]
fn a_directory_without_a_store_is_left_as_it_is() {
    let shop = Shop::new();
    std::fs::create_dir(shop.path("mine")).unwrap();
    shop.write("mine/notes.txt", "kept");
    let verbs: [&[&str]; 7] = [
        &["stat"],
        &["check"],
        &["verify"],
        &["scan", "--map", "m"],
        &["export", "--map", "m"],
        &["get", "--map", "m", "k"],
        &["rm", "--map", "m", "k"],
    ];
    for verb in verbs {
        let arguments = [&["--data", "mine"], verb].concat();
        fails(&shop.run(&arguments), 4, &["there is no store in mine"]);
    }
    assert_eq!(std::fs::read_dir(shop.path("mine")).unwrap().count(), 1);
}

#[test]
fn a_table_that_cannot_be_read_on_keeps_what_was_read() {
    let shop = Shop::new();
    shop.write("twice.csv", "a,a\n1,2\n");
    fails(
        &shop.run(&["import", "twice.csv", "--map", "m"]),
        1,
        &["line 1: the name \"a\" comes twice"],
    );
    shop.write("ragged.csv", "id,n\n1,2\n3\n4,5\n");
    let ran = shop.run(&["import", "ragged.csv", "--map", "m"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(shop.read("ragged.rejects.jsonl").contains("\"line\":3"));
    assert_eq!(
        shop.done(&["export", "--map", "m"]),
        "{\"id\":\"1\",\"n\":\"2\"}\n{\"id\":\"4\",\"n\":\"5\"}\n"
    );
}
