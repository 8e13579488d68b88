//! The servers that were started, in a file, so that a later command can end them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::shell;

/// How long a server has to end by itself.
const END_TIMEOUT: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A server that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) name: String,
    pub(super) pid: i32,
    /// The kernel's start time of the process: a later process of the same id has another.
    pub(super) started: u64,
    pub(super) port: u16,
    pub(super) password: String,
    /// Thrown away when the server has ended.
    pub(super) folder: PathBuf,
}

#[derive(Debug, Default)]
pub(super) struct State {
    servers: Vec<Server>,
}

impl State {
    pub(super) fn read() -> Result<Self> {
        let path = path()?;
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = std::fs::read_to_string(&path)?;
        let parse = || -> Result<_> {
            let value: Value = serde_json::from_str(&text)?;
            let list = value.as_array().context("not a list")?;
            list.iter().map(Server::from_json).collect()
        };
        let servers = parse().with_context(|| format!("{} is damaged", path.display()))?;
        Ok(Self { servers })
    }

    pub(super) fn write(&self) -> Result<()> {
        let path = path()?;
        let list: Vec<_> = self.servers.iter().map(Server::to_json).collect();
        let text = serde_json::to_string_pretty(&list)?;
        write_private(&path, &text).with_context(|| format!("cannot write {}", path.display()))
    }

    pub(super) fn add(&mut self, server: Server) {
        self.servers.retain(|s| s.name != server.name);
        self.servers.push(server);
    }

    pub(super) fn running(&self) -> impl Iterator<Item = &Server> {
        self.servers.iter().filter(|s| s.runs())
    }

    /// Ends the servers that are wanted and forgets them; answers the names of those that ran.
    pub(super) fn end(&mut self, wanted: impl Fn(&Server) -> bool) -> Result<Vec<String>> {
        let (end, keep) = std::mem::take(&mut self.servers).into_iter().partition(|s| wanted(s));
        self.servers = keep;
        let end: Vec<Server> = end;
        let mut ended = Vec::new();
        for server in end {
            if server.runs() {
                server.end()?;
                ended.push(server.name.clone());
            }
            if server.folder.exists() {
                std::fs::remove_dir_all(&server.folder)?;
            }
        }
        Ok(ended)
    }
}

impl Server {
    /// Whether this very process still runs.
    pub(super) fn runs(&self) -> bool {
        process_started(self.pid) == Some(self.started)
    }

    fn end(&self) -> Result<()> {
        let pid = Pid::from_raw(self.pid);
        for signal in [Signal::SIGINT, Signal::SIGKILL] {
            kill(pid, signal).with_context(|| format!("cannot end {}", self.name))?;
            let begin = Instant::now();
            while self.runs() && begin.elapsed() < END_TIMEOUT {
                shell::pause(LOOK_EVERY);
            }
            if !self.runs() {
                return Ok(());
            }
        }
        ensure!(!self.runs(), "{} (pid {}) does not end", self.name, self.pid);
        Ok(())
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "pid": self.pid,
            "started": self.started,
            "port": self.port,
            "password": self.password,
            "folder": self.folder,
        })
    }

    fn from_json(value: &Value) -> Result<Self> {
        let number = |key: &str| value[key].as_u64().with_context(|| format!("no `{key}`"));
        let text = |key: &str| value[key].as_str().with_context(|| format!("no `{key}`"));
        Ok(Self {
            name: text("name")?.to_owned(),
            pid: i32::try_from(number("pid")?)?,
            started: number("started")?,
            port: u16::try_from(number("port")?)?,
            password: text("password")?.to_owned(),
            folder: PathBuf::from(text("folder")?),
        })
    }
}

/// When a process started, in the kernel's ticks; none when it has ended.
pub(super) fn process_started(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, so the fields count from its end.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let state = *fields.first()?;
    if state == "Z" || state == "X" {
        return None;
    }
    fields.get(19)?.parse().ok()
}

fn path() -> Result<PathBuf> {
    let folder = shell::cache()?.join("testbed");
    std::fs::create_dir_all(&folder)?;
    Ok(folder.join("state.json"))
}

/// The file holds passwords, even if only of servers on loopback.
fn write_private(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(pid: i32, started: u64) -> Server {
        Server {
            name: "demo".into(),
            pid,
            started,
            port: 1,
            password: "p".into(),
            folder: PathBuf::from("/nowhere"),
        }
    }

    #[test]
    fn a_server_survives_the_file() {
        let server = server(7, 9);
        assert_eq!(Server::from_json(&server.to_json()).unwrap(), server);
    }

    #[test]
    fn another_process_of_the_same_id_is_not_the_server() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let started = process_started(pid).unwrap();
        assert!(server(pid, started).runs());
        assert!(!server(pid, started + 1).runs());
    }

    #[test]
    fn ending_ends_only_what_is_wanted() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let mut state = State::default();
        state.add(server(pid, process_started(pid).unwrap()));
        assert!(state.end(|_| false).unwrap().is_empty());
        assert_eq!(state.end(|s| s.name == "demo").unwrap(), ["demo"]);
        assert!(!child.wait().unwrap().success());
    }
}
