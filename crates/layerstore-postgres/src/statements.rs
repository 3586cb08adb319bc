//! The SQL, with the schema's name in its place. Everything else is bound.

use std::sync::Arc;

use crate::builder::ValueFormat;

/// The statements of one store. PostgreSQL, and nothing beyond what CockroachDB and YugabyteDB know.
pub(crate) struct Statements {
    pub(crate) find_map: Arc<str>,
    pub(crate) add_map: Arc<str>,
    pub(crate) take_epoch: Arc<str>,
    pub(crate) raise_high_water: Arc<str>,
    pub(crate) raise_cleared: Arc<str>,
    pub(crate) raise_purged: Arc<str>,
    pub(crate) list_maps: Arc<str>,
    pub(crate) load: Arc<str>,
    pub(crate) scan: Arc<str>,
    pub(crate) write: Arc<str>,
    pub(crate) fence: Arc<str>,
    pub(crate) held: Arc<str>,
    pub(crate) insert_absent: Arc<str>,
    pub(crate) update_held: Arc<str>,
    pub(crate) clear_page: Arc<str>,
    pub(crate) purge_removed: Arc<str>,
    pub(crate) purge_ended: Arc<str>,
}

/// A column of a record that a batch brings as an array.
#[derive(Clone, Copy)]
struct Column {
    name: &'static str,
    kind: &'static str,
    /// What a row `i` of the arrays gives for it.
    given: &'static str,
}

/// The columns in the order in which they are bound. An array may be empty, which saves its bytes: then it gives NULL for every row.
const COLUMNS: [Column; 7] = [
    column("key", "bytea", "i.key"),
    column("version", "bytea", "i.version"),
    column("ends_at", "bigint", "i.ends_at"),
    column("tombstone", "boolean", "COALESCE(i.tombstone, FALSE)"),
    column("created_at", "bigint", "COALESCE(i.created_at, i.updated_at)"),
    column("updated_at", "bigint", "i.updated_at"),
    column("body", "bytea", "i.body"),
];

/// What follows them where values are kept as JSON.
const VALUE: Column = column("value", "text", "i.value::jsonb");

const fn column(name: &'static str, kind: &'static str, given: &'static str) -> Column {
    Column { name, kind, given }
}

impl Statements {
    pub(crate) fn new(schema: &str, format: ValueFormat) -> Self {
        let sql = |text: &str| -> Arc<str> { in_schema(text, schema).into() };
        let written = Written::of(format);
        let (columns, values) = (written.names(), written.values());
        Self {
            find_map: sql("SELECT id, epoch FROM {schema}.maps WHERE name = $1"),
            add_map: sql(
                "INSERT INTO {schema}.maps (name, epoch, high_water, cleared, purged) VALUES ($1, 0, $2, $2, $2) \
                 ON CONFLICT (name) DO NOTHING",
            ),
            // Compare and set: a claim that was delayed on its way fails if another came between.
            take_epoch: sql(
                "UPDATE {schema}.maps SET epoch = epoch + 1 WHERE id = $1 AND epoch = $2 \
                 RETURNING epoch, high_water, cleared, purged",
            ),
            raise_high_water: sql(
                "UPDATE {schema}.maps SET high_water = GREATEST(high_water, $3) WHERE id = $1 AND epoch = $2 \
                 RETURNING high_water",
            ),
            raise_cleared: sql(
                "UPDATE {schema}.maps SET cleared = GREATEST(cleared, $3) WHERE id = $1 AND epoch = $2 RETURNING cleared",
            ),
            raise_purged: sql(
                "UPDATE {schema}.maps SET purged = GREATEST(purged, $3) WHERE id = $1 AND epoch = $2 RETURNING purged",
            ),
            list_maps: sql(
                "SELECT m.name FROM {schema}.maps m WHERE m.cleared > $1 OR m.purged > $1 \
                 OR EXISTS (SELECT 1 FROM {schema}.records r WHERE r.map = m.id) ORDER BY m.name",
            ),
            load: sql(
                "SELECT r.key, r.version, r.body, r.value::text FROM {schema}.records r \
                 WHERE r.map = (SELECT m.id FROM {schema}.maps m WHERE m.name = $1) AND r.key = ANY($2) \
                 AND r.version > (SELECT m.cleared FROM {schema}.maps m WHERE m.name = $1)",
            ),
            // As many rows are looked at as the page may have: what a reader may not see comes back as a key alone, so
            // that a stretch of tombstones makes many short pages and never one long statement.
            scan: sql(
                "SELECT r.key, r.version, CASE WHEN r.version > (SELECT m.cleared FROM {schema}.maps m WHERE m.name = $1) \
                 AND CASE WHEN r.tombstone THEN $5 ELSE r.ends_at IS NULL OR r.ends_at > $6 END THEN r.body END, r.value::text \
                 FROM {schema}.records r WHERE r.map = (SELECT m.id FROM {schema}.maps m WHERE m.name = $1) \
                 AND r.key >= $2 AND r.key < $3 ORDER BY r.key LIMIT $4",
            ),
            // One statement, so one transaction: the lock on the map's row holds off a claim until these records are
            // committed, and after a claim the row is not found. What it does not write is judged afterwards: to say which
            // records those are would cost the server a tenth of its time for every batch.
            write: sql(&format!(
                "WITH fence AS MATERIALIZED (SELECT id, cleared, purged FROM {{schema}}.maps WHERE id = $1 AND epoch = $2 FOR SHARE) \
                 INSERT INTO {{schema}}.records AS r (map, {columns}) \
                 SELECT f.id, {values} FROM fence f CROSS JOIN {} WHERE i.version > f.cleared AND i.version > f.purged \
                 ON CONFLICT (map, key) DO UPDATE SET {} WHERE r.version < EXCLUDED.version",
                written.rows(3),
                written.assignments(|column| format!("EXCLUDED.{}", column.name)),
            )),
            fence: sql("SELECT cleared, purged FROM {schema}.maps WHERE id = $1 AND epoch = $2 FOR SHARE"),
            held: sql(
                "SELECT key, version, tombstone, ends_at FROM {schema}.records WHERE map = $1 AND key = ANY($2) \
                 ORDER BY key FOR UPDATE",
            ),
            insert_absent: sql(&format!(
                "INSERT INTO {{schema}}.records (map, {columns}) SELECT $1, {values} FROM {} ON CONFLICT (map, key) DO NOTHING",
                written.rows(2),
            )),
            update_held: sql(&format!(
                "UPDATE {{schema}}.records AS r SET {} FROM {} WHERE r.map = $1 AND r.key = i.key",
                written.assignments(|column| column.given.to_owned()),
                written.rows(2),
            )),
            clear_page: sql(
                "WITH fence AS MATERIALIZED (SELECT id FROM {schema}.maps WHERE id = $1 AND epoch = $2 FOR SHARE), \
                 page AS MATERIALIZED (SELECT key, version FROM {schema}.records WHERE map = $1 AND key > $3 ORDER BY key LIMIT $5), \
                 doomed AS MATERIALIZED (SELECT r.key FROM {schema}.records r WHERE r.map = (SELECT id FROM fence) \
                 AND r.key IN (SELECT key FROM page WHERE version <= $4) AND r.version <= $4 ORDER BY r.key FOR UPDATE), \
                 gone AS (DELETE FROM {schema}.records r USING doomed d WHERE r.map = $1 AND r.key = d.key AND r.version <= $4 RETURNING 1) \
                 SELECT (SELECT count(*) FROM fence), (SELECT count(*) FROM gone), (SELECT count(*) FROM page), \
                 (SELECT key FROM page ORDER BY key DESC LIMIT 1)",
            ),
            purge_removed: sql(
                "WITH fence AS MATERIALIZED (SELECT id FROM {schema}.maps WHERE id = $1 AND epoch = $2 FOR SHARE), \
                 page AS MATERIALIZED (SELECT key, version FROM {schema}.records WHERE map = $1 AND tombstone AND key > $3 ORDER BY key LIMIT $5), \
                 doomed AS MATERIALIZED (SELECT r.key FROM {schema}.records r WHERE r.map = (SELECT id FROM fence) \
                 AND r.key IN (SELECT key FROM page WHERE version <= $4) AND r.tombstone AND r.version <= $4 ORDER BY r.key FOR UPDATE), \
                 gone AS (DELETE FROM {schema}.records r USING doomed d \
                 WHERE r.map = $1 AND r.key = d.key AND r.tombstone AND r.version <= $4 RETURNING 1) \
                 SELECT (SELECT count(*) FROM fence), (SELECT count(*) FROM gone), (SELECT count(*) FROM page), \
                 (SELECT key FROM page ORDER BY key DESC LIMIT 1)",
            ),
            purge_ended: sql(
                "WITH fence AS MATERIALIZED (SELECT id FROM {schema}.maps WHERE id = $1 AND epoch = $2 FOR SHARE), \
                 page AS MATERIALIZED (SELECT key, version, ends_at FROM {schema}.records WHERE map = $1 AND ends_at IS NOT NULL \
                 AND ends_at <= $6 AND (ends_at, key) > ($7, $3) ORDER BY ends_at, key LIMIT $5), \
                 doomed AS MATERIALIZED (SELECT r.key FROM {schema}.records r WHERE r.map = (SELECT id FROM fence) \
                 AND r.key IN (SELECT key FROM page WHERE version <= $4) AND r.ends_at <= $6 AND r.version <= $4 ORDER BY r.key FOR UPDATE), \
                 gone AS (DELETE FROM {schema}.records r USING doomed d \
                 WHERE r.map = $1 AND r.key = d.key AND r.ends_at <= $6 AND r.version <= $4 RETURNING 1) \
                 SELECT (SELECT count(*) FROM fence), (SELECT count(*) FROM gone), (SELECT count(*) FROM page), \
                 (SELECT key FROM page ORDER BY ends_at DESC, key DESC LIMIT 1), (SELECT max(ends_at) FROM page)",
            ),
        }
    }
}

/// Puts the schema's name in its places; it was checked to be a plain name.
pub(crate) fn in_schema(text: &str, schema: &str) -> String {
    text.replace("{schema}", &format!("\"{schema}\""))
}

/// How the columns of a record are written, in either format.
struct Written {
    columns: Vec<Column>,
    format: ValueFormat,
}

impl Written {
    fn of(format: ValueFormat) -> Self {
        let mut columns = COLUMNS.to_vec();
        if format == ValueFormat::Jsonb {
            columns.push(VALUE);
        }
        Self { columns, format }
    }

    fn names(&self) -> String {
        list(&self.columns, |column| column.name.to_owned())
    }

    fn values(&self) -> String {
        list(&self.columns, |column| column.given.to_owned())
    }

    /// The rows `i` of the arrays, which are the parameters from this number on.
    ///
    /// In a list of results the server takes arrays apart row by row; each function of a FROM clause would first be written out whole.
    fn rows(&self, first: usize) -> String {
        let mut number = first..;
        let arrays = list(&self.columns, |Column { name, kind, .. }| {
            let number = number.next().unwrap_or_default();
            format!("unnest(${number}::{kind}[]) AS {name}")
        });
        format!("(SELECT {arrays}) AS i")
    }

    /// Gives every column but the key what `from` says.
    fn assignments(&self, from: impl Fn(&Column) -> String) -> String {
        let (_key, changed) = self.columns.split_at(1);
        let assigned = list(changed, |column| format!("{} = {}", column.name, from(column)));
        match self.format {
            // A value that the other format left must not outlive the body beside it.
            ValueFormat::Bytes => format!("{assigned}, value = NULL"),
            ValueFormat::Jsonb => assigned,
        }
    }
}

fn list(columns: &[Column], one: impl FnMut(&Column) -> String) -> String {
    columns.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_named_in_every_statement_and_no_place_is_left_open() {
        for format in [ValueFormat::Bytes, ValueFormat::Jsonb] {
            let statements = Statements::new("Shop_1", format);
            for text in [
                &statements.write,
                &statements.scan,
                &statements.update_held,
                &statements.purge_ended,
            ] {
                assert!(text.contains("\"Shop_1\".") && !text.contains('{'), "{text}");
            }
        }
    }
}
