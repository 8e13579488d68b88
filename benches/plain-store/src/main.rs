//! A store that speaks as much of S3 as its readers ask for, all of it in memory: what clients
//! are timed against. It checks no signature and computes no checksum, so that the client is
//! what a measurement shows. A thread for each connection; no file is written.
//!
//! `plain-store [FOLDER]` prints its port. The bucket `bench` has `many/`, a hundred thousand
//! small files; `small/`, ten thousand of 4 KiB; `large/file`, 1 GiB; and the files of FOLDER
//! below `tpch/`. `GET /-counts` answers the requests and the bytes of bodies since it was last
//! asked.

mod answer;
mod files;
mod request;

use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, io, thread};

use crate::answer::{Answer, answer};
use crate::files::Files;
use crate::request::Request;

/// What was sent since somebody asked.
#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    bytes: AtomicU64,
}

fn main() -> io::Result<()> {
    let files = Arc::new(Files::new(env::args_os().nth(1).map(PathBuf::from))?);
    let counts = Arc::new(Counts::default());
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    writeln!(io::stdout(), "{}", listener.local_addr()?.port())?;
    for stream in listener.incoming() {
        let (files, counts, stream) = (Arc::clone(&files), Arc::clone(&counts), stream?);
        // A client that has gone is no failure of the store.
        thread::spawn(move || serve(&stream, &files, &counts).ok());
    }
    Ok(())
}

fn serve(stream: &TcpStream, files: &Files, counts: &Counts) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(16 << 10, stream);
    while let Some(request) = Request::read(&mut reader)? {
        if request.path == "/-counts" {
            let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
            let text = format!("{} {}\n", take(&counts.requests), take(&counts.bytes));
            Answer::text(200, text).send(stream, false, &AtomicU64::default())?;
            continue;
        }
        counts.requests.fetch_add(1, Ordering::Relaxed);
        answer(&request, files).send(stream, request.method == "HEAD", &counts.bytes)?;
    }
    Ok(())
}
