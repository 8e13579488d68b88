//! Files of a folder: a program that depends on one backend alone, without the engine.
//!
//! `cargo run -p example-one-backend -- config/sample-lake`

use std::path::Path;
use std::time::Duration;

use futures::TryStreamExt;
use orbit_core::{
    ByteRange, Context, Entry, Error, ErrorKind, FileEntry, KeyPath, ListFiles, Node, Operation,
    Origin, Read, Settings, Sources,
};
use orbit_local::BACKEND;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/sample-lake");
    let folder = std::env::args().nth(1).unwrap_or_else(|| sample.display().to_string());

    let config = (BACKEND.parse)(&settings(&folder)).map_err(|problems| {
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        Error::new(ErrorKind::ConfigInvalid, problems.join("; "))
    })?;
    let context = Context::builder().timeout(Duration::from_secs(30)).build();
    let datasource = config.connect(&context, &Sources::none()).await?;
    let files =
        datasource.facets().files.ok_or_else(|| Error::unsupported(Operation::ListFiles))?;

    let mut pages = files.list(&context, ListFiles::default()).await?;
    while let Some(page) = pages.try_next().await? {
        for entry in page {
            if let FileEntry::File(info) = entry {
                show(&format!("{:>10}  {}", info.size_bytes, info.key));
            }
        }
    }

    let read = Read {
        key: "region.csv".to_owned(),
        range: Some(ByteRange::Bounded(0..200)),
        if_match: None,
    };
    let mut body = files.read(&context, read).await?;
    while let Some(bytes) = body.bytes.try_next().await? {
        show(&String::from_utf8_lossy(&bytes));
    }
    datasource.close().await
}

/// What a configuration would say: `path: FOLDER`.
fn settings(folder: &str) -> Settings {
    let path = Entry {
        key: "path".to_owned(),
        key_origin: Origin::Default,
        node: Node::text(folder, Origin::Default),
    };
    Settings::new(KeyPath::default(), Node::map(vec![path], Origin::Default))
}

#[expect(clippy::print_stdout, reason = "it is what the program is for")]
fn show(text: &str) {
    println!("{text}");
}
