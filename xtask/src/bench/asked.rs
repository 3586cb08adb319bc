//! What a command line asks for.

use std::path::PathBuf;

use crate::failure::{Failure, Outcome};

/// Which groups to run, and how.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked<'a> {
    pub(super) groups: Vec<&'a str>,
    /// Only a fraction of the work.
    pub(super) quick: bool,
    /// The largest sizes as well, where there are several.
    pub(super) large: bool,
    /// Where to write everything that was found.
    pub(super) json: Option<PathBuf>,
    /// Traces for the group of eviction.
    pub(super) traces: Vec<PathBuf>,
}

impl<'a> Asked<'a> {
    pub(super) fn parse(args: &'a [String], groups: &'a [String]) -> Outcome<Self> {
        let mut asked = Self {
            groups: Vec::new(),
            quick: false,
            large: false,
            json: None,
            traces: Vec::new(),
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--quick" => asked.quick = true,
                "--large" => asked.large = true,
                "--json" => asked.json = Some(file(arg, args.next())?),
                "--trace" => asked.traces.push(file(arg, args.next())?),
                name if groups.contains(arg) => asked.groups.push(name),
                unknown => {
                    let known = groups.join(", ");
                    return Err(Failure::new(format!("no group {unknown}; there are: {known}")));
                }
            }
        }
        if asked.groups.is_empty() {
            asked.groups = groups.iter().map(String::as_str).collect();
        }
        Ok(asked)
    }
}

fn file(option: &str, name: Option<&String>) -> Outcome<PathBuf> {
    let name = name.ok_or_else(|| Failure::new(format!("{option} needs the name of a file")))?;
    Ok(name.into())
}

#[cfg(test)]
mod tests {
    use super::Asked;

    fn strings(all: &[&str]) -> Vec<String> {
        all.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn all_groups_or_the_named_ones_and_no_others() {
        let groups = strings(&["engine", "store"]);
        let all = Asked::parse(&[], &groups).unwrap();
        assert_eq!(
            (all.groups, all.quick, all.json),
            (vec!["engine", "store"], false, None)
        );
        let line = "--quick store --json out.json --trace a --large --trace b";
        let args = strings(&line.split(' ').collect::<Vec<_>>());
        let one = Asked::parse(&args, &groups).unwrap();
        assert_eq!((one.groups, one.quick, one.large), (vec!["store"], true, true));
        assert_eq!(one.traces, ["a".as_ref(), "b".as_ref()] as [&std::path::Path; 2]);
        assert_eq!(one.json.as_deref(), Some("out.json".as_ref()));
        let other = strings(&["other"]);
        let failure = Asked::parse(&other, &groups).unwrap_err().to_string();
        assert_eq!(failure, "no group other; there are: engine, store");
        assert!(Asked::parse(&strings(&["--json"]), &groups).is_err());
    }
}
