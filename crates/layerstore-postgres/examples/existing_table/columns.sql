-- What Layerstore needs beside the columns that the service had: `id`, `email` and `plan` stay as they are.
ALTER TABLE customers
    -- D7: pages come in the byte order of the keys. (An index on (id COLLATE "C") does as well, if queries say so too.)
    ALTER COLUMN id TYPE text COLLATE "C",
    -- D1: 16 bytes in version order. What was there before is older than all that is written from now on.
    ADD COLUMN version bytea NOT NULL DEFAULT '\x00000000000000000000000000000001',
    -- D1, for merging: when the value was written, by its writer's clock.
    ADD COLUMN written bytea NOT NULL DEFAULT '\x00000000000000000000000000000001',
    -- D2: a removal leaves its row behind until it is purged.
    ADD COLUMN removed boolean NOT NULL DEFAULT false,
    -- D5: when a record ends and what readers are told of it, in milliseconds since 1970.
    ADD COLUMN ends_at bigint,
    ADD COLUMN created_at bigint NOT NULL DEFAULT 0,
    ADD COLUMN updated_at bigint NOT NULL DEFAULT 0;

-- D2 and D8, one row: whose turn it is to write, how far versions go, and the two floors.
CREATE TABLE customers_writer (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    epoch bigint NOT NULL DEFAULT 0,
    high_water bytea NOT NULL DEFAULT '\x00000000000000000000000000000001',
    cleared bytea NOT NULL DEFAULT '\x00000000000000000000000000000000',
    purged bytea NOT NULL DEFAULT '\x00000000000000000000000000000000'
);
INSERT INTO customers_writer DEFAULT VALUES;
