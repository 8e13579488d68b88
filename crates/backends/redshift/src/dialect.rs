//! The SQL of the two servers, and their literals and type names.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_schema::{DataType, Field, TimeUnit};
use orbit_core::{
    BooleanForm, DialectLimits, IdentifierCase, IntegerDivision, LimitForm, NullOrder,
    ParameterMarker, Result, SqlDialect, SqlForms,
};
use orbit_sql::{ValueForms, plain_literal};

use crate::session::Server;
use crate::types::SOURCE_TYPE;

/// The most values of a set that are sent.
pub(crate) const SET_VALUES_MAX: usize = 5000;

/// Redshift's dialect, as its database developer guide has it: a statement of 16 MB at most
/// ("Amazon Redshift SQL"), names of 127 bytes at most ("Names and identifiers"), integer
/// division truncates, `NULLS FIRST | LAST` ("ORDER BY clause").
pub(crate) fn redshift() -> SqlDialect {
    SqlDialect {
        name: "redshift",
        quote_open: '"',
        quote_close: '"',
        identifier_case: IdentifierCase::Lower,
        limit: LimitForm::Limit,
        boolean: BooleanForm::Keyword,
        null_order: NullOrder::Explicit,
        integer_division: IntegerDivision::Truncates,
        backslash_escapes: true,
        parameter_marker: ParameterMarker::Dollar,
        time_travel: None,
        limits: DialectLimits {
            statement_bytes_max: 16_000_000,
            in_values_max: SET_VALUES_MAX,
            identifier_bytes_max: 127,
        },
        functions: &[],
    }
}

/// PostgreSQL's dialect.
pub(crate) fn postgresql() -> SqlDialect {
    SqlDialect {
        name: "postgresql",
        backslash_escapes: false,
        limits: DialectLimits {
            statement_bytes_max: 64 << 20,
            in_values_max: SET_VALUES_MAX,
            identifier_bytes_max: 63,
        },
        ..redshift()
    }
}

/// How a connected server writes what the dialect does not say.
#[derive(Debug)]
pub(crate) struct Forms {
    server: Server,
    dialect: SqlDialect,
}

impl Forms {
    /// The forms of `server`, which reads backslashes in literals as `backslash_escapes` says.
    pub(crate) fn new(server: Server, backslash_escapes: bool) -> Self {
        let dialect = match server {
            Server::Redshift => redshift(),
            Server::Postgresql => postgresql(),
        };
        Self { server, dialect: SqlDialect { backslash_escapes, ..dialect } }
    }

    /// Bytes as an expression that needs no backslash, whose meaning depends on the session.
    fn of_bytes(&self, bytes: &[u8]) -> String {
        const DIGITS: [char; 16] =
            ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
        let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let digits: String = nibbles.map(|nibble| DIGITS[usize::from(nibble)]).collect();
        match self.server {
            Server::Redshift => format!("FROM_HEX('{digits}')"),
            Server::Postgresql => format!("decode('{digits}', 'hex')"),
        }
    }
}

impl SqlForms for Forms {
    fn dialect(&self) -> &SqlDialect {
        &self.dialect
    }

    fn literal(&self, array: &dyn Array, index: usize) -> Result<String> {
        match array.as_string_opt::<i32>().filter(|texts| texts.is_valid(index)) {
            // What it is compared with is bytes, see below.
            Some(texts) if self.server == Server::Redshift => {
                Ok(self.of_bytes(texts.value(index).as_bytes()))
            }
            _ => plain_literal(self, array, index),
        }
    }

    /// Redshift does not count blanks at the end where it compares texts ("Character types",
    /// "Examples with character types"), nor letter case where a column or the database was made
    /// so ("CREATE TABLE"). It compares bytes as they are ("VARBYTE operators"), and those of a
    /// text are its UTF-8 ("VARBYTE type"); 65,535 is the most that a text has.
    fn in_byte_order(&self, name: String, field: &Field) -> String {
        match self.server {
            Server::Redshift => format!("CAST({name} AS varbyte(65535))"),
            // What is read as the text of another type is compared as that text.
            Server::Postgresql if field.metadata().contains_key(SOURCE_TYPE) => {
                format!("{name}::text COLLATE \"C\"")
            }
            Server::Postgresql => format!("{name} COLLATE \"C\""),
        }
    }

    /// Redshift counts blanks at the end where it matches patterns ("LIKE"); a collation that
    /// leaves letter case out is overridden ("COLLATE function").
    fn in_patterns(&self, name: String, field: &Field) -> String {
        match self.server {
            Server::Redshift => format!("COLLATE({name}, 'case_sensitive')"),
            Server::Postgresql => self.in_byte_order(name, field),
        }
    }

    /// Redshift knows what blocks and partitions hold of a text, and nothing of its bytes.
    fn lookup(&self, name: String, values: &dyn Array) -> Result<Option<String>> {
        if self.server == Server::Postgresql || values.as_string_opt::<i32>().is_none() {
            return Ok(None);
        }
        let literals = (0..values.len()).map(|index| plain_literal(self, values, index));
        Ok(Some(format!("{name} IN ({})", literals.collect::<Result<Vec<_>>>()?.join(", "))))
    }
}

impl ValueForms for Forms {
    fn type_name(&self, data_type: &DataType) -> Option<String> {
        let redshift = self.server == Server::Redshift;
        Some(match data_type {
            DataType::Boolean => "boolean".to_owned(),
            DataType::Int16 => "smallint".to_owned(),
            DataType::Int32 => "integer".to_owned(),
            DataType::Int64 => "bigint".to_owned(),
            DataType::Float32 => "real".to_owned(),
            DataType::Float64 => "double precision".to_owned(),
            DataType::Decimal128(precision, scale)
                if *scale >= 0 && u8::try_from(*scale).is_ok_and(|scale| scale <= *precision) =>
            {
                format!("numeric({precision},{scale})")
            }
            // 65,535 bytes is the longest that Redshift has.
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View if redshift => {
                "varchar(65535)".to_owned()
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".to_owned(),
            DataType::Binary | DataType::LargeBinary if redshift => "varbyte(65535)".to_owned(),
            DataType::Binary | DataType::LargeBinary => "bytea".to_owned(),
            DataType::Date32 => "date".to_owned(),
            DataType::Time64(TimeUnit::Microsecond) => "time".to_owned(),
            DataType::Timestamp(TimeUnit::Microsecond, None) => "timestamp".to_owned(),
            DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if is_utc(zone) => {
                "timestamp with time zone".to_owned()
            }
            _ => return None,
        })
    }

    fn binary_literal(&self, bytes: &[u8]) -> Option<String> {
        Some(self.of_bytes(bytes))
    }
}

fn is_utc(zone: &str) -> bool {
    matches!(zone, "UTC" | "+00:00" | "Z")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array,
        Int64Array, StringArray, TimestampMicrosecondArray,
    };
    use arrow_schema::Schema;
    use orbit_core::{CompareOp, Literal, Predicate, Select, SortKey, TableName};
    use orbit_sql::typed_literal;

    use super::*;

    fn values() -> Vec<(&'static str, ArrayRef)> {
        let day: ArrayRef = Arc::new(Date32Array::from(vec![-719_163]));
        let moment = TimestampMicrosecondArray::from(vec![-1]).with_timezone("UTC");
        let money = Decimal128Array::from(vec![-1_i128]).with_precision_and_scale(18, 2).unwrap();
        vec![
            ("Id", Arc::new(Int64Array::from(vec![i64::MIN]))),
            ("text", Arc::new(StringArray::from(vec!["it's \\ \"x\""]))),
            ("flag", Arc::new(BooleanArray::from(vec![true]))),
            ("real", Arc::new(Float64Array::from(vec![f64::NEG_INFINITY]))),
            ("day", day),
            ("moment", Arc::new(moment)),
            ("money", Arc::new(money)),
            ("bytes", Arc::new(BinaryArray::from(vec![&b"\0\xff"[..]]))),
        ]
    }

    fn schema() -> Schema {
        let field =
            |(name, array): &(&str, ArrayRef)| Field::new(*name, array.data_type().clone(), true);
        Schema::new(values().iter().map(field).collect::<Vec<_>>())
    }

    fn golden(forms: &Forms) -> String {
        let schema = schema();
        let compares = values().into_iter().map(|(name, array)| {
            Predicate::compare(name, CompareOp::LtEq, Literal::new(array).unwrap())
        });
        let mut parts: Vec<_> = compares.collect();
        let column = "text".to_owned();
        let set: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None]));
        parts.push(Predicate::Not(Box::new(Predicate::Or(vec![
            Predicate::In { column: column.clone(), values: set.clone(), negated: true },
            Predicate::In { column: column.clone(), values: set.clone(), negated: false },
            Predicate::In { column: column.clone(), values: set.slice(0, 0), negated: false },
            Predicate::Like {
                column,
                pattern: "1\\_0%".to_owned(),
                negated: true,
                ignore_case: false,
            },
            Predicate::IsNull { column: "Id".to_owned(), negated: true },
            Predicate::IsTrue { column: "flag".to_owned() },
        ]))));
        let key = |column: &str, descending, nulls_first| SortKey {
            column: column.to_owned(),
            descending,
            nulls_first,
        };
        let name = TableName::new(["Sales", "a\"b"]);
        let select = Select {
            columns: vec![forms.dialect().quote("Id"), forms.dialect().quote("text")],
            from: forms.dialect().table(&name),
            schema: Some(&schema),
            predicate: Some(&Predicate::And(parts)),
            order: &[key("text", true, false), key("Id", false, true)],
            limit: Some(10),
        };
        let sql = select.render(forms).unwrap();
        let typed = values().into_iter().map(|(_, array)| typed_literal(forms, &array, 0).unwrap());
        format!("{sql}\n{}", typed.collect::<Vec<_>>().join("\n")).replace(" AND ", "\n  AND ")
    }

    #[test]
    fn golden_text() {
        insta::assert_snapshot!("redshift", golden(&Forms::new(Server::Redshift, true)));
        insta::assert_snapshot!("postgresql", golden(&Forms::new(Server::Postgresql, false)));
    }
}
