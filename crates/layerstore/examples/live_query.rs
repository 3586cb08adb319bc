//! A leaderboard that everyone sees at once: an index answers who is where, a live query tells who comes and goes.
//!
//! `cargo run -p layerstore --example live_query`

use std::error::Error;

use layerstore::{Direction, Layerstore, LiveChange, LiveItem, Map, Query, field};
use serde::{Deserialize, Serialize};

/// What is known of a player.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Player {
    /// How many points.
    pub(crate) points: u64,
    /// The clubs that the player is in.
    pub(crate) clubs: Vec<String>,
}

/// Shows both.
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let store = Layerstore::builder().in_memory().build().await?;
    let players = store.map::<Player>("players")?;
    for line in run(&players).await? {
        println!("{line}");
    }
    Ok(())
}

/// Plays a little, and returns what a watcher of the three best was told.
pub(crate) async fn run(players: &Map<Player>) -> Result<Vec<String>, Box<dyn Error>> {
    for (name, points) in [("ada", 50), ("bob", 40), ("cy", 30), ("di", 20)] {
        score(players, name, points).await?;
    }
    let best = Query::of(field("points").exists()).order_by("points", Direction::Descending);
    let live = players.live("podium", best.limit(3)).await?;
    let mut watcher = live.subscribe()?;
    let mut told = vec![format!(
        "first {}",
        names(watcher.result().iter().map(|(key, _)| key.as_str()))
    )];

    score(players, "di", 60).await?;
    players.remove("ada").await?;
    while let Some(item) = watcher.try_next()? {
        told.push(match item {
            LiveItem::Event(event) => match event.change {
                LiveChange::Entered(record) => {
                    let player = players.value_of(&event.key, &record)?;
                    format!("{} enters with {}", event.key, player.points)
                }
                LiveChange::Changed(_) => format!("{} changes", event.key),
                LiveChange::Left => format!("{} leaves", event.key),
            },
            LiveItem::Lagged { .. } => format!("anew {}", watcher.refresh()?.len()),
        });
    }

    players.add_hash_index("by-club", "clubs").await?;
    let rowers = players.query(&Query::of(field("clubs").equals("rowing"))).await?;
    told.push(format!(
        "rowing {}",
        names(rowers.iter().map(|(key, _)| key.as_str()))
    ));
    Ok(told)
}

async fn score(players: &Map<Player>, name: &str, points: u64) -> Result<(), layerstore::Error> {
    let sport = if points < 45 { "rowing" } else { "chess" };
    let clubs = vec!["all".to_owned(), sport.to_owned()];
    players.set(name, &Player { points, clubs }).await.map(drop)
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
