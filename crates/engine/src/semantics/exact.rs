//! Sums in 128 bits that refuse to wrap: the state that `sum` and `avg` share.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::builder::{Decimal128Builder, Int64Builder, UInt64Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type, UInt64Type};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, Decimal128Array, Int64Array, ListArray,
    PrimitiveArray,
};
use arrow_schema::DataType;
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::datatypes::i256;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

/// The largest number of digits, and the first number that has more.
pub(super) const DIGITS_MAX: u8 = 38;
const BEYOND_DIGITS: u128 = 10_u128.pow(38);

/// What becomes of a sum and a count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finish {
    /// The sum, in this type.
    Sum(DataType),
    /// The sum, whose scale is `from`, divided by the count at the scale `to`.
    Average { from: i8, to: i8 },
}

impl Finish {
    /// The scale of the sums themselves.
    pub(super) fn sum_scale(&self) -> i8 {
        match self {
            Self::Sum(DataType::Decimal128(_, scale)) => *scale,
            Self::Sum(_) => 0,
            Self::Average { from, .. } => *from,
        }
    }

    /// The values, NULL where nothing was counted.
    fn finish(&self, sums: &[i128], counts: &[i64]) -> Result<ArrayRef> {
        let counted = || sums.iter().zip(counts).map(|(s, c)| (*c > 0).then_some((*s, *c)));
        match self {
            Self::Sum(DataType::Int64) => {
                let mut values = Int64Builder::with_capacity(sums.len());
                for sum in counted() {
                    match sum.map(|(s, _)| i64::try_from(s)).transpose() {
                        Ok(value) => values.append_option(value),
                        Err(_) => return out_of_range("bigint"),
                    }
                }
                Ok(Arc::new(values.finish()))
            }
            Self::Sum(DataType::UInt64) => {
                let mut values = UInt64Builder::with_capacity(sums.len());
                for sum in counted() {
                    match sum.map(|(s, _)| u64::try_from(s)).transpose() {
                        Ok(value) => values.append_option(value),
                        Err(_) => return out_of_range("unsigned bigint"),
                    }
                }
                Ok(Arc::new(values.finish()))
            }
            Self::Sum(DataType::Decimal128(precision, scale)) => {
                let mut values = Decimal128Builder::with_capacity(sums.len());
                for sum in counted() {
                    values.append_option(sum.map(|(s, _)| within_digits(s)).transpose()?);
                }
                Ok(Arc::new(values.finish().with_precision_and_scale(*precision, *scale)?))
            }
            Self::Sum(other) => exec_err!("sum does not answer {other}"),
            Self::Average { from, to } => {
                let mut values = Decimal128Builder::with_capacity(sums.len());
                for sum in counted() {
                    let average = sum.map(|(s, c)| divide(s, *from, c.into(), 0, *to));
                    values.append_option(average.transpose()?);
                }
                Ok(Arc::new(values.finish().with_precision_and_scale(DIGITS_MAX, *to)?))
            }
        }
    }
}

fn out_of_range<T>(type_name: &str) -> Result<T> {
    exec_err!("the sum is out of the range of {type_name}; cast to decimal before summing")
}

fn within_digits(value: i128) -> Result<i128> {
    if value.unsigned_abs() < BEYOND_DIGITS {
        return Ok(value);
    }
    exec_err!("a decimal has more than {DIGITS_MAX} digits")
}

/// `a / b` at the scale `to`, rounded half away from zero, for decimals of these scales.
pub(super) fn divide(a: i128, a_scale: i8, b: i128, b_scale: i8, to: i8) -> Result<i128> {
    if b == 0 {
        return exec_err!("division by zero");
    }
    // quotient * 10^to = a * 10^(to - a_scale + b_scale) / b
    let exponent = i32::from(to) - i32::from(a_scale) + i32::from(b_scale);
    let power = |n: u32| i256::from_i128(10).checked_pow(n);
    let (mut numerator, mut denominator) = (i256::from_i128(a), i256::from_i128(b));
    let scaled = if exponent >= 0 {
        power(exponent.unsigned_abs()).and_then(|p| numerator.checked_mul(p)).map(|n| numerator = n)
    } else {
        power(exponent.unsigned_abs())
            .and_then(|p| denominator.checked_mul(p))
            .map(|d| denominator = d)
    };
    let quotient = scaled.and_then(|()| rounded(numerator, denominator));
    match quotient.and_then(i256::to_i128) {
        Some(quotient) => within_digits(quotient),
        None => exec_err!("a decimal has more than {DIGITS_MAX} digits"),
    }
}

fn rounded(numerator: i256, denominator: i256) -> Option<i256> {
    let quotient = numerator.checked_div(denominator)?;
    let remainder = numerator.checked_rem(denominator)?;
    let twice = remainder.wrapping_abs().checked_mul(i256::from_i128(2))?;
    if twice < denominator.wrapping_abs() {
        return Some(quotient);
    }
    let negative = numerator.is_negative() != denominator.is_negative();
    let step = if negative { i256::MINUS_ONE } else { i256::ONE };
    quotient.checked_add(step)
}

/// Adds each value to what `add` does with it.
fn each_value(values: &ArrayRef, add: &mut dyn FnMut(usize, i128)) -> Result<()> {
    fn each<T: ArrowPrimitiveType>(values: &PrimitiveArray<T>, add: &mut dyn FnMut(usize, i128))
    where
        T::Native: Into<i128>,
    {
        for (row, value) in values.values().iter().enumerate() {
            if values.is_valid(row) {
                add(row, (*value).into());
            }
        }
    }
    match values.data_type() {
        DataType::Int64 => each(values.as_primitive::<Int64Type>(), add),
        DataType::UInt64 => each(values.as_primitive::<UInt64Type>(), add),
        DataType::Decimal128(..) => each(values.as_primitive::<Decimal128Type>(), add),
        other => return exec_err!("a sum of {other} is not exact"),
    }
    Ok(())
}

/// One sum, which also slides along a window.
#[derive(Debug)]
pub(super) struct ExactAccumulator {
    finish: Finish,
    sum: i128,
    count: i64,
}

impl ExactAccumulator {
    pub(super) fn new(finish: Finish) -> Self {
        Self { finish, sum: 0, count: 0 }
    }

    fn apply(&mut self, values: &ArrayRef, sign: i128) -> Result<()> {
        let (mut sum, mut count, mut overflowed) = (self.sum, self.count, false);
        let mut add = |_: usize, value: i128| {
            let (next, wrapped) = match sign {
                1 => sum.overflowing_add(value),
                _ => sum.overflowing_sub(value),
            };
            (sum, overflowed) = (next, overflowed | wrapped);
            count += 1;
        };
        each_value(values, &mut add)?;
        if overflowed {
            return out_of_range("decimal");
        }
        let added = count - self.count;
        self.sum = sum;
        self.count += if sign == 1 { added } else { -added };
        Ok(())
    }
}

impl Accumulator for ExactAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        values.first().map_or(Ok(()), |values| self.apply(values, 1))
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        values.first().map_or(Ok(()), |values| self.apply(values, -1))
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [sums, counts] = states else { return exec_err!("the state of a sum has two parts") };
        let counts: &Int64Array = counts.as_primitive::<Int64Type>();
        let mut sum = Some(self.sum);
        each_value(sums, &mut |_, value| sum = sum.and_then(|s| s.checked_add(value)))?;
        let Some(sum) = sum else { return out_of_range("decimal") };
        self.sum = sum;
        self.count += counts.iter().flatten().sum::<i64>();
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let scale = self.finish.sum_scale();
        let sum = ScalarValue::Decimal128(Some(self.sum), DIGITS_MAX, scale);
        Ok(vec![sum, ScalarValue::Int64(Some(self.count))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let value = self.finish.finish(&[self.sum], &[self.count])?;
        ScalarValue::try_from_array(&value, 0)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// One sum of distinct values.
#[derive(Debug)]
pub(super) struct DistinctAccumulator {
    finish: Finish,
    seen: HashSet<i128>,
}

impl DistinctAccumulator {
    pub(super) fn new(finish: Finish) -> Self {
        Self { finish, seen: HashSet::new() }
    }
}

impl Accumulator for DistinctAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(values) = values.first() else { return Ok(()) };
        each_value(values, &mut |_, value| {
            self.seen.insert(value);
        })
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(lists) = states.first() else { return Ok(()) };
        for list in lists.as_list::<i32>().iter().flatten() {
            self.update_batch(&[list])?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = Decimal128Array::from_iter_values(self.seen.iter().copied())
            .with_precision_and_scale(DIGITS_MAX, self.finish.sum_scale())?;
        let field = arrow_schema::Field::new_list_field(values.data_type().clone(), true);
        let offsets = OffsetBuffer::from_lengths([values.len()]);
        let list = ListArray::try_new(Arc::new(field), offsets, Arc::new(values), None)?;
        Ok(vec![ScalarValue::List(Arc::new(list))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = self.seen.iter().try_fold(0_i128, |sum, value| sum.checked_add(*value));
        let Some(sum) = sum else { return out_of_range("decimal") };
        let count = i64::try_from(self.seen.len()).unwrap_or(i64::MAX);
        let value = self.finish.finish(&[sum], &[count])?;
        ScalarValue::try_from_array(&value, 0)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.seen.capacity() * size_of::<i128>()
    }
}

/// One sum for each group.
#[derive(Debug)]
pub(super) struct ExactGroups {
    finish: Finish,
    sums: Vec<i128>,
    counts: Vec<i64>,
}

impl ExactGroups {
    pub(super) fn new(finish: Finish) -> Self {
        Self { finish, sums: Vec::new(), counts: Vec::new() }
    }

    fn resize(&mut self, groups: usize) {
        self.sums.resize(groups, 0);
        self.counts.resize(groups, 0);
    }

    fn add<T: ArrowPrimitiveType>(
        &mut self,
        values: &PrimitiveArray<T>,
        groups: &[usize],
        filter: Option<&BooleanArray>,
    ) -> Result<()>
    where
        T::Native: Into<i128>,
    {
        let kept = filter.map(|filter| {
            NullBuffer::new(
                filter.values()
                    & &filter.nulls().map_or_else(
                        || datafusion::arrow::buffer::BooleanBuffer::new_set(filter.len()),
                        |nulls| nulls.inner().clone(),
                    ),
            )
        });
        let valid = NullBuffer::union(values.nulls(), kept.as_ref());
        let mut overflowed = false;
        let mut one = |group: usize, value: T::Native| {
            let (sum, wrapped) = self.sums[group].overflowing_add(value.into());
            self.sums[group] = sum;
            self.counts[group] += 1;
            overflowed |= wrapped;
        };
        let rows = groups.iter().zip(values.values());
        match valid.filter(|v| v.null_count() > 0) {
            None => rows.for_each(|(group, value)| one(*group, *value)),
            Some(valid) => {
                for ((group, value), valid) in rows.zip(&valid) {
                    if valid {
                        one(*group, *value);
                    }
                }
            }
        }
        if overflowed { out_of_range("decimal") } else { Ok(()) }
    }

    fn take(&mut self, emit_to: EmitTo) -> (Vec<i128>, Vec<i64>) {
        (emit_to.take_needed(&mut self.sums), emit_to.take_needed(&mut self.counts))
    }
}

impl GroupsAccumulator for ExactGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        groups_count: usize,
    ) -> Result<()> {
        self.resize(groups_count);
        let Some(values) = values.first() else { return Ok(()) };
        match values.data_type() {
            DataType::Int64 => self.add(values.as_primitive::<Int64Type>(), groups, filter),
            DataType::UInt64 => self.add(values.as_primitive::<UInt64Type>(), groups, filter),
            DataType::Decimal128(..) => {
                self.add(values.as_primitive::<Decimal128Type>(), groups, filter)
            }
            other => exec_err!("a sum of {other} is not exact"),
        }
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let (sums, counts) = self.take(emit_to);
        self.finish.finish(&sums, &counts)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (sums, counts) = self.take(emit_to);
        let sums = Decimal128Array::from(sums)
            .with_precision_and_scale(DIGITS_MAX, self.finish.sum_scale())?;
        Ok(vec![Arc::new(sums), Arc::new(Int64Array::from(counts))])
    }

    fn merge_batch(
        &mut self,
        states: &[ArrayRef],
        groups: &[usize],
        groups_count: usize,
    ) -> Result<()> {
        self.resize(groups_count);
        let [sums, counts] = states else { return exec_err!("the state of a sum has two parts") };
        let sums = sums.as_primitive::<Decimal128Type>();
        let counts = counts.as_primitive::<Int64Type>();
        let mut overflowed = false;
        for (row, group) in groups.iter().enumerate() {
            let (sum, wrapped) = self.sums[*group].overflowing_add(sums.value(row));
            self.sums[*group] = sum;
            self.counts[*group] += counts.value(row);
            overflowed |= wrapped;
        }
        if overflowed { out_of_range("decimal") } else { Ok(()) }
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let rows = values.first().map_or(0, arrow_array::Array::len);
        let mut each = Self::new(self.finish.clone());
        let groups: Vec<usize> = (0..rows).collect();
        each.update_batch(values, &groups, filter, rows)?;
        each.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<i128>() + self.counts.capacity() * size_of::<i64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_round_half_away_from_zero() {
        let at = |a, b, to| divide(a, 0, b, 0, to).unwrap();
        assert_eq!([at(1, 3, 4), at(2, 3, 4), at(-2, 3, 4)], [3333, 6667, -6667]);
        assert_eq!([at(1, 2, 0), at(-1, 2, 0), at(3, 2, 0), at(5, -2, 0)], [1, -1, 2, -3]);
        assert_eq!(divide(150, 2, 5, 1, 0).unwrap(), 3);
        assert!(divide(1, 0, 0, 0, 2).is_err());
        assert!(divide(10_i128.pow(37), 0, 1, 0, 5).is_err());
    }
}
