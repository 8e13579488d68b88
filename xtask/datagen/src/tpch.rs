//! The TPC-H tables.

use std::path::Path;

use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow,
    SupplierArrow,
};

use crate::table::{Pages, write_parquet};

const ROW_GROUP_ROWS_MAX: usize = 1 << 19;

/// Writes the eight tables at this scale, each as `NAME.parquet`.
pub(crate) fn write(scale: f64, out: &Path) -> anyhow::Result<()> {
    table(lineitem(scale), out, "lineitem")?;
    table(orders(scale), out, "orders")?;
    table(PartSuppArrow::new(PartSuppGenerator::new(scale, 1, 1)), out, "partsupp")?;
    table(part(scale), out, "part")?;
    table(customer(scale), out, "customer")?;
    table(supplier(scale), out, "supplier")?;
    table(nation(), out, "nation")?;
    table(region(), out, "region")
}

pub(crate) fn lineitem(scale: f64) -> LineItemArrow {
    LineItemArrow::new(LineItemGenerator::new(scale, 1, 1))
}

pub(crate) fn orders(scale: f64) -> OrderArrow {
    OrderArrow::new(OrderGenerator::new(scale, 1, 1))
}

pub(crate) fn part(scale: f64) -> PartArrow {
    PartArrow::new(PartGenerator::new(scale, 1, 1))
}

pub(crate) fn customer(scale: f64) -> CustomerArrow {
    CustomerArrow::new(CustomerGenerator::new(scale, 1, 1))
}

pub(crate) fn supplier(scale: f64) -> SupplierArrow {
    SupplierArrow::new(SupplierGenerator::new(scale, 1, 1))
}

pub(crate) fn nation() -> NationArrow {
    NationArrow::new(NationGenerator::new(1.0, 1, 1))
}

pub(crate) fn region() -> RegionArrow {
    RegionArrow::new(RegionGenerator::new(1.0, 1, 1))
}

fn table(
    reader: impl arrow_array::RecordBatchReader,
    out: &Path,
    name: &str,
) -> anyhow::Result<()> {
    let path = out.join(format!("{name}.parquet"));
    write_parquet(reader, &path, Pages::Snappy, ROW_GROUP_ROWS_MAX)
}
