//! `watch`: what comes in is applied, and what happens is shown as it happens.

use crate::shop::Shop;

fn with_a_record() -> Shop {
    let shop = Shop::new();
    shop.done(&["put", "--map", "m", "there", "1"]);
    shop
}

#[test]
fn a_watch_applies_what_comes_in_and_shows_each_change_before_the_next() {
    let shop = with_a_record();
    let mut running = shop.start(&["watch", "--map", "m"]);
    running.feed("{\"key\":\"a\",\"value\":{\"n\":1}}\n");
    assert_eq!(running.until("a"), "put\ta\t{\"n\":1}");
    running.feed("{\"key\":\"there\",\"value\":2}\n");
    assert_eq!(running.until("there"), "update\tthere\t2");
    running.feed("\n{\"event\":\"remove\",\"key\":\"a\"}\n");
    assert_eq!(running.until("a"), "remove\ta\tremoved");
    let ran = running.end();
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    assert_eq!(shop.done(&["get", "--map", "m", "there"]), "2\n");
}

#[test]
fn what_a_watch_shows_as_json_another_applies() {
    let shop = with_a_record();
    let mut running = shop.start(&["watch", "--map", "m", "--json", "--prefix", "k"]);
    running.feed("{\"key\":\"k\",\"value\":1}\n{\"key\":\"other\",\"value\":1}\n{\"key\":\"k\",\"value\":[2]}\n{\"key\":\"k2\",\"value\":3}\n{\"event\":\"remove\",\"key\":\"k2\"}\n");
    let ran = running.end();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let events: Vec<&str> = ran.out.lines().collect();
    assert_eq!(events.len(), 4, "the other key is not shown: {ran:?}");
    assert!(events[0].starts_with("{\"number\":1,\"event\":\"put\",\"key\":\"k\",\"value\":1,\"version\":"));
    assert!(events[3].starts_with(
        "{\"number\":5,\"event\":\"remove\",\"key\":\"k2\",\"reason\":\"removed\",\"version\":"
    ));
    let again = with_a_record();
    let mut running = again.start(&["watch", "--map", "m"]);
    running.feed(&format!("{}\n", ran.out));
    assert_eq!(running.end().code, Some(0));
    assert_eq!(again.done(&["scan", "--map", "m"]), "k\t[2]\nthere\t1\n");
}

#[test]
fn a_line_that_is_no_change_is_named_and_the_others_are_applied() {
    let shop = with_a_record();
    let mut running = shop.start(&["watch", "--map", "m"]);
    running.feed("{\"key\":\"a\"}\nnonsense\n{\"key\":\"b\",\"value\":2}\n");
    let ran = running.end();
    assert_eq!((ran.code, ran.out.as_str()), (Some(3), "put\tb\t2"), "{ran:?}");
    assert!(
        ran.err.contains("line 1: there is no \"value\"") && ran.err.contains("line 2: "),
        "{ran:?}"
    );
}

#[test]
fn a_watch_that_follows_shows_what_ends_by_itself_until_it_is_interrupted() {
    for signal in ["INT", "TERM"] {
        let shop = with_a_record();
        shop.write(
            "short.toml",
            "format = 1\n[data_store]\nkind = \"embedded\"\npath = \"layerstore-data\"\n[map.m]\nttl = \"50ms\"\n[maintenance]\nsweep_interval = \"20ms\"\n",
        );
        let mut running = shop.start(&["--config", "short.toml", "watch", "--map", "m", "--follow"]);
        running.feed("{\"key\":\"short\",\"value\":1}\n");
        assert_eq!(running.until("remove"), "remove\tshort\texpired");
        running.signal(signal);
        let ran = running.end_by_itself();
        assert_eq!(ran.code, Some(130), "{ran:?}");
    }
}

#[test]
fn a_watch_of_no_store_says_so_and_makes_none() {
    let shop = Shop::new();
    let ran = shop.run(&["watch", "--map", "m"]);
    assert_eq!(
        (ran.code, shop.path("layerstore-data").exists()),
        (Some(4), false),
        "{ran:?}"
    );
}
