use std::fmt::Write;

use super::data_store::kinds;
use super::document::{DataStoreSection, Document, MaintenanceSection, MapSection, MemorySection};
use super::section::{Described, Section};
use crate::behind::WriteBehindSection;

/// What stands before the tables.
const INTRODUCTION: &str = "\
# Configuration

`Layerstore::open(\"layerstore.toml\")` and `layerstore --config layerstore.toml` read this file. A setting that is not known,
a value that cannot be, and settings that contradict each other are errors at start, which name file, line and key.

```toml
format = 1

[data_store]
kind = \"embedded\"
path = \"layerstore-data\"

[memory]
max_cost = \"1GiB\"

[map.default]
eviction = \"two-segment\"

[map.sessions]
ttl = \"12h\"
max_idle = \"30m\"
```

Another store is another `[data_store]`, and its cargo feature; the rest of the file is the same:

```toml
format = 1

[data_store]
kind = \"postgres\"
url = { env = \"DATABASE_URL\" }   # or { file = \"PATH\" }: a secret is best kept out of this file
value_format = \"jsonb\"
```

```toml
format = 1

[data_store]
kind = \"object\"
service = \"s3\"

[data_store.options]
bucket = \"records\"
root = \"/shop\"
region = \"eu-central-1\"
access_key_id = { env = \"AWS_ACCESS_KEY_ID\" }
secret_access_key = { env = \"AWS_SECRET_ACCESS_KEY\" }
```

The same service keeps many records an object, which suits many small records that come in batches
([object-stores.md](object-stores.md#packed)):

```toml
format = 1

[data_store]
kind = \"object\"
service = \"s3\"
layout = \"packed\"
options = { bucket = \"records\", region = \"eu-central-1\", secret_access_key = { file = \"secret/s3\" } }
```

Two stores are one, from whose hot one records move to the cold one when nobody has used them for a while:

```toml
format = 1

[data_store]
kind = \"tiered\"
idle = \"30days\"

[data_store.hot]
kind = \"embedded\"
path = \"layerstore-data\"

[data_store.cold]
kind = \"object\"
service = \"s3\"
options = { bucket = \"archive\", region = \"eu-central-1\", secret_access_key = { file = \"secret/s3\" } }
```

Writes are acknowledged once they are in a durable log, and go to the data store in batches a second later, with two lines more around
whatever the store is ([write-behind.md](write-behind.md)):

```toml
format = 1

[data_store]
kind = \"postgres\"
url = { env = \"DATABASE_URL\" }

[write_behind]
delay = \"1s\"
```

Durations are written as `\"500ms\"`, `\"1h 30m\"` or `\"7days\"` and are at least 1 ms; sizes as `\"64KiB\"`, `\"1GiB\"` (powers of 1,024) or
`\"500MB\"` (powers of 1,000). `\"none\"` undoes what `[map.default]` says.
";

/// What stands at the end.
const END: &str = "
---
This page is generated from the types that read the file (`crates/layerstore/src/config/document.rs`); a test compares them.
`LAYERSTORE_BLESS=1 cargo test -p layerstore config_page` writes it anew.
";

/// Writes the page that documents the configuration file, in Markdown: `docs/config.md`.
#[must_use]
pub fn config_page() -> String {
    let mut page = INTRODUCTION.to_owned();
    table(
        &mut page,
        "The top of the file",
        &Document::about(),
        Document::described(),
    );
    table(
        &mut page,
        "`[data_store]`",
        &DataStoreSection::about(),
        DataStoreSection::described(),
    );
    for known in kinds() {
        let title = format!("`[data_store]` of `kind = {:?}`", known.kind.name());
        table(&mut page, &title, &known.about, known.settings);
    }
    table(
        &mut page,
        "`[write_behind]`",
        &WriteBehindSection::about(),
        WriteBehindSection::described(),
    );
    table(
        &mut page,
        "`[memory]`",
        &MemorySection::about(),
        MemorySection::described(),
    );
    table(
        &mut page,
        "`[maintenance]`",
        &MaintenanceSection::about(),
        MaintenanceSection::described(),
    );
    table(
        &mut page,
        "`[map.default]`, `[map.NAME]`",
        &MapSection::about(),
        MapSection::described(),
    );
    page.push_str(END);
    page
}

fn table(page: &mut String, title: &str, about: &str, settings: Vec<Described>) {
    // Writing to a String cannot fail.
    let _ = write!(
        page,
        "\n## {title}\n{about}\n\n| setting | value | default | what it is |\n| --- | --- | --- | --- |\n"
    );
    for Described {
        name,
        form,
        default,
        about,
    } in settings
    {
        let _ = writeln!(page, "| `{name}` | {form} | {default} | {about} |");
    }
}
