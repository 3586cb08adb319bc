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

/// The columns of a record that a batch brings, one array each.
const COLUMNS: [(&str, &str); 7] = [
    ("key", "bytea"),
    ("version", "bytea"),
    ("ends_at", "bigint"),
    ("tombstone", "boolean"),
    ("created_at", "bigint"),
    ("updated_at", "bigint"),
    ("body", "bytea"),
];

impl Statements {
    pub(crate) fn new(schema: &str, format: ValueFormat) -> Self {
        let sql = |text: &str| -> Arc<str> { in_schema(text, schema).into() };
        let written = Written::of(format);
        let Written {
            columns,
            values,
            assignments,
            ..
        } = &written;
        let count = 3 + written.types.len();
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
                "SELECT p.key, p.version, CASE WHEN p.seen THEN p.body END, CASE WHEN p.seen THEN p.value::text END \
                 FROM (SELECT r.key, r.version, r.body, r.value, \
                 r.version > (SELECT m.cleared FROM {schema}.maps m WHERE m.name = $1) \
                 AND CASE WHEN r.tombstone THEN $5 ELSE r.ends_at IS NULL OR r.ends_at > $6 END AS seen \
                 FROM {schema}.records r WHERE r.map = (SELECT m.id FROM {schema}.maps m WHERE m.name = $1) \
                 AND r.key >= $2 AND r.key < $3 ORDER BY r.key LIMIT $4) p ORDER BY p.key",
            ),
            // One statement, so one transaction: the lock on the map's row holds off a claim until these records are
            // committed, and after a claim the row is not found. A record that is not written is judged afterwards.
            write: sql(&format!(
                "WITH fence AS MATERIALIZED (SELECT id, cleared, purged FROM {{schema}}.maps WHERE id = $1 AND epoch = $2 FOR SHARE), \
                 written AS (INSERT INTO {{schema}}.records AS r (map, {columns}) \
                 SELECT f.id, {values} FROM fence f CROSS JOIN UNNEST({}) AS i({columns}) \
                 WHERE i.version > f.cleared AND i.version > f.purged \
                 ON CONFLICT (map, key) DO UPDATE SET {assignments} WHERE r.version < EXCLUDED.version RETURNING r.key) \
                 SELECT (SELECT count(*) FROM fence), (SELECT count(*) FROM written), \
                 CASE WHEN (SELECT count(*) FROM written) < ${count} THEN (SELECT array_agg(key) FROM written) END",
                written.arrays(3),
            )),
            fence: sql("SELECT cleared, purged FROM {schema}.maps WHERE id = $1 AND epoch = $2 FOR SHARE"),
            held: sql(
                "SELECT key, version, tombstone, ends_at FROM {schema}.records WHERE map = $1 AND key = ANY($2) \
                 ORDER BY key FOR UPDATE",
            ),
            insert_absent: sql(&format!(
                "INSERT INTO {{schema}}.records (map, {columns}) SELECT $1, {values} FROM UNNEST({}) AS i({columns}) \
                 ON CONFLICT (map, key) DO NOTHING",
                written.arrays(2),
            )),
            update_held: sql(&format!(
                "UPDATE {{schema}}.records AS r SET {} FROM UNNEST({}) AS i({columns}) WHERE r.map = $1 AND r.key = i.key",
                written.assignments_from_rows(),
                written.arrays(2),
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
    /// The names of what the arrays bring.
    columns: String,
    /// What a row of the arrays gives for them.
    values: String,
    assignments: String,
    types: Vec<&'static str>,
}

impl Written {
    fn of(format: ValueFormat) -> Self {
        let mut names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
        let mut types: Vec<&str> = COLUMNS.iter().map(|(_, kind)| *kind).collect();
        let mut values: Vec<String> = names.iter().map(|name| format!("i.{name}")).collect();
        let changed = names.iter().filter(|name| **name != "key");
        let mut assignments: Vec<String> = changed.map(|name| format!("{name} = EXCLUDED.{name}")).collect();
        match format {
            // A value that the other format left must not outlive the body beside it.
            ValueFormat::Bytes => assignments.push("value = NULL".to_owned()),
            ValueFormat::Jsonb => {
                names.push("value");
                types.push("text");
                values.push("i.value::jsonb".to_owned());
                assignments.push("value = EXCLUDED.value".to_owned());
            }
        }
        Self {
            columns: names.join(", "),
            values: values.join(", "),
            assignments: assignments.join(", "),
            types,
        }
    }

    /// The arrays as parameters from this number on.
    fn arrays(&self, first: usize) -> String {
        let arrays = self
            .types
            .iter()
            .zip(first..)
            .map(|(kind, number)| format!("${number}::{kind}[]"));
        arrays.collect::<Vec<_>>().join(", ")
    }

    /// The assignments where the arrays' rows are joined instead of inserted.
    fn assignments_from_rows(&self) -> String {
        let assignments = self.assignments.replace("EXCLUDED.value", "i.value::jsonb");
        assignments.replace("EXCLUDED.", "i.")
    }
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
