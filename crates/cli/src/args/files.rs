//! Options of the commands on files: `ls`, `cat`, `get`, `put` and `rm`.

use std::path::PathBuf;

use clap::Args;

use super::{FileRef, Limits};

/// Options of `ls`.
#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    /// A folder or file, as NAME:PATH; `NAME:` is the whole datasource.
    #[arg(value_name = "NAME:PATH")]
    pub(crate) path: FileRef,
    /// List what is in folders, too.
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// Stop after this many entries, and say so if there were more.
    #[arg(short, long, value_name = "ENTRIES")]
    pub(crate) limit: Option<u64>,
    #[command(flatten)]
    pub(crate) limits: Limits,
}

/// Options of `cat`.
#[derive(Debug, Args)]
pub(crate) struct CatArgs {
    /// The file.
    #[arg(value_name = "NAME:PATH")]
    pub(crate) path: FileRef,
    #[command(flatten)]
    pub(crate) limits: Limits,
}

/// Options of `get`.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// The file.
    #[arg(value_name = "NAME:PATH")]
    pub(crate) path: FileRef,
    /// Where to: a file or a folder; the working folder if not said.
    #[arg(value_name = "LOCAL", default_value = ".")]
    pub(crate) local: PathBuf,
    /// Replace a local file that is there.
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) limits: Limits,
}

/// Options of `put`.
#[derive(Debug, Args)]
pub(crate) struct PutArgs {
    /// The local file; `-` is stdin.
    #[arg(value_name = "LOCAL")]
    pub(crate) local: PathBuf,
    /// Where to; a path that ends in `/` is a folder.
    #[arg(value_name = "NAME:PATH")]
    pub(crate) path: FileRef,
    /// Replace a file that is there.
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) limits: Limits,
}

/// Options of `rm`.
#[derive(Debug, Args)]
pub(crate) struct RmArgs {
    /// The files, or folders with --recursive.
    #[arg(value_name = "NAME:PATH", required = true)]
    pub(crate) paths: Vec<FileRef>,
    /// Delete folders and all that is in them.
    #[arg(short, long)]
    pub(crate) recursive: bool,
    #[command(flatten)]
    pub(crate) limits: Limits,
}
