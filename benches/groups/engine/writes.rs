//! Writes: over what is there, and of what was removed before.

use layerstore_benches::{BenchError, Case, Draws, Group, Skew};
use layerstore_engine::StorageEngine;
use layerstore_record::Key;

use crate::subjects::{Subjects, Writer};

/// Writes of a round.
const WRITES: u32 = 100_000;

/// Over what is there: the bare map puts a new record in place of the old one, too.
const OVERWRITE: f64 = 1.0 / 1.4;

/// A removal and an insertion.
const REPLACE: f64 = 1.0 / 1.3;

pub(crate) async fn measure(group: &mut Group, subjects: &Subjects) -> Result<(), BenchError> {
    overwrite(group, subjects, "overwrite, uniform", Skew::Uniform).await?;
    overwrite(group, subjects, "overwrite, zipf", Skew::Zipf).await?;
    remove_and_insert(group, subjects).await
}

async fn overwrite(
    group: &mut Group,
    subjects: &Subjects,
    what: &'static str,
    skew: Skew,
) -> Result<(), BenchError> {
    let draws = Draws::new(skew, subjects.keys.len());
    let keys = async |round| Ok(subjects.draw(&draws, WRITES, round));
    let (mut our_writer, mut bare_writer) = (Writer::new(), Writer::new());
    let ours = async |keys: Vec<Key>| {
        for key in keys {
            subjects.engine.put(key, our_writer.write());
        }
        Ok(())
    };
    let bare = async |keys: Vec<Key>| {
        for key in keys {
            subjects.bare.pin().insert(key, bare_writer.write());
        }
        Ok(())
    };
    group
        .compare_prepared(case(what, OVERWRITE), (keys, ours), (keys, bare))
        .await
        .map(drop)
}

async fn remove_and_insert(group: &mut Group, subjects: &Subjects) -> Result<(), BenchError> {
    let draws = Draws::new(Skew::Uniform, subjects.keys.len());
    let keys = async |round| Ok(subjects.draw(&draws, WRITES, round));
    let (mut our_writer, mut bare_writer) = (Writer::new(), Writer::new());
    let ours = async |keys: Vec<Key>| {
        for key in keys {
            subjects.engine.remove(&key);
            subjects.engine.put(key, our_writer.write());
        }
        Ok(())
    };
    let bare = async |keys: Vec<Key>| {
        for key in keys {
            subjects.bare.pin().remove(&key);
            subjects.bare.pin().insert(key, bare_writer.write());
        }
        Ok(())
    };
    group
        .compare_prepared(
            case("remove and insert, uniform", REPLACE),
            (keys, ours),
            (keys, bare),
        )
        .await
        .map(drop)
}

fn case(what: &'static str, target: f64) -> Case {
    Case {
        what,
        unit: "writes",
        count: WRITES,
        target,
    }
}
