//! Sums and averages of floats along a sliding window, added anew for each row.
//!
//! Subtracting what leaves the window is faster and wrong: NaN and infinity never leave, and
//! what a large value has rounded away does not come back.

use std::collections::VecDeque;

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::Accumulator;

/// What is answered for the values in the window.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of {
    Sum,
    Average,
}

/// The values in the window.
#[derive(Debug)]
pub(super) struct FloatWindow {
    of: Of,
    values: VecDeque<Option<f64>>,
}

impl FloatWindow {
    pub(super) fn new(of: Of) -> Self {
        Self { of, values: VecDeque::new() }
    }
}

impl Accumulator for FloatWindow {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        if let Some(values) = values.first() {
            self.values.extend(values.as_primitive::<Float64Type>().iter());
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let left = values.first().map_or(0, arrow_array::Array::len);
        self.values.drain(..left.min(self.values.len()));
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        exec_err!("a window is not merged")
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        exec_err!("a window has no state to hand on")
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let count = self.values.iter().flatten().count();
        if count == 0 {
            return Ok(ScalarValue::Float64(None));
        }
        let sum: f64 = self.values.iter().flatten().sum();
        Ok(ScalarValue::Float64(Some(match self.of {
            Of::Sum => sum,
            Of::Average => sum / count as f64,
        })))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.capacity() * size_of::<Option<f64>>()
    }
}
