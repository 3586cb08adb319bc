//! What the pages quote is what the repository holds, and what the data set promises is so.
#![expect(
    clippy::unwrap_used,
    reason = "a file of this repository that is not there ends the test"
)]

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(path)).unwrap()
}

/// The Rust blocks of a page, each with the file that the comment line above it names.
fn quotes(page: &str) -> Vec<(Option<String>, String)> {
    let mut quotes = Vec::new();
    let (mut above, mut block) = (None, None);
    for line in page.lines() {
        match (&mut block, line) {
            (None, "```rust") => block = Some(String::new()),
            (None, _) => {
                let comment = line
                    .strip_prefix("<!-- ")
                    .and_then(|rest| rest.strip_suffix(" -->"));
                above = comment.map(str::to_owned);
            }
            (Some(_), "```") => quotes.extend(block.take().map(|text| (above.take(), text))),
            (Some(text), line) => text.extend([line, "\n"]),
        }
    }
    quotes
}

#[test]
fn every_example_of_the_guide_is_a_part_of_a_file_that_is_compiled() {
    let quotes = quotes(&read("docs/guide.md"));
    assert!(quotes.len() >= 3, "an engine, a data store, an observer");
    for (file, text) in quotes {
        let file = file.unwrap_or_else(|| panic!("a block without a file: {text}"));
        assert!(
            file.contains("/examples/"),
            "{file} is not compiled as an example"
        );
        assert!(
            !text.trim().is_empty() && read(&file).contains(&text),
            "{file} does not hold:\n{text}"
        );
    }
}

#[test]
fn a_quote_is_found_with_its_file() {
    let page =
        "<!-- a.rs -->\n```rust\nfn a() {}\n```\ntext\n```rust\nfn b() {}\n```\n```text\nfn c() {}\n```\n";
    let expected = [
        (Some("a.rs".to_owned()), "fn a() {}\n".to_owned()),
        (None, "fn b() {}\n".to_owned()),
    ];
    assert_eq!(quotes(page), expected);
}

#[test]
fn the_cities_are_many_have_unique_ids_and_come_back_from_json_byte_for_byte() {
    let text = read("data/cities.jsonl");
    let mut ids = HashSet::new();
    let mut last = String::new();
    for line in text.lines() {
        let city: Value = serde_json::from_str(line).unwrap();
        // A map of serde_json is sorted by name, which is the form that the file promises.
        assert_eq!(serde_json::to_string(&city).unwrap(), line);
        let id = city["id"].as_str().unwrap().to_owned();
        assert!(last < id, "{id} comes after {last}");
        assert!(city["population"].as_u64().unwrap() >= 100_000, "{id}");
        let of = |name: &str| city["coordinates"][name].as_f64().unwrap();
        assert!(
            of("latitude").abs() <= 90.0 && of("longitude").abs() <= 180.0,
            "{id}"
        );
        assert!(city["alternate_names"].as_array().unwrap().len() <= 14, "{id}");
        last.clone_from(&id);
        assert!(ids.insert(id));
    }
    assert!(ids.len() >= 5_000 && read("data/README.md").contains("6,204"));
    assert_eq!(ids.len(), 6_204);
    assert!(text.len() < 3 << 20, "small enough to ship");
}

#[test]
fn every_city_lies_in_a_country_of_the_table() {
    let countries = read("data/countries.csv");
    let codes: HashSet<&str> = countries
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').next())
        .collect();
    assert_eq!(codes.len(), 252);
    for line in read("data/cities.jsonl").lines() {
        let city: Value = serde_json::from_str(line).unwrap();
        let code = city["country"].as_str().unwrap();
        assert!(codes.contains(code), "{code} of {}", city["id"]);
    }
}

#[test]
fn the_data_set_has_its_licence_beside_it() {
    assert!(read("data/LICENSE-CC-BY-4.0").starts_with("Creative Commons Attribution 4.0 International"));
    let about = read("data/README.md");
    assert!(about.contains("GeoNames") && about.contains("LICENSE-CC-BY-4.0"));
}
