//! The source's types by their numbers on the wire, and what Arrow makes of each.
//!
//! A type that Arrow has no equal for is read as its exact text, and its field says so under
//! [`SOURCE_TYPE`].

use std::collections::HashMap;

use arrow_schema::{DataType, Field, IntervalUnit, TimeUnit};

/// The key of a field's metadata that names the type at the source, where the Arrow type alone
/// does not say what the text is.
pub(crate) const SOURCE_TYPE: &str = "orbit.source_type";

/// Numbers of PostgreSQL's types, which Redshift shares, and of Redshift's own.
pub(crate) mod oid {
    pub(crate) const BOOL: u32 = 16;
    pub(crate) const BYTEA: u32 = 17;
    pub(crate) const CHAR: u32 = 18;
    pub(crate) const NAME: u32 = 19;
    pub(crate) const INT8: u32 = 20;
    pub(crate) const INT2: u32 = 21;
    pub(crate) const INT4: u32 = 23;
    pub(crate) const TEXT: u32 = 25;
    pub(crate) const OID: u32 = 26;
    pub(crate) const FLOAT4: u32 = 700;
    pub(crate) const FLOAT8: u32 = 701;
    pub(crate) const BPCHAR: u32 = 1042;
    pub(crate) const VARCHAR: u32 = 1043;
    pub(crate) const DATE: u32 = 1082;
    pub(crate) const TIME: u32 = 1083;
    pub(crate) const TIMESTAMP: u32 = 1114;
    pub(crate) const TIMESTAMPTZ: u32 = 1184;
    pub(crate) const INTERVAL: u32 = 1186;
    pub(crate) const TIMETZ: u32 = 1266;
    pub(crate) const NUMERIC: u32 = 1700;
    pub(crate) const HLLSKETCH: u32 = 2935;
    pub(crate) const GEOMETRY: u32 = 3000;
    pub(crate) const GEOGRAPHY: u32 = 3001;
    pub(crate) const SUPER: u32 = 4000;
    pub(crate) const VARBYTE: u32 = 6551;
}

/// A column as the source describes it.
#[derive(Debug, Clone)]
pub(crate) struct SourceColumn {
    pub(crate) name: String,
    pub(crate) oid: u32,
    /// The type's modifier, such as precision and scale; -1 is none.
    pub(crate) modifier: i32,
    /// The type as people write it.
    pub(crate) source_type: String,
    pub(crate) nullable: bool,
    pub(crate) binary_collation: bool,
    pub(crate) comment: Option<String>,
}

impl SourceColumn {
    /// The Arrow type it is read as.
    pub(crate) fn data_type(&self) -> DataType {
        arrow_type(self.oid, self.modifier)
    }

    /// The field it is read as.
    pub(crate) fn field(&self) -> Field {
        field(&self.name, self.oid, self.modifier, self.nullable, &self.source_type)
    }
}

/// A field of this type.
pub(crate) fn field(
    name: &str,
    oid: u32,
    modifier: i32,
    nullable: bool,
    source_type: &str,
) -> Field {
    let data_type = arrow_type(oid, modifier);
    let plain = data_type != DataType::Utf8 || is_text(oid);
    let field = Field::new(name, data_type, nullable);
    if plain {
        return field;
    }
    let marker = (SOURCE_TYPE.to_owned(), source_type.to_owned());
    field.with_metadata(HashMap::from([marker]))
}

/// The Arrow type of a type.
pub(crate) fn arrow_type(oid: u32, modifier: i32) -> DataType {
    match oid {
        oid::BOOL => DataType::Boolean,
        oid::BYTEA | oid::VARBYTE => DataType::Binary,
        oid::INT8 | oid::OID => DataType::Int64,
        oid::INT2 => DataType::Int16,
        oid::INT4 => DataType::Int32,
        oid::FLOAT4 => DataType::Float32,
        oid::FLOAT8 => DataType::Float64,
        oid::DATE => DataType::Date32,
        oid::TIME => DataType::Time64(TimeUnit::Microsecond),
        oid::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        oid::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        oid::INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
        oid::NUMERIC => match precision_and_scale(modifier) {
            Some((precision, scale)) => DataType::Decimal128(precision, scale),
            None => DataType::Utf8,
        },
        _ => DataType::Utf8,
    }
}

/// What people call a type whose name the catalog was not asked for.
pub(crate) fn name(oid: u32) -> String {
    match oid {
        oid::NUMERIC => "numeric",
        oid::TIMETZ => "time with time zone",
        oid::SUPER => "super",
        oid::GEOMETRY => "geometry",
        oid::GEOGRAPHY => "geography",
        oid::HLLSKETCH => "hllsketch",
        other => return format!("type {other}"),
    }
    .to_owned()
}

/// Whether values of the type are plain text.
fn is_text(oid: u32) -> bool {
    matches!(oid, oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::CHAR)
}

/// Whether Redshift turns values of the type into the bytes in which they are read. A `char` may
/// lose its blanks, and the types of names are those of catalogs alone.
pub(crate) fn is_varying_text(oid: u32) -> bool {
    matches!(oid, oid::TEXT | oid::VARCHAR)
}

/// Precision and scale of a numeric type, if it has any that Arrow holds.
fn precision_and_scale(modifier: i32) -> Option<(u8, i8)> {
    let packed = modifier.checked_sub(4).filter(|packed| *packed >= 0)?;
    let precision = u8::try_from(packed >> 16 & 0xffff).ok().filter(|p| (1..=38).contains(p))?;
    // The scale has eleven bits and a sign since PostgreSQL 15.
    let scale = i8::try_from(((packed & 0x7ff) ^ 0x400) - 0x400).ok()?;
    (scale >= 0 && scale.unsigned_abs() <= precision).then_some((precision, scale))
}

/// The modifier of `numeric(precision, scale)`; -1 for one that no decimal has.
pub(crate) fn numeric_modifier(precision: i32, scale: i32) -> i32 {
    let fits = (1..=38).contains(&precision) && (0..=precision).contains(&scale);
    if fits { (precision << 16 | scale) + 4 } else { -1 }
}

/// Whether text of the type `oid` may be read into a column of `planned`.
pub(crate) fn reads_as(oid: u32, planned: &DataType) -> bool {
    match planned {
        DataType::Int64 => matches!(oid, oid::INT8 | oid::INT4 | oid::INT2 | oid::OID),
        DataType::Int32 => matches!(oid, oid::INT4 | oid::INT2),
        DataType::Float32 | DataType::Float64 => matches!(oid, oid::FLOAT4 | oid::FLOAT8),
        DataType::Decimal128(..) => {
            matches!(oid, oid::NUMERIC | oid::INT8 | oid::INT4 | oid::INT2)
        }
        DataType::Utf8 => oid == oid::NUMERIC || arrow_type(oid, -1) == DataType::Utf8,
        other => arrow_type(oid, -1) == *other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_of_numeric() {
        assert_eq!(precision_and_scale(1_179_654), Some((18, 2)));
        assert_eq!(precision_and_scale(numeric_modifier(38, 37)), Some((38, 37)));
        assert_eq!(precision_and_scale(-1), None);
        assert_eq!(precision_and_scale(numeric_modifier(39, 0)), None);
        assert_eq!(precision_and_scale(numeric_modifier(65_536 + 18, 2)), None);
        assert_eq!(precision_and_scale(numeric_modifier(i32::MAX, i32::MAX)), None);
        assert_eq!(precision_and_scale((10 << 16 | (-2 & 0x7ff)) + 4), None);
        assert_eq!(precision_and_scale(numeric_modifier(3, 5)), None);
    }

    #[test]
    fn text_of_another_type_is_marked() {
        assert!(field("a", oid::TEXT, -1, true, "text").metadata().is_empty());
        let json = field("a", oid::SUPER, -1, true, "super");
        assert_eq!(json.data_type(), &DataType::Utf8);
        assert_eq!(json.metadata().get(SOURCE_TYPE).map(String::as_str), Some("super"));
    }
}
