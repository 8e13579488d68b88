//! Carries the sample lake inside the binary, and names the commit that it was built from.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let lake = root.join("config/sample-lake");
    println!("cargo::rerun-if-changed={}", lake.display());

    let mut files = Vec::new();
    collect(&lake, &mut files)?;
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        let name = file.strip_prefix(&lake)?.to_str().ok_or("a file's name is not UTF-8")?;
        writeln!(list, "({name:?}, include_bytes!({:?})),", file.display().to_string())?;
    }
    list.push(']');
    fs::write(out.join("sample_lake.rs"), list)?;
    println!("cargo::rustc-env=ORBIT_COMMIT={}", commit(&root).unwrap_or_default());
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// The commit of the checkout, read from git's own files; none outside a checkout.
///
/// A development build has none, so that a commit does not link it anew.
fn commit(root: &Path) -> Option<String> {
    println!("cargo::rerun-if-env-changed=ORBIT_BUILD_COMMIT");
    if let Some(given) = env::var_os("ORBIT_BUILD_COMMIT") {
        return given.into_string().ok();
    }
    if env::var_os("PROFILE")? == "debug" {
        return None;
    }
    let head = root.join(".git/HEAD");
    println!("cargo::rerun-if-changed={}", head.display());
    let text = fs::read_to_string(head).ok()?;
    let hash = match text.trim().strip_prefix("ref: ") {
        Some(name) => {
            let file = root.join(".git").join(name);
            println!("cargo::rerun-if-changed={}", file.display());
            fs::read_to_string(file).ok()?
        }
        None => text.clone(),
    };
    hash.trim().get(..12).map(str::to_owned)
}
