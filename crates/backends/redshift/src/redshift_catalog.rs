//! Redshift's own catalogs: local and external tables, late-binding views, sort keys.

use orbit_core::{EstimateQuality, Result, Statistic, TableStatistics};
use orbit_sql::ValueForms;

use crate::catalog::{Place, number, text};
use crate::session::TextRow;
use crate::types::{SourceColumn, is_varying_text, numeric_modifier, oid};

/// Every table of the connected database, external ones too.
pub(crate) const TABLES: &str = "SELECT schema_name, table_name, table_type AS kind \
    FROM svv_all_tables WHERE database_name = current_database() \
    AND schema_name <> 'information_schema' AND schema_name <> 'pg_catalog' \
    AND schema_name <> 'pg_internal' AND schema_name <> 'pg_automv'";

/// Asks for the columns of a table; a late-binding view has none there.
pub(crate) fn columns_sql(forms: &dyn ValueForms, place: &Place) -> Result<String> {
    let (schema, table) =
        (forms.dialect().text(&place.schema)?, forms.dialect().text(&place.table)?);
    Ok(format!(
        "SELECT column_name, data_type, character_maximum_length, numeric_precision, \
         numeric_scale, is_nullable, remarks FROM svv_all_columns \
         WHERE database_name = current_database() AND schema_name = {schema} \
         AND table_name = {table} ORDER BY ordinal_position"
    ))
}

/// Asks for the columns of a late-binding view, which only this view lists.
pub(crate) fn late_binding_sql(forms: &dyn ValueForms, place: &Place) -> Result<String> {
    let (schema, table) =
        (forms.dialect().text(&place.schema)?, forms.dialect().text(&place.table)?);
    Ok(format!(
        "SELECT column_name, data_type, character_maximum_length, numeric_precision, \
         numeric_scale, is_nullable, remarks FROM svv_columns \
         WHERE table_schema = {schema} AND table_name = {table} ORDER BY ordinal_position"
    ))
}

/// The columns of an answer; none when there is no such table.
pub(crate) fn columns_of(rows: &[TextRow]) -> Result<Option<Vec<SourceColumn>>> {
    if rows.is_empty() {
        return Ok(None);
    }
    rows.iter().map(column).collect::<Result<_>>().map(Some)
}

fn column(row: &TextRow) -> Result<SourceColumn> {
    let data_type = text(row, 1)?;
    let (length, precision) = (number::<i32>(row, 2), number::<i32>(row, 3));
    let scale = number::<i32>(row, 4);
    let (base, arguments) = parts(data_type);
    let oid = oid_of(&base);
    let precision = arguments.first().copied().or(precision);
    let scale = arguments.get(1).copied().or(scale).unwrap_or(0);
    let (modifier, source_type) = match (oid, precision, length) {
        (oid::NUMERIC, Some(precision), _) => {
            (numeric_modifier(precision, scale), format!("numeric({precision},{scale})"))
        }
        (oid::VARCHAR | oid::BPCHAR | oid::VARBYTE, _, Some(length)) if arguments.is_empty() => {
            (-1, format!("{base}({length})"))
        }
        _ => (-1, data_type.to_owned()),
    };
    Ok(SourceColumn {
        name: text(row, 0)?.to_owned(),
        oid,
        modifier,
        source_type,
        // What is not said may be null.
        nullable: !row.get(5).is_some_and(|told| {
            told.as_deref().is_some_and(|told| told.eq_ignore_ascii_case("no"))
        }),
        binary_collation: is_varying_text(oid),
        comment: row.get(6).cloned().flatten().filter(|remarks| !remarks.is_empty()),
    })
}

/// `numeric(18,2)` as its name and its numbers.
fn parts(data_type: &str) -> (String, Vec<i32>) {
    let lower = data_type.trim().to_ascii_lowercase();
    let Some((base, rest)) = lower.split_once('(') else { return (lower, Vec::new()) };
    let (inside, after) = rest.split_once(')').unwrap_or((rest, ""));
    let numbers = inside.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    (format!("{}{after}", base.trim_end()), numbers)
}

/// The number of a type by its name in the catalogs, local or external; text for one that is
/// not known, such as a struct.
fn oid_of(base: &str) -> u32 {
    match base {
        "boolean" | "bool" => oid::BOOL,
        "smallint" | "int2" | "tinyint" => oid::INT2,
        "integer" | "int" | "int4" => oid::INT4,
        "bigint" | "int8" => oid::INT8,
        "oid" => oid::OID,
        "real" | "float4" | "float" => oid::FLOAT4,
        "double precision" | "double" | "float8" => oid::FLOAT8,
        "numeric" | "decimal" => oid::NUMERIC,
        "character varying" | "varchar" | "string" | "nvarchar" => oid::VARCHAR,
        "character" | "char" | "bpchar" | "nchar" => oid::BPCHAR,
        "text" => oid::TEXT,
        "name" => oid::NAME,
        "\"char\"" => oid::CHAR,
        "date" => oid::DATE,
        "timestamp" | "timestamp without time zone" => oid::TIMESTAMP,
        "timestamptz" | "timestamp with time zone" => oid::TIMESTAMPTZ,
        "time" | "time without time zone" => oid::TIME,
        "timetz" | "time with time zone" => oid::TIMETZ,
        "varbyte" | "binary varying" | "varbinary" | "binary" => oid::VARBYTE,
        "super" => oid::SUPER,
        "geometry" => oid::GEOMETRY,
        "geography" => oid::GEOGRAPHY,
        "hllsketch" => oid::HLLSKETCH,
        // Read as exact text, marked with the type's name.
        _ => 0,
    }
}

/// Asks for the size of a table and the columns that it is sorted by.
pub(crate) fn statistics_sql(forms: &dyn ValueForms, place: &Place) -> Result<String> {
    let (schema, table) =
        (forms.dialect().text(&place.schema)?, forms.dialect().text(&place.table)?);
    Ok(format!(
        "SELECT i.tbl_rows, i.size, c.column_name, c.sortkey FROM svv_redshift_columns c \
         LEFT JOIN svv_table_info i ON i.\"schema\" = c.schema_name AND i.\"table\" = c.table_name \
         WHERE c.database_name = current_database() AND c.schema_name = {schema} \
         AND c.table_name = {table} AND c.sortkey <> 0 \
         UNION ALL SELECT i.tbl_rows, i.size, NULL, 0 FROM svv_table_info i \
         WHERE i.\"schema\" = {schema} AND i.\"table\" = {table}"
    ))
}

/// The statistics of an answer. Blocks have 1 MiB, and rows that were deleted count until they
/// are vacuumed.
pub(crate) fn statistics_of(rows: &[TextRow]) -> TableStatistics {
    let told = |index| rows.iter().find_map(|row| number::<u64>(row, index));
    let upper = |value| Statistic { value, quality: EstimateQuality::UpperBound };
    let mut sort_key: Vec<(i32, String)> = rows
        .iter()
        .filter_map(|row| Some((number::<i32>(row, 3)?.abs(), row.get(2)?.clone()?)))
        .collect();
    sort_key.sort_unstable();
    TableStatistics {
        rows: told(0).map(upper),
        bytes: told(1).map(|blocks| upper(blocks << 20)),
        primary_key: Vec::new(),
        sort_key: sort_key.into_iter().map(|(_, name)| name).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_by_their_names() {
        let of =
            |name: &str, length: Option<&str>, precision: Option<&str>, scale: Option<&str>| {
                let text = |value: Option<&str>| value.map(str::to_owned);
                let row = vec![
                    text(Some("c")),
                    text(Some(name)),
                    text(length),
                    text(precision),
                    text(scale),
                    text(Some("YES")),
                    None,
                ];
                let column = column(&row).unwrap();
                format!("{} as {:?}", column.source_type, column.data_type())
            };
        let told = [
            of("numeric", None, Some("18"), Some("2")),
            of("decimal(10,4)", None, None, None),
            of("character varying", Some("256"), None, None),
            of("varchar(20)", None, None, None),
            of("super", None, None, None),
            of("time with time zone", None, None, None),
            of("binary varying", Some("100"), None, None),
            of("timestamp with time zone", None, None, None),
            of("struct<a:int>", None, None, None),
        ];
        insta::assert_snapshot!(told.join("\n"), @r#"
        numeric(18,2) as Decimal128(18, 2)
        numeric(10,4) as Decimal128(10, 4)
        character varying(256) as Utf8
        varchar(20) as Utf8
        super as Utf8
        time with time zone as Utf8
        binary varying(100) as Binary
        timestamp with time zone as Timestamp(Microsecond, Some("UTC"))
        struct<a:int> as Utf8
        "#);
    }
}
