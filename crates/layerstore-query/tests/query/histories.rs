//! M10: indexes and live queries against a full scan at every step of random histories of real record stores, with expiry, eviction,
//! loads, blind sets, backups, clears and resets in them.

mod asked;
mod follower;
mod player;

use layerstore_query::Query;
use layerstore_testkit::proof::{report, scaled, seed};

use asked::Asked;
use player::Player;

/// How many histories are played for the full figure, and how many steps each has.
const HISTORIES: u64 = 10_000;
const STEPS: usize = 40;

#[tokio::test(start_paused = true)]
async fn m10_indexes_and_live_queries_equal_a_full_scan_at_every_step() {
    let (seed, histories) = (seed(), scaled(HISTORIES));
    let mut by_index = 0;
    for history in 0..histories {
        by_index += play(fastrand::Rng::with_seed(seed ^ (history << 20)), history).await;
    }
    assert!(by_index > histories, "most answers came from indexes");
    let counts = [
        ("histories", histories),
        ("steps", histories * STEPS as u64),
        ("answers_by_index", by_index),
        ("seed", seed),
        ("violations", 0),
    ];
    report("M10", &counts);
}

/// Plays a history; returns how many answers came from indexes.
async fn play(mut rng: fastrand::Rng, history: u64) -> u64 {
    let mut player = Player::new(&mut rng).await;
    let asked = Asked::begin(&player.scene, &mut rng).await;
    let mut followers = asked.followers();
    let mut by_index = 0;
    let mut done = vec![format!("history {history}")];
    for _ in 0..STEPS {
        done.push(player.step(&mut rng).await);
        asked.mend(&player.scene).await;
        let query: Query = asked::query(&mut rng);
        by_index += asked.compare(&player.scene, &query, &done).await;
        for follower in &mut followers {
            follower.follow(&player.scene, &done).await;
        }
    }
    by_index
}
