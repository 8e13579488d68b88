//! `orbit init`: a commented configuration and the sample lake.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use orbit_core::{Error, ErrorKind};
use serde_json::json;

use crate::args::{Global, InitArgs};
use crate::failure::{Failure, Result};
use crate::output::listing::{print_json, print_text};
use crate::output::text::{bytes, counted};

/// The files of the sample lake: path and content.
const SAMPLE_LAKE: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/sample_lake.rs"));

const CONFIG: &[u8] = include_bytes!("../../assets/datasources.yaml");
const CONFIG_NAME: &str = "datasources.yaml";
const LAKE_NAME: &str = "sample-lake";

/// Writes them.
pub(crate) fn run(global: &Global, args: &InitArgs) -> Result<()> {
    let lake = args.folder.join(LAKE_NAME);
    let sample = SAMPLE_LAKE.iter().map(|(path, content)| (lake.join(path), *content));
    let mut files: Vec<(PathBuf, &[u8])> = vec![(args.folder.join(CONFIG_NAME), CONFIG)];
    files.extend(sample);
    if !args.force {
        refuse_to_overwrite(&files)?;
    }
    for (path, content) in &files {
        write(path, content, args.force).map_err(|cause| Failure::local("write", path, cause))?;
    }
    let size: usize = SAMPLE_LAKE.iter().map(|(_, content)| content.len()).sum();
    let config = args.folder.join(CONFIG_NAME);
    if global.json {
        return print_json(&json!({
            "config": config.display().to_string(),
            "files": files.iter().map(|(path, _)| path.display().to_string()).collect::<Vec<_>>(),
        }));
    }
    let count = counted(SAMPLE_LAKE.len() as u64, "file", "files");
    let enter = match args.folder == Path::new(".") {
        true => String::new(),
        false => format!("  cd {}\n", args.folder.display()),
    };
    print_text(&format!(
        "wrote {}\nwrote {} ({count}, {})\n\nnow try:\n{enter}  orbit check\n  orbit tables\n",
        config.display(),
        lake.display(),
        bytes(size as u64),
    ))
}

fn refuse_to_overwrite(files: &[(PathBuf, &[u8])]) -> Result<()> {
    let there: Vec<_> =
        files.iter().map(|(path, _)| path).filter(|p| p.symlink_metadata().is_ok()).collect();
    let Some(first) = there.first() else { return Ok(()) };
    let others = match there.len() {
        1 => String::new(),
        n => format!(", and so do {}", counted(n as u64 - 1, "other file", "other files")),
    };
    let message = format!("`{}` exists already{others}", first.display());
    let hint = "nothing was written; choose another folder, or replace them with --force";
    Err(Error::new(ErrorKind::AlreadyExists, message).with_hint(hint).into())
}

fn write(path: &Path, content: &[u8], replace: bool) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = match replace {
        true => File::create(path)?,
        false => File::create_new(path)?,
    };
    file.write_all(content)
}
