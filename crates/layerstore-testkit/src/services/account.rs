//! An unprivileged account, where tests run as root and a server refuses to.

use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

const ROOT: u32 = 0;

/// The numbers of an account of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) user: u32,
    pub(super) group: u32,
}

impl Account {
    /// Returns the account that servers run as: none where this process is not root, or else `postgres` or `nobody`.
    ///
    /// # Errors
    /// When this process is root and neither exists.
    pub(super) fn for_servers() -> Result<Option<Self>, String> {
        // What this process makes belongs to it: the way to its own user number without `unsafe`.
        let mine = tempfile::tempfile().and_then(|file| file.metadata());
        let mine = mine.map_err(|error| format!("no temporary file can be made: {error}"))?;
        if mine.uid() != ROOT {
            return Ok(None);
        }
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let found = ["postgres", "nobody"]
            .iter()
            .find_map(|name| named(&passwd, name));
        found
            .map(Some)
            .ok_or_else(|| "tests run as root, and there is no user `postgres` or `nobody`".to_owned())
    }

    /// Makes `command` run as the account, if there is one.
    pub(super) fn enter(account: Option<Self>, command: &mut Command) {
        if let Some(account) = account {
            command.uid(account.user).gid(account.group);
        }
    }

    /// Gives a file or folder, not what is in it, to the account, if there is one.
    pub(super) fn give(account: Option<Self>, path: &Path) -> Result<(), String> {
        let Some(account) = account else { return Ok(()) };
        chown(path, Some(account.user), Some(account.group))
            .map_err(|error| format!("{} cannot be given away: {error}", path.display()))
    }
}

fn named(passwd: &str, name: &str) -> Option<Account> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut numbers = line.split(':').skip(2);
    let user = numbers.next()?.parse().ok()?;
    let group = numbers.next()?.parse().ok()?;
    (user != ROOT).then_some(Account { user, group })
}

#[cfg(test)]
mod tests {
    use super::{Account, named};

    #[test]
    fn an_account_is_read_by_its_whole_name_and_is_never_root() {
        let passwd = "root:x:0:0::/:/bin/sh\nnobody2:x:1:1::/:/bin/sh\nnobody:x:65534:65533:n:/:/bin/sh\nodd:x:0:0::/:\n";
        let nobody = Account {
            user: 65_534,
            group: 65_533,
        };
        assert_eq!(named(passwd, "nobody"), Some(nobody));
        assert_eq!(named(passwd, "postgres"), None);
        assert_eq!(named(passwd, "odd"), None);
    }
}
