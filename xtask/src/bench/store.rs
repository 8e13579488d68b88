//! The store that clients are timed against: a process that counts what it is asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, Result};

use crate::shell;

/// A running `plain-store`. Ended when it is dropped.
pub(super) struct Store {
    pub(super) port: u16,
    process: Child,
}

/// What the store was asked, and what it sent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Traffic {
    pub(super) requests: u64,
    pub(super) bytes: u64,
}

impl Store {
    /// Starts it with the Parquet files of `tables`.
    pub(super) fn start(binaries: &Path, tables: &Path) -> Result<Self> {
        let mut command = shell::command(binaries.join("plain-store"));
        let mut process = command.arg(tables).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let output = process.stdout.take().context("the store has no output")?;
        BufReader::new(output).read_line(&mut line)?;
        let port = line.trim().parse().context("the store did not tell its port");
        Ok(Self { port: port?, process })
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What went on since this was last asked.
    pub(super) fn traffic(&self) -> Result<Traffic> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.write_all(b"GET /-counts HTTP/1.1\r\nhost: store\r\n\r\n")?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let counts = answer.trim_end().lines().next_back().unwrap_or_default();
        let (requests, bytes) = counts.split_once(' ').context("the store told no counts")?;
        Ok(Traffic { requests: requests.parse()?, bytes: bytes.parse()? })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Nobody is left to tell if these fail.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
