//! Writes the sample lake's Delta table, `part_prices`: what each part of TPC-H costs, in four
//! versions. Run once with the lake's folder as its argument; the result is committed.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{ArrayRef, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::prelude::{cast, col, lit};
use deltalake::DeltaTable;
use deltalake::protocol::SaveMode;
use url::Url;

/// Parts of the first price list, and of the second: those of the lake at scale factor 0.002.
const PARTS: [std::ops::RangeInclusive<i64>; 2] = [1..=300, 301..=400];

/// Days since 1970 of 1998-01-01 and 1998-07-01.
const VALID_FROM: [i32; 2] = [10_227, 10_408];

/// The retail price of a part in cents, as TPC-H defines it.
fn price_cents(part: i64) -> i64 {
    90_000 + (part / 10) % 20_001 + 100 * (part % 1_000)
}

fn prices(list: usize) -> Result<RecordBatch, Box<dyn Error>> {
    let parts: Vec<i64> = PARTS[list].clone().collect();
    let cents = parts.iter().map(|part| i128::from(price_cents(*part)));
    let prices = Decimal128Array::from_iter_values(cents).with_precision_and_scale(15, 2)?;
    let days = Date32Array::from(vec![VALID_FROM[list]; parts.len()]);
    let tiers = parts.iter().map(|part| ["standard", "bulk", "clearance"][(part % 3) as usize]);
    let tiers = StringArray::from_iter_values(tiers);
    let columns: [(&str, ArrayRef); 4] = [
        ("p_partkey", Arc::new(Int64Array::from(parts))),
        ("price", Arc::new(prices)),
        ("tier", Arc::new(tiers)),
        ("valid_from", Arc::new(days)),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let lake = std::env::args().nth(1).ok_or("usage: sample_delta LAKE_FOLDER")?;
    let folder = PathBuf::from(lake).join("part_prices");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let url = Url::from_directory_path(folder.canonicalize()?).map_err(|()| "not a folder")?;
    let table = DeltaTable::try_from_url(url).await?;

    let table = table.write([prices(0)?]).with_save_mode(SaveMode::Append).await?;
    let table = table.write([prices(1)?]).with_save_mode(SaveMode::Append).await?;
    let raised = cast(col("price") * lit(1.05), DataType::Decimal128(15, 2));
    let rise = table.update().with_predicate(col("tier").eq(lit("bulk")));
    let (table, _) = rise.with_update("price", raised).await?;
    let withdrawn = col("p_partkey").lt_eq(lit(20_i64));
    let (_, _) = table.delete().with_predicate(withdrawn).await?;
    Ok(())
}
