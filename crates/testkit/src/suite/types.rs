//! Each Arrow type comes as it was put: null, smallest, largest, empty and odd values.

use orbit_core::{Query, TableRef};

use super::Trial;
use super::check::gather;
use super::rows::same_rows;
use crate::bench::Bench;
use crate::subject::{Stop, Verdict};
use crate::tables::TYPES;

/// One trial for each type case, named after it.
pub(crate) fn trials() -> Vec<Trial> {
    let trial = |name: &'static str| Trial {
        group: "types",
        name: name.into(),
        needs: vec!["sql.query"],
        run: Box::new(move |bench| Box::pin(reads(bench, name))),
    };
    TYPES.iter().copied().map(trial).collect()
}

async fn reads(bench: &Bench, case: &'static str) -> Verdict {
    let Some((table, expected)) = bench.sql_fixture().await?.types.get(case) else {
        return Err(Stop::ignored(format!("the source has no type for {case}")));
    };
    let query = Query::table(TableRef::new(table.clone()));
    let got = gather(bench.sql()?.query(&bench.cx(), query).await?).await?;
    same_rows(&got, expected, false)
}
