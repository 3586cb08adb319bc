use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Keeps records in memory at memory speed, and safe in a store of your choice.
#[derive(Debug, Parser)]
#[command(name = "layerstore", version, about, after_help = EXIT_CODES, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Write results to stdout as JSON, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 partial (some lines or dead letters were refused, a copy differs, a salvage
lost something), 4 not found, 5 unavailable, 6 corrupt, 130 interrupted";

/// Where the records are.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Read the configuration from this file
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "data")]
    pub(crate) config: Option<PathBuf>,
    /// Keep records in an embedded store in this directory [default: ./layerstore-data]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Put the records of a file into a map
    Import(Import),
    /// Write the records of a map as JSON Lines, in key order
    Export(Export),
    /// Show the value of a record
    Get(One),
    /// Put one record
    Put(Put),
    /// Remove a record
    Rm(One),
    /// Show records in key order
    Scan(Scan),
    /// Apply changes from standard input, and show each change of a map as it happens
    Watch(Watch),
    /// Count records and bytes, map by map
    Stat,
    /// Open the store, read from every map, and show what is configured
    Check,
    /// Read everything and check every checksum
    Verify,
    /// Copy records from one store to another: versions, expiry and removals included
    Copy(Copy),
    /// Show, retry or throw away the writes that the data store refused for good
    #[cfg(feature = "write-behind")]
    DeadLetters(DeadLetters),
    /// Look at the log of write-behind, or save what can be read of a damaged one
    #[cfg(feature = "write-behind")]
    Log(Log),
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// JSON Lines or CSV; `-` is standard input
    pub(crate) file: PathBuf,
    /// The map
    #[arg(long, value_name = "MAP")]
    pub(crate) map: String,
    /// The field whose value is the key [default: `id`; where there is none, FILE's stem and the line]
    #[arg(long, value_name = "FIELD")]
    pub(crate) key: Option<String>,
    /// How long the records live, as in 500ms, 1h, 7days
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) ttl: Option<Duration>,
    /// Stop at the first bad line, with nothing of its batch written
    #[arg(long)]
    pub(crate) strict: bool,
    /// Turn CSV cells into numbers, true, false and null where that loses nothing
    #[arg(long)]
    pub(crate) infer: bool,
    /// What the file is [default: by its ending]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// Where rejected lines are listed [default: STEM.rejects.jsonl here]
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
    /// How progress is shown
    #[arg(long, value_enum, default_value_t = Progress::Auto)]
    pub(crate) progress: Progress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON value a line
    Jsonl,
    /// Comma-separated values under a line of names
    Csv,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    /// A bar on a terminal, nothing elsewhere
    Auto,
    /// A line on stdout for each batch that is durable
    Lines,
    /// Nothing
    Off,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The file to write, replaced whole once it is complete [default: stdout]
    pub(crate) file: Option<PathBuf>,
    /// The map
    #[arg(long, value_name = "MAP")]
    pub(crate) map: String,
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// The map
    #[arg(long, value_name = "MAP")]
    pub(crate) map: String,
    /// The key
    pub(crate) key: String,
}

#[derive(Debug, Args)]
pub(crate) struct Put {
    /// The map
    #[arg(long, value_name = "MAP")]
    pub(crate) map: String,
    /// The key
    pub(crate) key: String,
    /// The value
    #[arg(value_name = "JSON")]
    pub(crate) value: String,
    /// How long the record lives, as in 500ms, 1h, 7days
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) ttl: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct Scan {
    /// The map
    #[arg(long, value_name = "MAP")]
    pub(crate) map: String,
    /// Only keys that begin so
    #[arg(long, default_value = "")]
    pub(crate) prefix: String,
    /// At most so many records
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

#[derive(Debug, Args)]
#[command(after_help = WATCHED)]
pub(crate) struct Watch {
    /// The map
    #[arg(long, value_name = "MAP")]
    pub(crate) map: String,
    /// Show only keys that begin so
    #[arg(long, default_value = "")]
    pub(crate) prefix: String,
    /// Go on after the end of standard input, until Ctrl-C
    #[arg(long)]
    pub(crate) follow: bool,
}

const WATCHED: &str = "\
A store has one writing process at a time, and this is it: shown is what comes from standard input, and what ends by itself. Each
line of it is a JSON object: {\"key\": K, \"value\": V} puts, {\"event\": \"remove\", \"key\": K} removes, {\"event\": \"clear\"} removes all.
What --json shows can be given to another watch.";

#[derive(Debug, Args)]
#[command(after_help = STORES)]
pub(crate) struct Copy {
    /// The store to read, which is not written to
    #[arg(long, value_name = "STORE")]
    pub(crate) from: String,
    /// The store to write, whose maps nobody else may write meanwhile
    #[arg(long, value_name = "STORE")]
    pub(crate) to: String,
    /// Only this map; may be given more than once [default: all]
    #[arg(long, value_name = "MAP")]
    pub(crate) map: Vec<String>,
    /// Fence out whoever writes the source, and carry over what it has cleared and purged
    #[arg(long)]
    pub(crate) fence_source: bool,
    /// How progress is shown
    #[arg(long, value_enum, default_value_t = Progress::Auto)]
    pub(crate) progress: Progress,
}

#[cfg(feature = "write-behind")]
#[derive(Debug, Args)]
pub(crate) struct DeadLetters {
    #[command(subcommand)]
    pub(crate) what: DeadLettersCommand,
}

#[cfg(feature = "write-behind")]
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// Show them: map, key, whether it stores or removes, version, and why it was refused
    List {
        /// Only those of this map
        #[arg(long, value_name = "MAP")]
        map: Option<String>,
    },
    /// Try them again, and say what became of each
    Retry(Chosen),
    /// Throw them away: the keys hold again what the data store has
    Discard(Chosen),
}

#[cfg(feature = "write-behind")]
#[derive(Debug, Args)]
pub(crate) struct Chosen {
    /// The map
    #[arg(long, value_name = "MAP")]
    pub(crate) map: Option<String>,
    /// The keys, of the map that --map names
    #[arg(
        value_name = "KEY",
        required_unless_present = "all",
        conflicts_with = "all",
        requires = "map"
    )]
    pub(crate) keys: Vec<String>,
    /// All of them; of the map that --map names, where it does
    #[arg(long)]
    pub(crate) all: bool,
}

#[cfg(feature = "write-behind")]
#[derive(Debug, Args)]
pub(crate) struct Log {
    #[command(subcommand)]
    pub(crate) what: LogCommand,
}

#[cfg(feature = "write-behind")]
#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Show what the files of a log hold, without changing them, also while it is open elsewhere
    Inspect {
        /// The directory of the log [default: where the configuration has it]
        dir: Option<PathBuf>,
    },
    /// Take over what can be read of a damaged log into a new one; the old one is only read
    Salvage {
        /// The directory of the damaged log
        from: PathBuf,
        /// The directory of the new log, which is empty or not there
        to: PathBuf,
    },
}

const STORES: &str = "\
STORE is embedded:DIR, postgres://…, s3://BUCKET/PREFIX, or a configuration file, FILE.toml. Others can see the arguments of a
command: a password belongs into a file, as url = { env = \"NAME\" }. Run again, a copy goes on where it stopped.";

/// Reads a duration that a record can have from now on.
fn duration(text: &str) -> Result<Duration, String> {
    use layerstore::{Clock, Expiry, SystemClock};
    let duration = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write it as in 500ms, 1h or 7days"))?;
    Expiry::starting(SystemClock.now(), Some(duration), None).map_err(|error| error.to_string())?;
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_ttl_must_fit_the_calendar() {
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3_600)));
        assert!(duration("0s").unwrap_err().contains("too short"));
        assert!(duration("20000years").unwrap_err().contains("too long"));
        assert!(duration("99999999999999999999years").is_err());
        assert!(duration("soon").unwrap_err().contains("500ms"));
    }
}
