//! The Delta table of the sample lake, as it is committed.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::path::Path;

use orbit_core::Version;
use support::{Folder, Table};

#[tokio::test]
async fn the_sample_table_has_four_versions() {
    let lake = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/sample-lake");
    let t = Table::new(Folder::new(lake), "part_prices");
    let totals = "SELECT count(*) || ' ' || sum(price) FROM t";
    let of_part_1 = "SELECT price FROM t WHERE p_partkey = 1";
    let of_part_331 = "SELECT price FROM t WHERE p_partkey = 331";

    let at = |version| Some(Version::Number(version));
    assert_eq!(t.value(at(0), totals).await.unwrap(), "300 315193.80");
    assert_eq!(t.value(at(1), totals).await.unwrap(), "400 440278.40");
    assert_eq!(t.value(at(1), of_part_1).await.unwrap(), "901.00");
    assert_eq!(t.value(at(2), of_part_1).await.unwrap(), "946.05");
    assert_eq!(t.value(at(2), of_part_331).await.unwrap(), "1292.90");
    assert_eq!(t.value(None, "SELECT count(*) FROM t").await.unwrap(), "380");
    let none = "SELECT count(*) FROM t WHERE p_partkey = 1";
    assert_eq!(t.value(None, none).await.unwrap(), "0");
}
