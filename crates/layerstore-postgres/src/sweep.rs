//! Clearing and purging: the floor first, in a transaction of its own; then rows, a page at a time.

use layerstore_data_store::StoreError;
use layerstore_record::{MapName, Version};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row as _};

use crate::claims::Claimed;
use crate::row::{column, millis};
use crate::store::{Core, Effect};

/// Rows that one statement looks at: tens of milliseconds of work.
const PAGE: i64 = 5_000;

/// What a page of a sweep came to.
struct Swept {
    dropped: u64,
    /// Where the next page begins; `None` after the last.
    next: Option<Place>,
}

/// A place in the order of a sweep.
#[derive(Clone)]
struct Place {
    ends_at: i64,
    key: Vec<u8>,
}

impl Place {
    /// Before everything.
    const START: Self = Self {
        ends_at: i64::MIN,
        key: Vec::new(),
    };
}

impl Core {
    /// Drops every record of a map up to a version, and refuses such from now on.
    pub(crate) async fn clear(&self, map: &MapName, up_to: Version) -> Result<(), StoreError> {
        let operation = "clear";
        // The floor is durable before any row goes: a crash between the two leaves rows that no reader sees. It waits for
        // the batches under way, and every later one reads it.
        self.raise_floor(operation, map, &self.statements.raise_cleared, up_to)
            .await?;
        let page = |claimed: &Claimed, place: &Place| {
            self.query(&self.statements.clear_page)
                .bind(claimed.id)
                .bind(claimed.epoch)
                .bind(place.key.clone())
                .bind(up_to.to_bytes().to_vec())
                .bind(PAGE)
        };
        self.sweep(operation, map, page).await.map(drop)
    }

    /// Drops tombstones and ended records up to a version, and returns how many.
    pub(crate) async fn purge(&self, map: &MapName, horizon: Version) -> Result<u64, StoreError> {
        let operation = "purge";
        self.raise_floor(operation, map, &self.statements.raise_purged, horizon)
            .await?;
        let now = millis(self.clock.now());
        let removed = |claimed: &Claimed, place: &Place| {
            self.query(&self.statements.purge_removed)
                .bind(claimed.id)
                .bind(claimed.epoch)
                .bind(place.key.clone())
                .bind(horizon.to_bytes().to_vec())
                .bind(PAGE)
        };
        let ended = |claimed: &Claimed, place: &Place| {
            self.query(&self.statements.purge_ended)
                .bind(claimed.id)
                .bind(claimed.epoch)
                .bind(place.key.clone())
                .bind(horizon.to_bytes().to_vec())
                .bind(PAGE)
                .bind(now)
                .bind(place.ends_at)
        };
        let removed = self.sweep(operation, map, removed).await?;
        Ok(removed + self.sweep(operation, map, ended).await?)
    }

    async fn raise_floor(
        &self,
        operation: &'static str,
        map: &MapName,
        statement: &std::sync::Arc<str>,
        floor: Version,
    ) -> Result<(), StoreError> {
        loop {
            let claimed = self.claims.get(operation, map)?;
            let floor = floor.to_bytes().to_vec();
            let raise = || {
                self.query(statement)
                    .bind(claimed.id)
                    .bind(claimed.epoch)
                    .bind(&floor)
            };
            if !self.ask(operation, Effect::Some, raise).await?.is_empty() {
                return Ok(());
            }
            self.claims.lost(map, claimed.epoch);
        }
    }

    /// Sweeps page after page, each under the claim that holds by then.
    async fn sweep(
        &self,
        operation: &'static str,
        map: &MapName,
        page: impl Fn(&Claimed, &Place) -> Query<'static, Postgres, PgArguments>,
    ) -> Result<u64, StoreError> {
        let (mut dropped, mut place) = (0, Place::START);
        loop {
            let claimed = self.claims.get(operation, map)?;
            let rows = self
                .ask(operation, Effect::Some, || page(&claimed, &place))
                .await?;
            match Swept::read(operation, &rows)? {
                None => self.claims.lost(map, claimed.epoch),
                Some(swept) => {
                    dropped += swept.dropped;
                    match swept.next {
                        Some(next) => place = next,
                        None => return Ok(dropped),
                    }
                }
            }
        }
    }
}

impl Swept {
    /// Reads the answer; `None` when the epoch has passed to another writer.
    fn read(operation: &'static str, rows: &[PgRow]) -> Result<Option<Self>, StoreError> {
        let Some(row) = rows.first() else { return Ok(None) };
        let (fence, dropped, looked_at): (i64, i64, i64) = (
            column(operation, row, 0)?,
            column(operation, row, 1)?,
            column(operation, row, 2)?,
        );
        if fence == 0 {
            return Ok(None);
        }
        let next = if looked_at < PAGE {
            None
        } else {
            let ends_at = if row.len() > 4 {
                column(operation, row, 4)?
            } else {
                i64::MIN
            };
            Some(Place {
                ends_at,
                key: column(operation, row, 3)?,
            })
        };
        Ok(Some(Self {
            dropped: dropped.unsigned_abs(),
            next,
        }))
    }
}
