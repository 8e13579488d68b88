//! DataFusion as it comes, over the Parquet files of a folder: what ORBIT's engine is measured
//! against. Prints the answer as CSV.

use std::path::Path;

use anyhow::{Context, Result};
use arrow_csv::WriterBuilder;
use datafusion::prelude::{ParquetReadOptions, SessionContext};
use futures::StreamExt;

/// The binary `orbit` has the same, so that the allocator is no part of the difference.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [folder, query] = arguments.as_slice() else {
        anyhow::bail!("usage: datafusion-plain FOLDER QUERY.sql");
    };
    let session = SessionContext::new();
    register(&session, Path::new(folder)).await?;
    let sql = std::fs::read_to_string(query).with_context(|| format!("cannot read {query}"))?;
    let mut batches = session.sql(&sql).await?.execute_stream().await?;
    let mut csv = WriterBuilder::new().with_header(true).build(std::io::stdout().lock());
    while let Some(batch) = batches.next().await {
        csv.write(&batch?)?;
    }
    Ok(())
}

/// Each `NAME.parquet` is the table `NAME`.
async fn register(session: &SessionContext, folder: &Path) -> Result<()> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let (Some(name), Some("parquet")) =
            (path.file_stem().and_then(|n| n.to_str()), path.extension().and_then(|e| e.to_str()))
        else {
            continue;
        };
        let location = path.to_str().context("a path that is not UTF-8")?;
        session.register_parquet(name, location, ParquetReadOptions::default()).await?;
    }
    Ok(())
}
