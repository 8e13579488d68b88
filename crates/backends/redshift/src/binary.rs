//! Rows of PostgreSQL's binary COPY, into columns.

use arrow_buffer::IntervalMonthDayNano;
use orbit_core::{Error, ErrorKind, Result};
use orbit_sql::{Column, ColumnBatch, DAY_US, Misfit, power_of_ten};

/// Days from 1970 to 2000, where PostgreSQL begins to count.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_US: i64 = EPOCH_DAYS as i64 * DAY_US;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// Where in a COPY the reader is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nothing was read yet.
    #[default]
    Head,
    /// The next is a row, or the trailer.
    Rows,
    /// The trailer was read.
    Done,
}

fn broken(what: &'static str) -> Error {
    Error::new(ErrorKind::DataInvalid, what)
}

fn take<'a>(from: &mut &'a [u8], count: usize) -> Result<&'a [u8]> {
    let (head, rest) =
        from.split_at_checked(count).ok_or_else(|| broken("a row of the COPY is cut"))?;
    *from = rest;
    Ok(head)
}

fn take_i16(from: &mut &[u8]) -> Result<i16> {
    match take(from, 2)? {
        [a, b] => Ok(i16::from_be_bytes([*a, *b])),
        _ => Err(broken("a row of the COPY is cut")),
    }
}

fn take_i32(from: &mut &[u8]) -> Result<i32> {
    match take(from, 4)? {
        [a, b, c, d] => Ok(i32::from_be_bytes([*a, *b, *c, *d])),
        _ => Err(broken("a row of the COPY is cut")),
    }
}

/// Reads one message, which holds whole rows, into the batch.
pub(crate) fn append(
    progress: &mut Progress,
    mut message: &[u8],
    batch: &mut ColumnBatch,
) -> Result<()> {
    if *progress == Progress::Head {
        if take(&mut message, SIGNATURE.len())? != SIGNATURE || take_i32(&mut message)? != 0 {
            return Err(broken("the COPY does not begin as a binary one"));
        }
        let extension = usize::try_from(take_i32(&mut message)?).unwrap_or(usize::MAX);
        take(&mut message, extension)?;
        *progress = Progress::Rows;
    }
    while !message.is_empty() {
        if *progress == Progress::Done {
            return Err(broken("the COPY goes on after its end"));
        }
        let fields = take_i16(&mut message)?;
        if fields == -1 {
            *progress = Progress::Done;
            continue;
        }
        let before = message.len();
        row(fields, &mut message, batch)?;
        batch.end_row(before - message.len());
    }
    Ok(())
}

fn row(fields: i16, message: &mut &[u8], batch: &mut ColumnBatch) -> Result<()> {
    let columns = batch.columns();
    // Rows without columns are counted by a constant.
    if columns.is_empty() {
        for _ in 0..fields {
            let length = take_i32(message)?;
            take(message, usize::try_from(length).unwrap_or(0))?;
        }
        return Ok(());
    }
    if usize::try_from(fields) != Ok(columns.len()) {
        return Err(broken("a row of the COPY has another number of columns"));
    }
    let mut failed = None;
    for (index, column) in columns.iter_mut().enumerate() {
        let length = take_i32(message)?;
        let appended = match usize::try_from(length) {
            Ok(length) => append_value(column, take(message, length)?),
            Err(_) => column.push_null(),
        };
        if let Err(misfit) = appended {
            failed = Some((index, misfit));
            break;
        }
    }
    match failed {
        Some((index, misfit)) => Err(batch.misfit(index, misfit)),
        None => Ok(()),
    }
}

#[inline]
fn fixed<const N: usize>(value: &[u8]) -> Result<[u8; N], Misfit> {
    value.try_into().map_err(|_| Misfit::Malformed)
}

#[inline]
fn append_value(column: &mut Column, value: &[u8]) -> Result<(), Misfit> {
    match column {
        Column::Boolean(column) => match value {
            [0] => column.push(Some(false)),
            [1] => column.push(Some(true)),
            _ => return Err(Misfit::Malformed),
        },
        Column::Int16(column) => column.push(i16::from_be_bytes(fixed(value)?)),
        Column::Int32(column) => column.push(i32::from_be_bytes(fixed(value)?)),
        Column::Int64(column) => column.push(match value.len() {
            // An object identifier has four bytes and no sign.
            4 => i64::from(u32::from_be_bytes(fixed(value)?)),
            _ => i64::from_be_bytes(fixed(value)?),
        }),
        Column::Float32(column) => column.push(f32::from_be_bytes(fixed(value)?)),
        Column::Float64(column) => column.push(f64::from_be_bytes(fixed(value)?)),
        Column::Decimal128(column, precision, scale) => {
            column.push(numeric(value, *precision, *scale)?);
        }
        Column::Utf8(column) | Column::Binary(column) => column.push(value)?,
        Column::Date32(column) => {
            let days = finite_i32(i32::from_be_bytes(fixed(value)?))?;
            column.push(days.checked_add(EPOCH_DAYS).ok_or(Misfit::OutOfRange)?);
        }
        Column::Time64(column) => {
            let us = i64::from_be_bytes(fixed(value)?);
            column.push(if (0..DAY_US).contains(&us) {
                us
            } else {
                return Err(Misfit::OutOfRange);
            });
        }
        Column::Timestamp(column) => {
            let us = i64::from_be_bytes(fixed(value)?);
            if us == i64::MAX || us == i64::MIN {
                return Err(Misfit::OutOfRange);
            }
            column.push(us.checked_add(EPOCH_US).ok_or(Misfit::OutOfRange)?);
        }
        Column::Interval(column) => column.push(interval(value)?),
    }
    Ok(())
}

/// The largest and the smallest stand for the infinities.
fn finite_i32(value: i32) -> Result<i32, Misfit> {
    if value == i32::MAX || value == i32::MIN { Err(Misfit::OutOfRange) } else { Ok(value) }
}

fn interval(value: &[u8]) -> Result<IntervalMonthDayNano, Misfit> {
    let (us, rest) = value.split_first_chunk::<8>().ok_or(Misfit::Malformed)?;
    let (days, months) = rest.split_first_chunk::<4>().ok_or(Misfit::Malformed)?;
    let ns = i64::from_be_bytes(*us).checked_mul(1000).ok_or(Misfit::OutOfRange)?;
    let (days, months) = (i32::from_be_bytes(*days), i32::from_be_bytes(fixed(months)?));
    Ok(IntervalMonthDayNano::new(months, days, ns))
}

const POSITIVE: u16 = 0;
const NEGATIVE: u16 = 0x4000;

/// Digits of base 10,000 as an unscaled number; never rounded.
fn numeric(value: &[u8], precision: u8, scale: i8) -> Result<i128, Misfit> {
    let (head, digits) = value.split_first_chunk::<8>().ok_or(Misfit::Malformed)?;
    let [n1, n2, w1, w2, s1, s2, ..] = *head;
    let weight = i16::from_be_bytes([w1, w2]);
    let sign = u16::from_be_bytes([s1, s2]);
    let (digits, []) = digits.as_chunks::<2>() else { return Err(Misfit::Malformed) };
    if digits.len() != usize::from(u16::from_be_bytes([n1, n2])) {
        return Err(Misfit::Malformed);
    }
    if sign != POSITIVE && sign != NEGATIVE {
        return Err(Misfit::OutOfRange);
    }
    // Zero has none.
    let Some((last, before)) = digits.split_last() else { return Ok(0) };
    // Each digit of base 10,000 is four decimal ones.
    let exponent = (i32::from(weight) + 1 - digits.len() as i32) * 4 + i32::from(scale);
    let scaled = if let Ok(exponent) = usize::try_from(exponent) {
        joined(digits)?.checked_mul(power_of_ten(exponent)?).ok_or(Misfit::Digits)?
    } else {
        // The last digit goes beyond the scale, by at most three of its decimals: the server
        // sends no digit at the end that is zero.
        let beyond = exponent.unsigned_abs();
        let (last, power) = (u32::from(u16::from_be_bytes(*last)), 10_u32.pow(beyond.min(4)));
        if beyond > 3 || last % power != 0 {
            return Err(Misfit::Digits);
        }
        let whole = joined(before)?.checked_mul((10_000 / power).into()).ok_or(Misfit::Digits)?;
        whole.checked_add((last / power).into()).ok_or(Misfit::Digits)?
    };
    if scaled >= power_of_ten(precision.into())? {
        return Err(Misfit::Digits);
    }
    let scaled = scaled as i128;
    Ok(if sign == NEGATIVE { -scaled } else { scaled })
}

#[inline]
fn joined(digits: &[[u8; 2]]) -> Result<u128, Misfit> {
    if digits.len() <= 4 {
        let join = |all: u64, digit: &[u8; 2]| all * 10_000 + u64::from(u16::from_be_bytes(*digit));
        return Ok(u128::from(digits.iter().fold(0, join)));
    }
    let join = |all: u128, digit: &[u8; 2]| {
        all.checked_mul(10_000)?.checked_add(u128::from(u16::from_be_bytes(*digit)))
    };
    digits.iter().try_fold(0, join).ok_or(Misfit::Digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(digits: &[u16], weight: i16, sign: u16) -> Vec<u8> {
        let head = [digits.len() as u16, weight as u16, sign, 0];
        head.iter().chain(digits).flat_map(|part| part.to_be_bytes()).collect()
    }

    #[test]
    fn decimals_are_exact_or_refused() {
        assert_eq!(numeric(&wire(&[12, 3400], 0, 0), 18, 2), Ok(1234));
        assert_eq!(numeric(&wire(&[12, 3450], 0, 0), 18, 2), Err(Misfit::Digits));
        assert_eq!(numeric(&wire(&[12, 3450], 0, NEGATIVE), 18, 3), Ok(-12345));
        assert_eq!(numeric(&wire(&[1], 2, 0), 18, 0), Ok(100_000_000));
        assert_eq!(numeric(&wire(&[1], 2, 0), 8, 0), Err(Misfit::Digits));
        assert_eq!(numeric(&wire(&[], 0, 0), 18, 2), Ok(0));
        assert_eq!(numeric(&wire(&[], 0, 0), 38, 38), Ok(0));
        assert_eq!(numeric(&wire(&[1], -3, 0), 38, 12), Ok(1));
        assert_eq!(numeric(&wire(&[], 0, 0xC000), 18, 2), Err(Misfit::OutOfRange));
        assert_eq!(numeric(&wire(&[1], 0, 0)[..9], 18, 2), Err(Misfit::Malformed));
        let most = [99_u16, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999];
        assert_eq!(numeric(&wire(&most, 9, 0), 38, 0), Ok(10_i128.pow(38) - 1));
        assert_eq!(numeric(&wire(&[9999; 10], 9, 0), 38, 0), Err(Misfit::Digits));
        let mut fine = [9999_u16; 10];
        fine[9] = 9900;
        assert_eq!(numeric(&wire(&fine, 6, 0), 38, 10), Ok(10_i128.pow(38) - 1));
        assert_eq!(numeric(&wire(&[100], -3, 0), 38, 10), Ok(1));
        assert_eq!(numeric(&wire(&[1], -3, 0), 38, 10), Err(Misfit::Digits));
    }
}
