//! The columns of a statement's result, as a row tells them, and its values.

use orbit_core::Result;
use orbit_sql::{ColumnBatch, Misfit, append_text};
use sqlx::postgres::{PgColumn, PgRow};
use sqlx::{Column, Row, TypeInfo, ValueRef};

use crate::catalog;
use crate::session::Server;
use crate::shared::Shared;
use crate::types::{self, SourceColumn, is_varying_text, oid};

/// The columns of a row. The driver drops precision and scale, so they are looked up for
/// columns that come straight from a table; where `exactly` is not asked for, they are not
/// needed.
pub(crate) async fn described(
    shared: &Shared,
    row: &PgRow,
    exactly: bool,
) -> Result<Vec<SourceColumn>> {
    let mut columns: Vec<_> =
        row.columns().iter().map(|column| told(shared.server, column)).collect();
    let origin =
        |column: &PgColumn| Some((column.relation_id()?.0, column.relation_attribute_no()?));
    let origins: Vec<_> = row.columns().iter().map(origin).collect();
    let unclear = |column: &SourceColumn| column.oid == oid::NUMERIC;
    let mut asked: Vec<_> = columns
        .iter()
        .zip(&origins)
        .filter_map(|(column, origin)| origin.filter(|_| unclear(column)))
        .collect();
    asked.sort_unstable();
    asked.dedup();
    if asked.is_empty() || !exactly {
        return Ok(columns);
    }
    let answer = shared.side.ask(&catalog::modifiers_sql(&asked)).await?;
    for (column, origin) in columns.iter_mut().zip(origins) {
        let Some((relation, number)) = origin.filter(|_| unclear(column)) else { continue };
        let found = answer.iter().find(|row| {
            catalog::number(row, 0) == Some(relation)
                && catalog::number(row, 1) == Some(number)
                && catalog::number(row, 3) == Some(column.oid)
        });
        column.modifier = found.and_then(|row| catalog::number(row, 2)).unwrap_or(-1);
    }
    Ok(columns)
}

fn told(server: Server, column: &PgColumn) -> SourceColumn {
    let oid = column.type_info().oid().map_or(0, |oid| oid.0);
    let named = column.type_info().name().to_lowercase();
    let source_type = if named.is_empty() || named == "?" { types::name(oid) } else { named };
    SourceColumn {
        name: column.name().to_owned(),
        oid,
        modifier: -1,
        source_type,
        nullable: true,
        binary_collation: match server {
            Server::Redshift => is_varying_text(oid),
            // It compares the text of any type, where it is told to.
            Server::Postgresql => oid != oid::BPCHAR,
        },
        comment: None,
    }
}

/// Appends the values of a row; where only rows are counted, it has none.
#[inline]
pub(crate) fn append_row(row: &PgRow, batch: &mut ColumnBatch, counts_only: bool) -> Result<()> {
    let (mut bytes, mut misfit) = (0, None);
    if !counts_only {
        for (index, column) in batch.columns().iter_mut().enumerate() {
            // Looked at where it is: a value of the driver is large, and moving it costs as much
            // as reading it.
            let appended = match &row.try_get_raw(index) {
                Ok(value) if value.is_null() => column.push_null(),
                // A value that is not null has bytes.
                Ok(value) => {
                    let text = value.as_bytes().unwrap_or_default();
                    bytes += text.len();
                    append_text(column, text)
                }
                Err(_) => Err(Misfit::Malformed),
            };
            if let Err(why) = appended {
                misfit = Some((index, why));
                break;
            }
        }
    }
    if let Some((index, why)) = misfit {
        return Err(batch.misfit(index, why));
    }
    batch.end_row(bytes);
    Ok(())
}
