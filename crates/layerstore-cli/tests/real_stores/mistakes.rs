//! Stores that cannot be had: what, where and what to do is said, and no secret.

use std::net::TcpListener;

use layerstore_testkit::services::{postgres, s3};

use crate::same::assert_no_secret;
use crate::shop::Shop;
use crate::store::{of_postgres, of_s3, packed, wait};

/// A port of this machine on which nobody listens.
fn nobodys_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Runs `check` over a configuration that cannot work.
fn fails(shop: &Shop, data_store: &str, code: i32, said: &[&str]) {
    shop.write("store.toml", format!("format = 1\n[data_store]\n{data_store}"));
    let ran = shop.run(&["--config", "store.toml", "check"]);
    assert_eq!(ran.code, Some(code), "{data_store}: {ran:?}");
    for part in said {
        assert!(ran.err.contains(part), "no {part:?} in {ran:?}");
    }
    assert!(
        !ran.err.contains("hunter2") && !ran.out.contains("hunter2"),
        "{ran:?}"
    );
    assert_no_secret(shop, &[&ran.out, &ran.err]);
}

/// An address with another password, host and database.
fn changed(url: &str, password: &str, server: Option<&str>, database: Option<&str>) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (user, place) = rest.rsplit_once('@').unwrap();
    let user = user.split(':').next().unwrap();
    let (host, name) = place.split_once('/').unwrap();
    let (host, name) = (server.unwrap_or(host), database.unwrap_or(name));
    format!("{scheme}://{user}:{password}@{host}/{name}")
}

#[test]
fn a_database_that_cannot_be_had_is_named_with_what_to_do_and_without_the_password() {
    let database = wait(postgres()).expect("a server");
    let shop = Shop::new();
    let quick = "attempts = 1\nconnect_timeout = \"5s\"\nacquire_timeout = \"5s\"\n";
    shop.write("database.url", changed(database.url(), "hunter2", None, None));
    fails(
        &shop,
        &of_postgres("database.url", quick),
        1,
        &["postgres store", "password"],
    );
    let nobody = format!("127.0.0.1:{}", nobodys_port());
    shop.write(
        "database.url",
        changed(database.url(), "hunter2", Some(&nobody), None),
    );
    fails(
        &shop,
        &of_postgres("database.url", quick),
        5,
        &["postgres store", "run it again"],
    );
    let password = database
        .url()
        .split_once("://")
        .unwrap()
        .1
        .rsplit_once('@')
        .unwrap()
        .0;
    let password = password.split_once(':').map_or("", |(_, password)| password);
    let missing = changed(database.url(), password, None, Some("no_such_database"));
    shop.write("database.url", missing);
    fails(
        &shop,
        &of_postgres("database.url", quick),
        1,
        &["postgres store", "no_such_database"],
    );
    fails(
        &shop,
        &of_postgres("no.url", quick),
        2,
        &[
            "store.toml:4:7: data_store.url: the file ",
            "no.url cannot be read",
        ],
    );
    shop.write("database.url", "mysql://ann:hunter2@db/shop");
    fails(&shop, &of_postgres("database.url", quick), 1, &["postgres store"]);
}

#[test]
fn a_bucket_that_cannot_be_had_is_named_with_what_to_do_and_without_the_keys() {
    let bucket = wait(s3()).expect("a server");
    let shop = Shop::new();
    let right = of_s3(&shop, &bucket, bucket.name(), bucket.secret_key());
    let right = right.replace(
        "[data_store.options]",
        "attempts = 1\nattempt_timeout = \"5s\"\n[data_store.options]",
    );
    let other = right.replace(bucket.name(), "layerstore-no-such-bucket");
    fails(&shop, &other, 1, &["layerstore-no-such-bucket"]);
    shop.write("secret.key", "hunter2hunter2");
    fails(&shop, &right, 1, &["forbidden"]);
    let nobody = format!("http://127.0.0.1:{}/", nobodys_port());
    fails(
        &shop,
        &right.replace(bucket.endpoint(), &nobody),
        5,
        &["run it again"],
    );
    let misspelt = right.replace("bucket = ", "buckets = ");
    fails(&shop, &misspelt, 1, &["buckets"]);
}

#[test]
fn a_packed_bucket_that_cannot_be_had_is_named_with_what_to_do_and_without_the_keys() {
    let bucket = wait(s3()).expect("a server");
    let shop = Shop::new();
    let right = packed(&of_s3(&shop, &bucket, bucket.name(), bucket.secret_key()));
    let right = right.replace("layout", "attempt_timeout = \"5s\"\nlayout");
    let other = right.replace(bucket.name(), "layerstore-no-such-bucket");
    fails(&shop, &other, 1, &["slatedb store", "layerstore-no-such-bucket"]);
    shop.write("secret.key", "hunter2hunter2");
    fails(&shop, &right, 1, &["slatedb store", "forbidden"]);
    let nobody = format!("http://127.0.0.1:{}/", nobodys_port());
    fails(
        &shop,
        &right.replace(bucket.endpoint(), &nobody),
        5,
        &["slatedb store", "run it again"],
    );
}

#[test]
fn a_place_that_was_opened_for_one_layout_is_refused_for_the_other() {
    let bucket = wait(s3()).expect("a server");
    let shop = Shop::new();
    let objects = of_s3(&shop, &bucket, bucket.name(), bucket.secret_key());
    for (first, held, then, asked) in [
        (
            packed(&objects),
            "many records an object",
            objects.clone(),
            "one object a record",
        ),
        (
            objects.replace("/shop", "/other"),
            "one object a record",
            packed(&objects).replace("/shop", "/other"),
            "many records an object",
        ),
    ] {
        shop.write("first.toml", format!("format = 1\n[data_store]\n{first}"));
        shop.done(&["--config", "first.toml", "put", "--map", "m", "k", "1"]);
        let what = format!("the place holds {held}, and was opened for {asked}");
        fails(&shop, &then, 1, &[&what]);
        assert_eq!(
            shop.done(&["--config", "first.toml", "get", "--map", "m", "k"])
                .trim(),
            "1"
        );
    }
}
