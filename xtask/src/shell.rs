//! Running other programs: where, with which environment, and what to say when they fail.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// Nothing that is started here may ask a cloud's metadata address for credentials: port 9 of
/// loopback is closed.
const GUARDS: [(&str, &str); 3] = [
    ("AWS_EC2_METADATA_DISABLED", "true"),
    ("GCE_METADATA_HOST", "127.0.0.1:9"),
    ("GCE_METADATA_IP", "127.0.0.1:9"),
];

/// The workspace's folder, around the current one: a build of this may run in another clone.
pub(crate) fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| find_root().unwrap_or_else(|_| PathBuf::from(".")))
}

/// Looks for the workspace from the current folder upward, then where cargo says that this
/// package lies.
///
/// # Errors
/// When neither is in a workspace of ORBIT.
pub(crate) fn find_root() -> Result<PathBuf> {
    let here = std::env::current_dir().context("there is no current folder")?;
    let package = variable("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let starts = [Some(here.as_path()), package.as_deref()];
    let mut folders = starts.into_iter().flatten().flat_map(Path::ancestors);
    let root = folders.find(|folder| is_root(folder));
    let root = root.context("this is no clone of ORBIT; change into one")?;
    Ok(root.to_owned())
}

/// Whether a workspace with a member `xtask` begins here.
fn is_root(folder: &Path) -> bool {
    let Ok(text) = std::fs::read_to_string(folder.join("Cargo.toml")) else { return false };
    let has = |line: &str| text.lines().any(|l| l.trim().trim_end_matches(',') == line);
    has("[workspace]") && has("\"xtask\"")
}

/// A variable of the environment; none when unset or empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "no settings of ORBIT are read here")]
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

/// Where downloads and generated data are kept between runs.
pub(crate) fn cache() -> Result<PathBuf> {
    let base = match (variable("XDG_CACHE_HOME"), variable("HOME")) {
        (Some(cache), _) => PathBuf::from(cache),
        (None, Some(home)) => PathBuf::from(home).join(".cache"),
        (None, None) => bail!("neither XDG_CACHE_HOME nor HOME is set"),
    };
    let folder = base.join("orbit");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// A command in the workspace's folder, with the guards set.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).envs(GUARDS);
    command
}

/// The cargo that runs this.
///
/// What `cargo run` says of this package is left out: build scripts that look at such variables
/// would run again, and all that depends on them would be compiled again.
pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut cargo = command(variable("CARGO").unwrap_or_else(|| "cargo".to_owned()));
    cargo.args(arguments);
    for (name, _) in std::env::vars_os() {
        let of_package = |name: &str| {
            ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|p| name.starts_with(p))
        };
        if name.to_str().is_some_and(of_package) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// Shows the command, runs it and waits; its output goes to the terminal.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    eprintln!("$ {}", shown(command));
    let status = command.status().with_context(|| format!("cannot run `{}`", shown(command)))?;
    ensure!(status.success(), "`{}` failed: {status}", shown(command));
    Ok(())
}

/// What the command prints; its errors go to the terminal.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run `{}`", shown(command)))?;
    ensure!(output.status.success(), "`{}` failed: {}", shown(command), output.status);
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` printed bytes that are not UTF-8", shown(command)))
}

/// Whether the command runs and succeeds; nothing is shown.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|s| s.success())
}

/// Waits between two looks at something.
pub(crate) fn pause(time: Duration) {
    #[expect(clippy::disallowed_methods, reason = "nothing else runs on this thread")]
    std::thread::sleep(time);
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy();
    let arguments = command.get_args().map(OsStr::to_string_lossy);
    std::iter::once(name).chain(arguments).collect::<Vec<_>>().join(" ")
}
