//! Values in the text form of PostgreSQL's wire, which Redshift shares, into columns.

use arrow_array::types::IntervalMonthDayNanoType;
use arrow_buffer::IntervalMonthDayNano;

use crate::calendar::days;
use crate::{Column, DAY_US, Misfit};

type Fit<T> = Result<T, Misfit>;

/// Appends the value that `text` writes; text and bytes are taken as they are, except that
/// bytes come as hexadecimal digits.
///
/// # Errors
/// Why it does not fit.
#[inline]
pub fn append_text(column: &mut Column, text: &[u8]) -> Fit<()> {
    match column {
        Column::Boolean(column) => column.push(Some(boolean(text)?)),
        Column::Int16(column) => column.push(narrow(integer(text)?)?),
        Column::Int32(column) => column.push(narrow(integer(text)?)?),
        Column::Int64(column) => column.push(integer(text)?),
        Column::Float32(column) => column.push(float(text)?),
        Column::Float64(column) => column.push(float(text)?),
        Column::Decimal128(column, precision, scale) => {
            column.push(decimal(text, *precision, *scale)?);
        }
        Column::Utf8(column) => column.push(text)?,
        Column::Binary(column) => column.push_with(|out| hexadecimal(text, out))?,
        Column::Date32(column) => column.push(narrow(date(text)?)?),
        Column::Time64(column) => column.push(time(text)?),
        Column::Timestamp(column) => column.push(timestamp(text)?),
        Column::Interval(column) => column.push(interval(text)?),
    }
    Ok(())
}

fn narrow<T: TryFrom<i64>>(value: i64) -> Fit<T> {
    T::try_from(value).map_err(|_| Misfit::OutOfRange)
}

fn boolean(text: &[u8]) -> Fit<bool> {
    match text {
        b"t" | b"true" => Ok(true),
        b"f" | b"false" => Ok(false),
        _ => Err(Misfit::Malformed),
    }
}

#[inline]
fn digit(byte: u8) -> Fit<i64> {
    let value = byte.wrapping_sub(b'0');
    if value < 10 { Ok(i64::from(value)) } else { Err(Misfit::Malformed) }
}

#[inline]
fn signed(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

#[inline]
fn integer(text: &[u8]) -> Fit<i64> {
    let (negative, digits) = signed(text);
    if digits.is_empty() {
        return Err(Misfit::Malformed);
    }
    let mut value = 0_i64;
    if digits.len() <= 18 {
        for byte in digits {
            value = value * 10 + digit(*byte)?;
        }
        return Ok(if negative { -value } else { value });
    }
    for byte in digits {
        let next = value.checked_mul(10).and_then(|v| v.checked_sub(digit(*byte).ok()?));
        value = next.ok_or(Misfit::OutOfRange)?;
    }
    if negative { Ok(value) } else { value.checked_neg().ok_or(Misfit::OutOfRange) }
}

#[inline]
fn float<T: std::str::FromStr>(text: &[u8]) -> Fit<T> {
    let text = std::str::from_utf8(text).map_err(|_| Misfit::Malformed)?;
    text.parse().map_err(|_| Misfit::Malformed)
}

/// The unscaled value of an exact number at `scale`; never rounded.
///
/// # Errors
/// `Digits` when it has more than `precision` and `scale` hold, `OutOfRange` for NaN and the
/// infinities.
#[inline]
pub fn decimal(text: &[u8], precision: u8, scale: i8) -> Fit<i128> {
    let (negative, digits) = signed(text);
    // A server writes as many decimals as the column has, so the point is where they begin.
    let expected = digits.len().wrapping_sub(usize::from(scale.unsigned_abs()) + 1);
    let point = match digits.get(expected) {
        Some(b'.') => expected,
        _ => digits.iter().position(|b| *b == b'.').unwrap_or(digits.len()),
    };
    let (whole, fraction) = digits.split_at(point);
    let fraction = fraction.get(1..).unwrap_or_default();
    if whole.is_empty() && fraction.is_empty() {
        return Err(Misfit::Malformed);
    }
    if !digits[0].is_ascii_digit() && digits[0] != b'.' {
        let named = [&b"NaN"[..], b"Infinity"].contains(&digits);
        return Err(if named { Misfit::OutOfRange } else { Misfit::Malformed });
    }
    let kept = usize::try_from(scale).map_err(|_| Misfit::Digits)?;
    let (kept_digits, dropped) = fraction.split_at(kept.min(fraction.len()));
    if dropped.iter().any(|b| *b != b'0') {
        return Err(Misfit::Digits);
    }
    let value = if whole.len() + kept <= 18 {
        let mut value = 0_i64;
        for part in [whole, kept_digits] {
            for byte in part {
                value = value * 10 + digit(*byte)?;
            }
        }
        for _ in kept_digits.len()..kept {
            value *= 10;
        }
        i128::from(value)
    } else {
        wide(whole.iter().chain(kept_digits), kept - kept_digits.len())?
    };
    // So few digits fit, whatever they are.
    let surely_fits = whole.len() + kept <= usize::from(precision);
    if !surely_fits && value.unsigned_abs() >= power_of_ten(precision.into())? {
        return Err(Misfit::Digits);
    }
    Ok(if negative { -value } else { value })
}

/// Ten to this power, from a table.
///
/// # Errors
/// `Digits` beyond 38, the most that a decimal has.
#[inline]
pub fn power_of_ten(exponent: usize) -> Fit<u128> {
    static POWERS: [u128; 39] = powers_of_ten();
    POWERS.get(exponent).copied().ok_or(Misfit::Digits)
}

const fn powers_of_ten() -> [u128; 39] {
    let (mut powers, mut index) = ([1_u128; 39], 1);
    while index < powers.len() {
        powers[index] = powers[index - 1] * 10;
        index += 1;
    }
    powers
}

fn wide<'a>(digits: impl Iterator<Item = &'a u8>, zeros: usize) -> Fit<i128> {
    let mut value = 0_i128;
    let mut add = |digit: i64| {
        let next = value.checked_mul(10).and_then(|v| v.checked_add(i128::from(digit)));
        value = next.ok_or(Misfit::Digits)?;
        Ok(())
    };
    for byte in digits {
        add(digit(*byte)?)?;
    }
    for _ in 0..zeros {
        add(0)?;
    }
    Ok(value)
}

fn hexadecimal(text: &[u8], out: &mut Vec<u8>) -> Fit<()> {
    let digits = text.strip_prefix(b"\\x").unwrap_or(text);
    let nibble = |byte: u8| (byte as char).to_digit(16).ok_or(Misfit::Malformed);
    let (pairs, []) = digits.as_chunks::<2>() else { return Err(Misfit::Malformed) };
    out.reserve(pairs.len());
    for [high, low] in pairs {
        out.push((nibble(*high)? << 4 | nibble(*low)?) as u8);
    }
    Ok(())
}

/// Two digits.
#[inline]
fn two(text: &[u8]) -> Fit<i64> {
    match text {
        [a, b] => Ok(digit(*a)? * 10 + digit(*b)?),
        _ => Err(Misfit::Malformed),
    }
}

/// A date, `2026-11-22`, as days since 1970; without ` BC`.
#[inline]
fn plain_date(text: &[u8], before_christ: bool) -> Fit<i64> {
    let at = text.len().checked_sub(6).ok_or(Misfit::Malformed)?;
    let (year, rest) = text.split_at(at);
    let [b'-', m1, m2, b'-', d1, d2] = rest else {
        return Err(infinite(text));
    };
    let year = integer(year)?;
    let year = if before_christ { 1_i64.saturating_sub(year) } else { year };
    let (month, day) = (two(&[*m1, *m2])? as u32, two(&[*d1, *d2])? as u32);
    days(year, month, day).ok_or(Misfit::Malformed)
}

fn infinite(text: &[u8]) -> Misfit {
    if matches!(text, b"infinity" | b"-infinity") { Misfit::OutOfRange } else { Misfit::Malformed }
}

#[inline]
fn before_christ(text: &[u8]) -> (&[u8], bool) {
    match text.strip_suffix(b" BC") {
        Some(rest) => (rest, true),
        None => (text, false),
    }
}

#[inline]
fn date(text: &[u8]) -> Fit<i64> {
    if let Some(day) = <&[u8; 10]>::try_from(text).ok().and_then(usual_date) {
        return Ok(day);
    }
    let (text, before_christ) = before_christ(text);
    plain_date(text, before_christ)
}

/// Up to six digits after a point, as microseconds.
#[inline]
fn fraction(digits: &[u8]) -> Fit<i64> {
    if digits.len() > 6 {
        return Err(Misfit::Malformed);
    }
    let mut value = 0;
    for byte in digits {
        value = value * 10 + digit(*byte)?;
    }
    for _ in digits.len()..6 {
        value *= 10;
    }
    Ok(value)
}

/// A time of day, `12:34:56.789`, as microseconds.
#[inline]
fn time(text: &[u8]) -> Fit<i64> {
    let Some((head, rest)) = text.split_first_chunk::<8>() else { return Err(Misfit::Malformed) };
    let [h1, h2, b':', m1, m2, b':', s1, s2] = head else { return Err(Misfit::Malformed) };
    let (hours, minutes, seconds) = (two(&[*h1, *h2])?, two(&[*m1, *m2])?, two(&[*s1, *s2])?);
    let us = match rest {
        [] => 0,
        [b'.', digits @ ..] => fraction(digits)?,
        _ => return Err(Misfit::Malformed),
    };
    let us = (hours * 3600 + minutes * 60 + seconds) * 1_000_000 + us;
    // PostgreSQL knows 24:00:00, which no Arrow time holds.
    if us >= DAY_US { Err(Misfit::OutOfRange) } else { Ok(us) }
}

/// Two digits, if they are.
#[inline]
fn pair(a: &u8, b: &u8) -> Option<i64> {
    two(&[*a, *b]).ok()
}

/// A date of a year of four digits, which nearly all are; none for others.
#[inline]
fn usual_date(text: &[u8; 10]) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return None };
    let year = pair(y1, y2)? * 100 + pair(y3, y4)?;
    days(year, pair(m1, m2)? as u32, pair(d1, d2)? as u32)
}

/// A moment of a year of four digits without a zone or in UTC, in which sessions are, and so
/// nearly all; none for others.
#[inline]
fn usual_timestamp(text: &[u8]) -> Option<i64> {
    let (head, clock) = text.split_first_chunk::<10>()?;
    let (clock, rest) = clock.split_first_chunk::<9>()?;
    let [b' ', h1, h2, b':', n1, n2, b':', s1, s2] = clock else { return None };
    let day = usual_date(head)?;
    let rest = rest.strip_suffix(b"+00").unwrap_or(rest);
    let seconds = (pair(h1, h2)? * 60 + pair(n1, n2)?) * 60 + pair(s1, s2)?;
    let us = match rest {
        _ if seconds * 1_000_000 >= DAY_US => return None,
        [] => 0,
        [b'.', digits @ ..] => fraction(digits).ok()?,
        _ => return None,
    };
    Some(day * DAY_US + seconds * 1_000_000 + us)
}

/// A moment, `2026-11-22 12:34:56.789+00`, as microseconds since 1970 in UTC.
#[inline]
fn timestamp(text: &[u8]) -> Fit<i64> {
    if let Some(us) = usual_timestamp(text) {
        return Ok(us);
    }
    let (text, before_christ) = before_christ(text);
    let Some(space) = text.iter().position(|b| *b == b' ') else { return Err(infinite(text)) };
    let day = plain_date(&text[..space], before_christ)?;
    let clock = &text[space + 1..];
    let zone = clock.iter().position(|b| matches!(b, b'+' | b'-'));
    let (clock, offset) = match zone {
        Some(at) => (&clock[..at], zone_offset(&clock[at..])?),
        None => (clock, 0),
    };
    let time = time(clock)?;
    let us = day.checked_mul(DAY_US).and_then(|us| us.checked_add(time));
    let us = us.ok_or(Misfit::OutOfRange)?;
    us.checked_sub(offset).ok_or(Misfit::OutOfRange)
}

/// `+02`, `-03:30` or `+00:19:32` in microseconds.
fn zone_offset(text: &[u8]) -> Fit<i64> {
    let (negative, rest) = signed(text);
    let mut seconds = 0;
    for (part, unit) in rest.split(|b| *b == b':').zip([3600, 60, 1]) {
        seconds += two(part)? * unit;
    }
    Ok(if negative { -seconds } else { seconds } * 1_000_000)
}

/// An interval, `1 year 2 mons -3 days 04:05:06.789`.
///
/// # Errors
/// `OutOfRange` when its time is more than 292 years, or its days or months more than fit.
pub fn interval(
    text: &[u8],
) -> Fit<<IntervalMonthDayNanoType as arrow_array::types::ArrowPrimitiveType>::Native> {
    let (mut months, mut days, mut us) = (0_i64, 0_i64, 0_i64);
    let mut words = text.split(|b| *b == b' ').filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        if word.contains(&b':') {
            us = clock_span(word)?;
            continue;
        }
        let count = i64::from(narrow32(integer(word)?)?);
        match words.next().ok_or(Misfit::Malformed)? {
            b"year" | b"years" => months += count * 12,
            b"mon" | b"mons" | b"month" | b"months" => months += count,
            b"day" | b"days" => days += count,
            _ => return Err(Misfit::Malformed),
        }
    }
    let ns = us.checked_mul(1000).ok_or(Misfit::OutOfRange)?;
    Ok(IntervalMonthDayNano::new(narrow32(months)?, narrow32(days)?, ns))
}

fn narrow32(value: i64) -> Fit<i32> {
    i32::try_from(value).map_err(|_| Misfit::OutOfRange)
}

/// `-123:04:05.6` in microseconds: hours may have any number of digits.
fn clock_span(text: &[u8]) -> Fit<i64> {
    let (negative, rest) = signed(text);
    let colon = rest.iter().position(|b| *b == b':').ok_or(Misfit::Malformed)?;
    let hours = integer(&rest[..colon])?;
    let [b':', m1, m2, b':', s1, s2, tail @ ..] = &rest[colon..] else {
        return Err(Misfit::Malformed);
    };
    let us = match tail {
        [] => 0,
        [b'.', digits @ ..] => fraction(digits)?,
        _ => return Err(Misfit::Malformed),
    };
    let seconds = two(&[*m1, *m2])? * 60 + two(&[*s1, *s2])?;
    let us = hours.checked_mul(3_600_000_000).and_then(|h| h.checked_add(seconds * 1_000_000 + us));
    let us = us.ok_or(Misfit::OutOfRange)?;
    Ok(if negative { -us } else { us })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        assert_eq!(integer(b"-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(integer(b"9223372036854775807"), Ok(i64::MAX));
        assert_eq!(integer(b"9223372036854775808"), Err(Misfit::OutOfRange));
        assert_eq!(integer(b"42"), Ok(42));
        for bad in [&b""[..], b"-", b"1a", b"1 ", b"0x1"] {
            assert_eq!(integer(bad), Err(Misfit::Malformed), "{bad:?}");
        }
    }

    #[test]
    fn decimals_are_exact_or_refused() {
        assert_eq!(decimal(b"-12.30", 18, 2), Ok(-1230));
        assert_eq!(decimal(b"0.5", 18, 4), Ok(5000));
        assert_eq!(decimal(b"12.300", 18, 2), Ok(1230));
        assert_eq!(decimal(b"12.345", 18, 2), Err(Misfit::Digits));
        assert_eq!(decimal(b"1000", 3, 0), Err(Misfit::Digits));
        let most = "9".repeat(38);
        assert_eq!(decimal(most.as_bytes(), 38, 0), Ok(10_i128.pow(38) - 1));
        assert_eq!(decimal(format!("{most}0").as_bytes(), 38, 0), Err(Misfit::Digits));
        assert_eq!(decimal(b"NaN", 38, 0), Err(Misfit::OutOfRange));
        assert_eq!(decimal(b"-Infinity", 38, 0), Err(Misfit::OutOfRange));
        assert_eq!(decimal(b"9.99", 2, 2), Err(Misfit::Digits));
        assert_eq!(decimal(b"0.99", 2, 2), Ok(99));
        assert_eq!(decimal(b"000.99", 2, 2), Ok(99));
        for bad in [&b""[..], b".", b"-", b"1.2.3", b"1e5"] {
            assert_eq!(decimal(bad, 38, 10), Err(Misfit::Malformed), "{bad:?}");
        }
    }

    #[test]
    fn moments() {
        assert_eq!(timestamp(b"1970-01-01 00:00:00"), Ok(0));
        assert_eq!(timestamp(b"1970-01-01 02:00:00.5+02"), Ok(500_000));
        assert_eq!(timestamp(b"1970-01-01 00:19:32+00:19:32"), Ok(0));
        assert_eq!(timestamp(b"0001-12-31 23:59:59 BC"), Ok(-62_135_596_801_000_000));
        assert_eq!(timestamp(b"infinity"), Err(Misfit::OutOfRange));
        assert_eq!(timestamp(b"294276-12-31 23:59:59"), Err(Misfit::OutOfRange));
        assert_eq!(timestamp(b"2026-02-30 00:00:00"), Err(Misfit::Malformed));
        assert_eq!(date(b"9999-12-31"), Ok(2_932_896));
        assert_eq!(date(b"-infinity"), Err(Misfit::OutOfRange));
        assert_eq!(date(b"-9223372036854775807-01-01 BC"), Err(Misfit::Malformed));
        assert_eq!(time(b"24:00:00"), Err(Misfit::OutOfRange));
        assert_eq!(time(b"23:59:59.999999"), Ok(DAY_US - 1));
    }

    #[test]
    fn the_short_way_reads_as_the_long_one() {
        for day in (-719_162..2_932_896).step_by(131) {
            let (year, month, of_month) = crate::calendar::civil(day);
            let text = format!("{year:04}-{month:02}-{of_month:02}");
            assert_eq!(date(text.as_bytes()), Ok(day), "{text}");
            assert_eq!(plain_date(text.as_bytes(), false), Ok(day), "{text}");
            for zone in ["", "+00", "+00:00"] {
                let moment = format!("{text} 23:59:59.5{zone}");
                let us = day * DAY_US + 86_399_500_000;
                assert_eq!(timestamp(moment.as_bytes()), Ok(us), "{moment}");
            }
        }
        for bad in ["2026-02-29 00:00:00", "2026-01-01 24:00:00", "2026-01-01T00:00:00"] {
            assert!(timestamp(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn intervals() {
        let of = |months, days, us: i64| Ok(IntervalMonthDayNano::new(months, days, us * 1000));
        assert_eq!(interval(b"1 year 2 mons 3 days 04:05:06.5"), of(14, 3, 14_706_500_000));
        assert_eq!(interval(b"-1 days -00:00:01"), of(0, -1, -1_000_000));
        assert_eq!(interval(b"00:00:00"), of(0, 0, 0));
        assert_eq!(interval(b"2562048 00:00:00"), Err(Misfit::Malformed));
        assert_eq!(interval(b"99999999:00:00"), Err(Misfit::OutOfRange));
        assert_eq!(interval(b"9223372036854775807 years"), Err(Misfit::OutOfRange));
    }

    #[test]
    fn bytes() {
        let mut out = Vec::new();
        assert_eq!(hexadecimal(b"\\x00fF", &mut out), Ok(()));
        assert_eq!(out, [0, 255]);
        assert_eq!(hexadecimal(b"\\x0", &mut out), Err(Misfit::Malformed));
        assert_eq!(hexadecimal(b"\\xgg", &mut out), Err(Misfit::Malformed));
    }
}
