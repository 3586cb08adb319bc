use std::time::Duration;

use layerstore::data_store::WriteOp;
use layerstore::{DeadLetter, Layerstore, Retried, WriteBehind};
use tokio::time::Instant;

use super::{get, map_name};
use crate::args::{Chosen, DeadLetters, DeadLettersCommand, Place};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{Form, quoted, say, shown};

/// How long what is pending may take to be stored, or to become a dead letter, before they are looked at; and all that are retried.
const PATIENCE: Duration = Duration::from_secs(30);

/// Refuses maps and keys that cannot be.
pub(super) fn check(args: &DeadLetters) -> Result<(), Failure> {
    let (map, keys) = match &args.what {
        DeadLettersCommand::List { map } => (map, [].as_slice()),
        DeadLettersCommand::Retry(chosen) | DeadLettersCommand::Discard(chosen) => {
            (&chosen.map, chosen.keys.as_slice())
        }
    };
    map.as_deref().map_or(Ok(()), map_name)?;
    keys.iter().try_for_each(|key| get::key(key).map(drop))
}

/// Shows dead letters, tries them again, or throws them away.
pub(super) async fn run(
    store: &Layerstore,
    place: &Place,
    form: Form,
    args: &DeadLetters,
) -> Result<Exit, Failure> {
    let Some(write_behind) = store.write_behind() else {
        let failure = Failure::usage(format!("write-behind is not turned on {}", place.shown()));
        return Err(failure.advise("name a configuration that has [write_behind] with --config FILE"));
    };
    // What the log gave back when the store was opened may become one.
    let _ = store.flush(PATIENCE).await;
    match &args.what {
        DeadLettersCommand::List { map } => list(&write_behind, form, map.as_deref()),
        DeadLettersCommand::Retry(chosen) => {
            let letters = choose(&write_behind, place, chosen)?;
            retry(&write_behind, form, letters).await
        }
        DeadLettersCommand::Discard(chosen) => {
            let letters = choose(&write_behind, place, chosen)?;
            discard(&write_behind, form, letters).await
        }
    }
}

fn list(write_behind: &WriteBehind, form: Form, map: Option<&str>) -> Result<Exit, Failure> {
    let letters = of_map(write_behind, map);
    for letter in &letters {
        let DeadLetter {
            map,
            key,
            version,
            reason,
            ..
        } = letter;
        let op = operation(letter);
        say(&match form {
            Form::Text => format!(
                "{}\t{}\t{op}\t{version}\t{}",
                shown(map.as_str()),
                shown(key.as_str()),
                shown(reason)
            ),
            Form::Json => serde_json::json!({
                "map": map.as_str(),
                "key": key.as_str(),
                "operation": op,
                "version": version.to_string(),
                "reason": reason,
            })
            .to_string(),
        })?;
    }
    if letters.is_empty() && !form.is_json() {
        say("no dead letters")?;
    }
    Ok(Exit::Done)
}

/// Those that were asked for, and the keys of those that are not there.
struct Letters {
    found: Vec<DeadLetter>,
    missing: Vec<String>,
}

fn choose(write_behind: &WriteBehind, place: &Place, chosen: &Chosen) -> Result<Letters, Failure> {
    let mut found = of_map(write_behind, chosen.map.as_deref());
    let is_there = |key: &String| found.iter().any(|letter| letter.key.as_str() == key);
    let missing: Vec<String> = chosen.keys.iter().filter(|key| !is_there(key)).cloned().collect();
    if !chosen.all {
        found.retain(|letter| chosen.keys.iter().any(|key| letter.key.as_str() == key));
    }
    if let (true, Some(key)) = (found.is_empty(), missing.first()) {
        let map = chosen.map.as_deref().unwrap_or_default();
        let failure = Failure::new(
            Exit::NotFound,
            format!("there is no dead letter of {key:?} in map {map:?}"),
        );
        return Err(failure.advise(format!(
            "look at those that there are with `{} dead-letters list --map {}`",
            place.command(),
            quoted(map)
        )));
    }
    Ok(Letters { found, missing })
}

fn of_map(write_behind: &WriteBehind, map: Option<&str>) -> Vec<DeadLetter> {
    let mut letters = write_behind.dead_letters();
    letters.retain(|letter| map.is_none_or(|map| letter.map.as_str() == map));
    letters
}

async fn retry(write_behind: &WriteBehind, form: Form, letters: Letters) -> Result<Exit, Failure> {
    let end = Instant::now() + PATIENCE;
    let (mut done, mut count) = (0_usize, 0_usize);
    for letter in &letters.found {
        count += 1;
        let left = end.saturating_duration_since(Instant::now());
        let (result, reason) = match write_behind.retry(&letter.map, &letter.key, left).await? {
            Some(Retried::Refused(reason)) => ("refused again", Some(reason)),
            Some(Retried::Pending) => ("pending", None),
            // One that is no longer there was superseded.
            _ => ("stored", None),
        };
        done += usize::from(result == "stored");
        say_one(form, letter, result, reason.as_deref())?;
    }
    end_with(form, letters, (done, count), "stored")
}

async fn discard(write_behind: &WriteBehind, form: Form, letters: Letters) -> Result<Exit, Failure> {
    let (mut done, mut count) = (0_usize, 0_usize);
    for letter in &letters.found {
        count += 1;
        let was_there = write_behind.discard(&letter.map, &letter.key).await?;
        done += usize::from(was_there);
        let result = if was_there {
            "discarded"
        } else {
            "not there any more"
        };
        say_one(form, letter, result, None)?;
    }
    end_with(form, letters, (done, count), "discarded")
}

fn say_one(form: Form, letter: &DeadLetter, result: &str, reason: Option<&str>) -> Result<(), Failure> {
    let (map, key) = (letter.map.as_str(), letter.key.as_str());
    say(&match form {
        Form::Text => {
            let reason = reason.map_or_else(String::new, |reason| format!(": {}", shown(reason)));
            format!("{}\t{}\t{result}{reason}", shown(map), shown(key))
        }
        Form::Json => {
            serde_json::json!({ "map": map, "key": key, "result": result, "reason": reason }).to_string()
        }
    })
}

fn end_with(
    form: Form,
    letters: Letters,
    (done, count): (usize, usize),
    what: &str,
) -> Result<Exit, Failure> {
    if let Some(key) = letters.missing.first() {
        let (missing, done) = (letters.missing.len(), format!("{done} of {count} {what}"));
        let what = format!("{done}; of {missing} keys there is no dead letter, the first is {key:?}");
        return Err(Failure::new(Exit::Partial, what));
    }
    if done < count {
        let what = format!("{done} of {count} dead letters were {what}; the others are as listed");
        return Err(Failure::new(Exit::Partial, what)
            .advise("mend what the data store refuses and retry, or discard them"));
    }
    if !form.is_json() {
        say(&format!("{done} dead letters were {what}"))?;
    }
    Ok(Exit::Done)
}

fn operation(letter: &DeadLetter) -> &'static str {
    match letter.op {
        WriteOp::Put => "put",
        WriteOp::Remove => "remove",
    }
}
