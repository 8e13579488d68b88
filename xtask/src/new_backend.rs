//! Writes the crate of a new backend and names it where it must be named.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use crate::shell;

#[derive(Args)]
pub(crate) struct Options {
    /// Its name, such as `azure-blob`; in YAML it is `azure_blob`
    name: String,
    /// How it speaks to its vendor
    #[arg(long)]
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    File,
    Http,
    Sql,
}

const CARGO: &str = include_str!("../templates/backend/Cargo.toml.in");
const README: &str = include_str!("../templates/backend/README.md.in");
const LIB: &str = include_str!("../templates/backend/lib.rs.in");
const CONFIG: &str = include_str!("../templates/backend/config.rs.in");
const DATASOURCE_SQL: &str = include_str!("../templates/backend/datasource_sql.rs.in");
const DATASOURCE_FILE: &str = include_str!("../templates/backend/datasource_file.rs.in");
const DIALECT: &str = include_str!("../templates/backend/dialect.rs.in");
const BEHAVIOUR: &str = include_str!("../templates/backend/behaviour.rs.in");

pub(crate) fn run(options: &Options) -> Result<()> {
    let name = Name::parse(&options.name)?;
    write(shell::root(), &name, options.kind)?;
    println!("crates/backends/{0} is written and linked; next: cargo test -p orbit-{0}", name.leaf);
    Ok(())
}

/// The forms in which the name appears.
struct Name {
    /// `azure-blob`
    leaf: String,
}

impl Name {
    fn parse(text: &str) -> Result<Self> {
        let good = text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-')
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        ensure!(good, "`{text}` is no name: lower case letters, digits and hyphens");
        Ok(Self { leaf: text.to_owned() })
    }

    fn snake(&self) -> String {
        self.leaf.replace('-', "_")
    }

    fn camel(&self) -> String {
        let capital = |part: &str| part[..1].to_uppercase() + &part[1..];
        self.leaf.split('-').filter(|p| !p.is_empty()).map(capital).collect()
    }
}

fn write(root: &Path, name: &Name, kind: Kind) -> Result<()> {
    let folder = root.join("crates/backends").join(&name.leaf);
    ensure!(!folder.exists(), "crates/backends/{} exists", name.leaf);
    // Every edit is prepared before the first is written.
    let edits = [
        edit(root, "Cargo.toml", |text| after_line(text, "orbit-", &workspace_line(name)))?,
        edit(root, "crates/orbit/Cargo.toml", |text| {
            let text =
                after_line(text, "local = [", &format!("{0} = [\"dep:orbit-{0}\"]", name.leaf))?;
            let line = format!("orbit-{} = {{ workspace = true, optional = true }}", name.leaf);
            after_line(&text, "orbit-local = {", &line)
        })?,
        edit(root, "crates/cli/Cargo.toml", |text| {
            after_line(text, "local = [", &format!("{0} = [\"orbit/{0}\"]", name.leaf))
        })?,
        edit(root, "crates/orbit/src/link.rs", |text| {
            let lines = format!(
                "    #[cfg(feature = \"{}\")]\n    &orbit_{}::BACKEND,",
                name.leaf,
                name.snake()
            );
            after_line(text, "    &orbit_local::BACKEND,", &lines)
        })?,
    ];
    for (path, text) in files(name, kind) {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(&folder))?;
        std::fs::write(path, text)?;
    }
    for (path, text) in edits {
        std::fs::write(path, text)?;
    }
    Ok(())
}

fn workspace_line(name: &Name) -> String {
    format!("orbit-{0} = {{ path = \"crates/backends/{0}\" }}", name.leaf)
}

fn edit(
    root: &Path,
    path: &str,
    change: impl Fn(&str) -> Result<String>,
) -> Result<(PathBuf, String)> {
    let full = root.join(path);
    let text = std::fs::read_to_string(&full).with_context(|| format!("cannot read {path}"))?;
    let changed = change(&text).with_context(|| format!("cannot edit {path}"))?;
    Ok((full, changed))
}

/// The text with `line` after the first line that starts with `start`.
fn after_line(text: &str, start: &str, line: &str) -> Result<String> {
    let mut lines: Vec<_> = text.lines().collect();
    let place = lines.iter().position(|l| l.starts_with(start));
    let place = place.with_context(|| format!("no line starts with `{start}`"))?;
    lines.insert(place + 1, line);
    Ok(lines.join("\n") + "\n")
}

fn files(name: &Name, kind: Kind) -> Vec<(&'static str, String)> {
    let sql = kind != Kind::File;
    let datasource = if sql { DATASOURCE_SQL } else { DATASOURCE_FILE };
    let mut templates = vec![
        ("Cargo.toml", CARGO),
        ("README.md", README),
        ("src/lib.rs", LIB),
        ("src/config.rs", CONFIG),
        ("src/datasource.rs", datasource),
        ("tests/behaviour.rs", BEHAVIOUR),
    ];
    if sql {
        templates.push(("src/dialect.rs", DIALECT));
    }
    templates.into_iter().map(|(path, text)| (path, fill(text, name, kind))).collect()
}

fn fill(template: &str, name: &Name, kind: Kind) -> String {
    let (kind_text, kind_variant) = match kind {
        Kind::File => ("file", "File"),
        Kind::Http => ("HTTP API", "HttpApi"),
        Kind::Sql => ("native SQL", "NativeSql"),
    };
    let (setting, setting_doc, example) = match kind {
        Kind::File => ("bucket", "The name of the bucket.", "sales"),
        Kind::Http => ("endpoint_url", "Where the API is.", "https://api.example.com"),
        Kind::Sql => ("host", "The name or address of the server.", "db.example.com"),
    };
    let (capability, dialect, dialect_mod, dependencies) = match kind {
        Kind::File => (
            "sql: None, files: Some(datasource::CAPABILITY)",
            "None",
            "",
            "bytes.workspace = true\n",
        ),
        Kind::Http | Kind::Sql => (
            "sql: Some(datasource::CAPABILITY), files: None",
            "Some(dialect::dialect)",
            "mod dialect;\n",
            "",
        ),
    };
    let values = [
        ("{{crate}}", format!("orbit-{}", name.leaf)),
        ("{{lib}}", format!("orbit_{}", name.snake())),
        ("{{name}}", name.snake()),
        ("{{type}}", name.camel()),
        ("{{kind_text}}", kind_text.to_owned()),
        ("{{kind_variant}}", kind_variant.to_owned()),
        ("{{setting}}", setting.to_owned()),
        ("{{setting_doc}}", setting_doc.to_owned()),
        ("{{example}}", example.to_owned()),
        ("{{capability}}", capability.to_owned()),
        ("{{dialect}}", dialect.to_owned()),
        ("{{dialect_mod}}", dialect_mod.to_owned()),
        ("{{dependencies}}", dependencies.to_owned()),
    ];
    values.iter().fold(template.to_owned(), |text, (key, value)| text.replace(key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_their_forms() {
        let name = Name::parse("azure-blob").unwrap();
        assert_eq!((name.snake().as_str(), name.camel().as_str()), ("azure_blob", "AzureBlob"));
        for bad in ["", "Azure", "azure_blob", "-a", "a-", "1a"] {
            assert!(Name::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_of_the_template_is_left() {
        for kind in [Kind::File, Kind::Http, Kind::Sql] {
            for (path, text) in files(&Name::parse("demo").unwrap(), kind) {
                assert!(!text.contains("{{"), "{path}");
            }
        }
    }

    #[test]
    fn about_six_lines_outside_the_folder() {
        let root = tempfile::tempdir().unwrap();
        let paths = [
            "Cargo.toml",
            "crates/orbit/Cargo.toml",
            "crates/cli/Cargo.toml",
            "crates/orbit/src/link.rs",
        ];
        let read = |root: &Path| -> String {
            paths.iter().map(|p| std::fs::read_to_string(root.join(p)).unwrap()).collect()
        };
        for path in paths {
            let to = root.path().join(path);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(shell::root().join(path), to).unwrap();
        }
        let before = read(root.path());
        write(root.path(), &Name::parse("demo").unwrap(), Kind::Http).unwrap();
        let after = read(root.path());
        assert_eq!(after.lines().count() - before.lines().count(), 6);
        for line in after.lines().filter(|l| l.contains("demo")) {
            assert!(!before.contains(line), "{line}");
        }
    }
}
