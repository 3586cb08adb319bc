//! The distribution's packages of PostgreSQL, for a machine that has none installed.

use super::programs::{self, Programs};
use crate::services::account::Account;
use crate::services::packages::{Package, libraries, unpacked};

/// Unpacks the packages, unless they lie there from an earlier time, and returns the programs.
///
/// # Errors
/// What is missing, or what `apt-get` said.
pub(super) fn programs(account: Option<Account>) -> Result<Programs, String> {
    let unpacked = unpacked(Package::Postgres)?;
    let place = format!("{}/usr/lib/postgresql/*/bin", unpacked.display());
    let newest = programs::expand(&place).into_iter().max();
    let (_, folder) = newest.ok_or("the packages hold no `postgres`")?;
    Programs::at(&folder, libraries(&unpacked), account)
}
