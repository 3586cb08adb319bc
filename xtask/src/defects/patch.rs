//! A seeded defect: a patch that breaks one promise, and the test that must notice.

use std::path::{Path, PathBuf};

use crate::failure::{Context, Failure, Outcome};

/// Where the patches are, from the root.
pub(crate) const FOLDER: &str = "xtask/defects";

/// A patch and what its leading comment says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Defect {
    /// The file name without `.patch`.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// The clauses that it breaks.
    pub(crate) clauses: Vec<String>,
    /// The package of the test that must fail.
    pub(crate) package: String,
    /// The cargo features that the test needs, as cargo takes them; empty for the default ones.
    pub(crate) features: String,
    /// What the test's name contains.
    pub(crate) test: String,
    /// What the test needs that not every machine has; without it the defect is skipped.
    pub(crate) needs: Option<String>,
    pub(crate) why: String,
    /// The patch itself, comments and all.
    pub(crate) text: String,
}

impl Defect {
    /// Reads the leading comment of a patch.
    pub(crate) fn parse(path: &Path, text: &str) -> Outcome<Self> {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let optional = |key: &str| {
            let comments = text.lines().take_while(|line| line.starts_with('#'));
            let mut values = comments.filter_map(|line| line.strip_prefix(&format!("# {key}: ")));
            values.next().map(str::trim).filter(|value| !value.is_empty())
        };
        let field = |key: &str| {
            optional(key)
                .context(|| format!("{}: the leading comment has no line `# {key}: …`", path.display()))
        };
        let clauses = field("clause")?
            .split([',', ' '])
            .filter(|id| !id.is_empty())
            .map(str::to_owned)
            .collect();
        let (package, test) = field("test")?.split_once(' ').context(|| {
            format!(
                "{}: `# test:` names a package and then a test of it",
                path.display()
            )
        })?;
        let why = field("why")?.to_owned();
        let (package, test) = (package.to_owned(), test.trim().to_owned());
        Ok(Self {
            name,
            path: path.to_owned(),
            clauses,
            package,
            features: optional("features").unwrap_or_default().to_owned(),
            test,
            needs: optional("needs").map(str::to_owned),
            why,
            text: text.to_owned(),
        })
    }

    /// Reads all patches of the repository, in the order of their names.
    pub(crate) fn all(root: &Path) -> Outcome<Vec<Self>> {
        let folder = root.join(FOLDER);
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
            Err(error) => return Err(Failure::new(format!("read {}: {error}", folder.display()))),
        };
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "patch"));
        paths.sort();
        let read = |path: &PathBuf| {
            let text = std::fs::read_to_string(path).context(|| format!("read {}", path.display()))?;
            Self::parse(path, &text)
        };
        paths.iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Defect;

    const PATCH: &str =
        "# clause: D1, D2\n# test: layerstore-kv d1_fenced\n# why: because\n--- a/x\n+++ b/x\n";

    #[test]
    fn the_leading_comment_is_read() {
        let defect = Defect::parse(Path::new("xtask/defects/older-wins.patch"), PATCH).unwrap();
        assert_eq!(defect.name, "older-wins");
        assert_eq!(defect.clauses, ["D1", "D2"]);
        assert_eq!(
            (defect.package.as_str(), defect.test.as_str()),
            ("layerstore-kv", "d1_fenced")
        );
        assert_eq!((defect.why.as_str(), defect.features.as_str()), ("because", ""));
        assert_eq!(defect.needs, None);
        let text = PATCH.replace("# why", "# features: s3,fs\n# needs: power cuts\n# why");
        let defect = Defect::parse(Path::new("a.patch"), &text).unwrap();
        assert_eq!(defect.features, "s3,fs");
        assert_eq!(defect.needs.as_deref(), Some("power cuts"));
    }

    #[test]
    fn a_comment_that_lacks_a_line_is_refused_by_name() {
        for line in ["clause", "test", "why"] {
            let text = PATCH.replace(&format!("# {line}: "), "# other: ");
            let failure = Defect::parse(Path::new("a.patch"), &text)
                .unwrap_err()
                .to_string();
            assert!(failure.contains("a.patch") && failure.contains(line), "{failure}");
        }
        let failure = Defect::parse(Path::new("a.patch"), &PATCH.replace(" d1_fenced", "")).unwrap_err();
        assert!(failure.to_string().contains("package and then a test"));
    }
}
