//! The suite's own tables, which every SQL subject prepares at its source.

use std::sync::Arc;

use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, Int64Array, PrimitiveArray,
    RecordBatch, StringArray,
};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use orbit_core::{Error, ErrorKind, Result};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// Rows of [`rows`].
pub const ROWS: usize = 240;

const SEED: u64 = 20_261_122;
const TEXTS: &[&str] = &[
    "",
    " ",
    "a",
    "A",
    "ab",
    "Ab",
    "aB",
    "abc",
    "b",
    "zebra",
    "Zebra",
    "100%",
    "1_0",
    "it's",
    "back\\slash",
    "\"quoted\"",
    "naïve",
    "NAÏVE",
    "straße",
    "日本",
    "🦀",
    "tab\there",
];

/// The table of the differential trials: `id` is unique and never null; every other column has
/// nulls and equal values. Floats hold neither NaN nor a negative zero, on whose order sources
/// differ.
///
/// # Errors
/// `Unexpected` if Arrow refuses the arrays.
pub fn rows() -> Result<RecordBatch> {
    let mut rng = StdRng::seed_from_u64(SEED);
    let id: Int64Array = (0..ROWS as i64).collect();
    let whole = column::<Int32Type>(&mut rng, &[i32::MIN, -7, -1, 0, 1, 2, 3, 7, i32::MAX]);
    let big = column::<Int64Type>(&mut rng, &[i64::MIN, -1, 0, 1, 1 << 53, i64::MAX]);
    let real = column::<Float64Type>(
        &mut rng,
        &[-1e300, -1.5, -0.1, 0.0, 0.1, 0.3, 1.0 / 3.0, 1e-300, 1e300],
    );
    let money = column::<Decimal128Type>(&mut rng, &[-999_999, -1, 0, 1, 50, 12_345, 999_999]);
    let money = money.with_precision_and_scale(18, 2).map_err(unexpected)?;
    let day = column::<Date32Type>(&mut rng, &[-141_427, -1, 0, 1, 11_016, 20_000, 100_000]);
    let moment = column::<TimestampMicrosecondType>(
        &mut rng,
        &[-62_135_596_800_000_000, -1, 0, 1, 1_700_000_000_123_456, 4_102_444_800_000_000],
    );
    let text: StringArray = pick(&mut rng, TEXTS).into_iter().collect();
    let flag: BooleanArray = pick(&mut rng, &[true, false]).into_iter().collect();
    batch(vec![
        ("id", false, Arc::new(id)),
        ("whole", true, Arc::new(whole)),
        ("big", true, Arc::new(big)),
        ("real", true, Arc::new(real)),
        ("money", true, Arc::new(money)),
        ("text", true, Arc::new(text)),
        ("flag", true, Arc::new(flag)),
        ("day", true, Arc::new(day)),
        ("moment", true, Arc::new(moment)),
    ])
}

/// Picks a value for each row, about one in six of them null.
fn pick<T: Copy>(rng: &mut StdRng, values: &[T]) -> Vec<Option<T>> {
    let one = |_| if rng.random_ratio(1, 6) { None } else { values.choose(rng).copied() };
    (0..ROWS).map(one).collect()
}

fn column<T: ArrowPrimitiveType>(rng: &mut StdRng, values: &[T::Native]) -> PrimitiveArray<T> {
    pick(rng, values).into_iter().collect()
}

/// The names of the type cases, in the order of the support table.
pub const TYPES: &[&str] = &[
    "boolean",
    "int8",
    "int16",
    "int32",
    "int64",
    "float32",
    "float64",
    "decimal",
    "utf8",
    "binary",
    "date32",
    "time64_us",
    "timestamp_us",
    "timestamp_us_utc",
];

/// The values of one type case as a table: `id` in order, and `value` with a null, the
/// smallest, the largest, the empty and the odd ones.
///
/// # Errors
/// `NotFound` for a name that is not in [`TYPES`].
pub fn types(name: &str) -> Result<RecordBatch> {
    let value: ArrayRef = match name {
        "boolean" => Arc::new(BooleanArray::from(vec![None, Some(false), Some(true)])),
        "int8" => values::<Int8Type>(&[i8::MIN, -1, 0, 1, i8::MAX]),
        "int16" => values::<Int16Type>(&[i16::MIN, -1, 0, 1, i16::MAX]),
        "int32" => values::<Int32Type>(&[i32::MIN, -1, 0, 1, i32::MAX]),
        "int64" => values::<Int64Type>(&[i64::MIN, -1, 0, 1, 1 << 53, (1 << 53) + 1, i64::MAX]),
        "float32" => values::<Float32Type>(&[
            f32::MIN,
            f32::MIN_POSITIVE,
            0.1,
            f32::MAX,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
        ]),
        "float64" => values::<Float64Type>(&[
            f64::MIN,
            f64::MIN_POSITIVE,
            0.1,
            f64::MAX,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
        ]),
        "decimal" => {
            let most = 10_i128.pow(38) - 1;
            let digits = collect::<Decimal128Type>(&[-most, -1, 0, 1, 100, most]);
            Arc::new(digits.with_precision_and_scale(38, 10).map_err(unexpected)?)
        }
        "utf8" => {
            let texts = ["", " ", "a", "it's", "back\\slash", "line\nbreak", "naïve 日本 🦀"];
            let long = "long ".repeat(2000);
            let texts = texts.into_iter().chain([long.as_str()]).map(Some);
            Arc::new([None].into_iter().chain(texts).collect::<StringArray>())
        }
        "binary" => Arc::new(BinaryArray::from_opt_vec(vec![
            None,
            Some(b""),
            Some(b"\0"),
            Some(b"\xff\xfe\x00\x01"),
            Some(b"'\\"),
        ])),
        "date32" => values::<Date32Type>(&[-719_162, -1, 0, 1, 11_016, 2_932_896]),
        "time64_us" => values::<Time64MicrosecondType>(&[0, 1, 43_200_000_000, 86_399_999_999]),
        "timestamp_us" => Arc::new(moments()),
        "timestamp_us_utc" => Arc::new(moments().with_timezone("UTC")),
        _ => {
            let message = format!("there is no type case `{name}`");
            return Err(Error::new(ErrorKind::NotFound, message));
        }
    };
    let id: Int64Array = (0..value.len() as i64).collect();
    batch(vec![("id", false, Arc::new(id)), ("value", true, value)])
}

/// From the first moment of the year 1 to the last of the year 9999.
fn moments() -> PrimitiveArray<TimestampMicrosecondType> {
    collect(&[
        -62_135_596_800_000_000,
        -1,
        0,
        1,
        951_782_400_000_000,
        1_700_000_000_123_456,
        253_402_300_799_999_999,
    ])
}

fn values<T: ArrowPrimitiveType>(values: &[T::Native]) -> ArrayRef {
    Arc::new(collect::<T>(values))
}

fn collect<T: ArrowPrimitiveType>(values: &[T::Native]) -> PrimitiveArray<T> {
    [None].into_iter().chain(values.iter().copied().map(Some)).collect()
}

fn batch(columns: Vec<(&str, bool, ArrayRef)>) -> Result<RecordBatch> {
    let field = |(name, nullable, array): &(&str, bool, ArrayRef)| {
        let data_type: DataType = array.data_type().clone();
        Field::new(*name, data_type, *nullable)
    };
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let arrays = columns.into_iter().map(|(_, _, array)| array).collect();
    RecordBatch::try_new(Arc::new(schema), arrays).map_err(unexpected)
}

fn unexpected(error: ArrowError) -> Error {
    Error::new(ErrorKind::Unexpected, "the suite's table cannot be built").with_source(error)
}
