//! SQL over a folder: a program that depends on `orbit` with the feature `local` alone.
//!
//! `cargo run -p example-one-feature -- config/sample-lake`

use std::path::Path;
use std::time::Duration;

use futures::TryStreamExt;
use orbit::Orbit;
use orbit::core::{Context, Error};
use orbit::engine::Request;

const SQL: &str = "
    SELECT n_name, count(*) AS customers
    FROM lake.customer JOIN lake.nation ON c_nationkey = n_nationkey
    GROUP BY n_name ORDER BY customers DESC, n_name LIMIT 5";

#[tokio::main]
async fn main() -> Result<(), Error> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/sample-lake");
    let folder = std::env::args().nth(1).unwrap_or_else(|| sample.display().to_string());
    let orbit = Orbit::builder().datasource("lake", "local", [("path", folder.as_str())]).open()?;

    let context = Context::builder().timeout(Duration::from_secs(30)).build();
    let request = Request { sql: SQL.to_owned(), ..Request::default() };
    let mut batches = orbit.engine().query(&context, request).await?;
    while let Some(batch) = batches.try_next().await? {
        show(&format!("{batch:#?}"));
    }
    orbit.close().await
}

#[expect(clippy::print_stdout, reason = "it is what the program is for")]
fn show(text: &str) {
    println!("{text}");
}
