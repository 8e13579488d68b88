//! What the file system says, in the contract's terms.

use std::io;
use std::time::Duration;

use orbit_core::{Error, ErrorKind, Retry};
use rustix::io::Errno;

/// Whether a path was refused because it leads out of its root.
pub(crate) fn is_escape(error: &io::Error) -> bool {
    // The sandbox makes this error itself; the operating system's own carries a code.
    error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
}

/// Whether nothing can be found at a path.
pub(crate) fn is_missing(error: &io::Error) -> bool {
    use io::ErrorKind as Io;
    matches!(error.kind(), Io::NotFound | Io::NotADirectory | Io::InvalidFilename)
        || is(error, Errno::LOOP)
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

/// The failure of an operation on `key`.
pub(crate) fn of_key(error: io::Error, key: &str) -> Error {
    of(error).with_context("key", key)
}

/// The failure of an operation, without where it happened.
pub(crate) fn of(error: io::Error) -> Error {
    use io::ErrorKind as Io;
    let again = Retry::After(Duration::ZERO);
    if is_escape(&error) {
        let message = "the path leads out of the datasource's folder";
        return Error::new(ErrorKind::PermissionDenied, message)
            .with_hint("symbolic links are followed only while they stay inside");
    }
    if is_missing(&error) && error.kind() != Io::InvalidFilename {
        return Error::new(ErrorKind::NotFound, "no such file").with_source(error);
    }
    let mapped = match error.kind() {
        Io::PermissionDenied => {
            Error::new(ErrorKind::PermissionDenied, "the file system does not allow this")
                .with_hint("check owner and mode of the file and its folder")
        }
        Io::ReadOnlyFilesystem => {
            Error::new(ErrorKind::PermissionDenied, "the file system is read-only")
        }
        Io::AlreadyExists => Error::new(ErrorKind::AlreadyExists, "the file exists already"),
        Io::StorageFull | Io::QuotaExceeded => {
            Error::new(ErrorKind::ResourceExhausted, "the disk or its quota is full")
                .with_hint("free some space and write again")
        }
        Io::FileTooLarge => {
            Error::new(ErrorKind::ResourceExhausted, "the file system holds no file so large")
        }
        Io::IsADirectory | Io::DirectoryNotEmpty => {
            Error::new(ErrorKind::Unsupported, "a folder has this name, so no file can")
        }
        Io::InvalidFilename | Io::InvalidInput => {
            Error::new(ErrorKind::Unsupported, "the file system cannot hold this key")
        }
        _ if is(&error, Errno::NXIO) => {
            Error::new(ErrorKind::Unsupported, "only regular files are read, not sockets")
        }
        Io::OutOfMemory => Error::new(ErrorKind::ResourceExhausted, "out of memory"),
        _ if is(&error, Errno::MFILE) || is(&error, Errno::NFILE) => {
            Error::new(ErrorKind::ResourceExhausted, "too many files are open")
                .with_hint("raise the limit on open files (`ulimit -n`)")
                .with_retry(again)
        }
        _ => Error::new(ErrorKind::Unavailable, "the file system failed").with_retry(again),
    };
    mapped.with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_kind_and_says_what_to_do() {
        let errors = [
            Errno::NOENT,
            Errno::ACCESS,
            Errno::ROFS,
            Errno::EXIST,
            Errno::NOSPC,
            Errno::DQUOT,
            Errno::FBIG,
            Errno::ISDIR,
            Errno::NAMETOOLONG,
            Errno::MFILE,
            Errno::LOOP,
            Errno::NXIO,
            Errno::IO,
        ];
        let line = |errno: Errno| {
            let error = of_key(errno.into(), "k");
            format!("{}, {:?}: {error}\n", error.kind(), error.retry())
        };
        insta::assert_snapshot!(errors.map(line).concat(), @r"
        not_found, Never: no such file (key: k)
        permission_denied, Never: the file system does not allow this (key: k); check owner and mode of the file and its folder
        permission_denied, Never: the file system is read-only (key: k)
        already_exists, Never: the file exists already (key: k)
        resource_exhausted, Never: the disk or its quota is full (key: k); free some space and write again
        resource_exhausted, Never: the disk or its quota is full (key: k); free some space and write again
        resource_exhausted, Never: the file system holds no file so large (key: k)
        unsupported, Never: a folder has this name, so no file can (key: k)
        unsupported, Never: the file system cannot hold this key (key: k)
        resource_exhausted, After(0ns): too many files are open (key: k); raise the limit on open files (`ulimit -n`)
        not_found, Never: no such file (key: k)
        unsupported, Never: only regular files are read, not sockets (key: k)
        unavailable, After(0ns): the file system failed (key: k)
        ");
    }
}
