//! The sample lake: small enough for the repository, odd enough to be worth a question.

use std::path::Path;

use crate::table::{Pages, write_csv, write_parquet};
use crate::{messy, tpch};

/// A few thousand orders.
const SCALE: f64 = 0.002;
const ROW_GROUP_ROWS_MAX: usize = 4096;

/// Writes the lake's files; what else lies in the folder is left alone.
pub(crate) fn write(out: &Path) -> anyhow::Result<()> {
    let parquet = |name: &str| out.join(format!("{name}.parquet"));
    let rows = ROW_GROUP_ROWS_MAX;
    write_parquet(tpch::lineitem(SCALE), &parquet("lineitem"), Pages::Zstd, rows)?;
    write_parquet(tpch::orders(SCALE), &parquet("orders"), Pages::Zstd, rows)?;
    write_parquet(tpch::customer(SCALE), &parquet("customer"), Pages::Zstd, rows)?;
    write_parquet(tpch::part(SCALE), &parquet("part"), Pages::Zstd, rows)?;
    write_parquet(tpch::supplier(SCALE), &parquet("supplier"), Pages::Zstd, rows)?;
    write_csv(tpch::nation(), &out.join("nation.csv"))?;
    write_csv(tpch::region(), &out.join("region.csv"))?;
    messy::write(&out.join("messy_customers.csv"))
}
