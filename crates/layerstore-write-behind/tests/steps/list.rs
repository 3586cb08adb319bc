//! The list of steps and the steps of the code are the same.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use layerstore_write_behind::Failpoint;

use crate::errors::dry_run;

/// Where steps are named, and not passed.
const LIST: &str = "failpoints.rs";

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with(LIST) {
            found.push(path);
        }
    }
}

#[test]
fn r24_every_step_has_one_place_in_the_code_and_a_name_of_its_own() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        for (at, _) in text.match_indices("Failpoint::") {
            let rest = &text[at + "Failpoint::".len()..];
            let end = rest.find(|letter: char| !letter.is_alphanumeric());
            let is_of_another = at > 0 && text.as_bytes()[at - 1].is_ascii_alphanumeric();
            let name = &rest[..end.unwrap_or(rest.len())];
            // Acceptance has steps of its own, with other names.
            let is_ours = !is_of_another && Failpoint::ALL.iter().any(|step| format!("{step:?}") == name);
            if is_ours {
                *places.entry(name.to_owned()).or_default() += 1;
            }
        }
    }
    let listed: BTreeMap<String, usize> = Failpoint::ALL
        .iter()
        .map(|step| (format!("{step:?}"), 1))
        .collect();
    assert_eq!(places, listed);
    let mut names: Vec<&str> = Failpoint::ALL.iter().map(|step| step.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Failpoint::ALL.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r24_the_script_passes_every_step() {
    let passed: Vec<Failpoint> = dry_run().await.into_keys().collect();
    assert_eq!(passed, Failpoint::ALL);
}
