//! An account of this machine without privileges, for servers that refuse root.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::ServerError;

/// Accounts that hold nothing else of worth, in the order of preference.
const NAMES: [&str; 2] = ["postgres", "nobody"];

/// Who runs a server.
#[derive(Debug, Clone, Copy)]
pub(super) enum Account {
    /// Whoever runs the test.
    Own,
    /// Somebody else, because the test runs as root.
    Other { uid: u32, gid: u32 },
}

impl Account {
    /// The account that may run a server whose files lie in `folder`, which it is given.
    pub(super) fn owning(folder: &Path) -> Result<Self, ServerError> {
        let owner = fs::metadata(folder).map_err(|e| ServerError::failed(folder.display(), e))?;
        if owner.uid() != 0 {
            return Ok(Self::Own);
        }
        let accounts = fs::read_to_string("/etc/passwd")
            .map_err(|e| ServerError::failed("reading /etc/passwd", e))?;
        let found = NAMES.iter().find_map(|name| entry(&accounts, name));
        let Some((uid, gid)) = found else {
            let names = NAMES.join(" or ");
            return Err(ServerError::Missing(format!("there is no account {names} for a server")));
        };
        let account = Self::Other { uid, gid };
        account.own(folder)?;
        Ok(account)
    }

    /// Gives `folder` to this account.
    pub(super) fn own(self, folder: &Path) -> Result<(), ServerError> {
        let Self::Other { uid, gid } = self else { return Ok(()) };
        chown(folder, Some(uid), Some(gid))
            .map_err(|e| ServerError::failed(format!("giving away {}", folder.display()), e))
    }

    /// Makes `command` run as this account.
    pub(super) fn runs(self, command: &mut Command) {
        if let Self::Other { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
    }
}

/// The ids in a line such as `nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin`.
fn entry(accounts: &str, name: &str) -> Option<(u32, u32)> {
    let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}
