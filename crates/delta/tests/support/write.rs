//! Tables written by delta-rs itself, through its own local file system.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use deltalake::DeltaTable;
use deltalake::protocol::SaveMode;
use url::Url;

/// Rows `id`, `name` and `value`; the value is ten times the id.
pub(crate) fn rows(ids: impl IntoIterator<Item = i64>, name: Option<&str>) -> RecordBatch {
    let ids: Vec<_> = ids.into_iter().collect();
    let names = StringArray::from(vec![name; ids.len()]);
    let values = Int64Array::from_iter_values(ids.iter().map(|id| id * 10));
    let columns: [(&str, ArrayRef, bool); 3] = [
        ("id", Arc::new(Int64Array::from(ids)), true),
        ("name", Arc::new(names), true),
        ("value", Arc::new(values), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

pub(crate) async fn table(folder: &Path) -> DeltaTable {
    std::fs::create_dir_all(folder).unwrap();
    let url = Url::from_directory_path(folder.canonicalize().unwrap()).unwrap();
    DeltaTable::try_from_url(url).await.unwrap()
}

/// Appends as one commit; the first creates the table.
pub(crate) async fn append(folder: &Path, batch: RecordBatch) {
    table(folder).await.write([batch]).with_save_mode(SaveMode::Append).await.unwrap();
}
