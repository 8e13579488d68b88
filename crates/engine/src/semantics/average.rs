//! `avg` of decimals that keeps its digits.

use std::sync::Arc;

use arrow_schema::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::functions_aggregate::average::avg_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, Signature,
};

use super::division::average_scale;
use super::exact::{DIGITS_MAX, ExactAccumulator, ExactGroups, Finish};
use super::sum;
use super::window::{FloatWindow, Of};

/// DataFusion's `avg`, with decimals averaged exactly and rounded once.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Average {
    plain: Arc<AggregateUDF>,
}

impl Default for Average {
    fn default() -> Self {
        Self { plain: avg_udaf() }
    }
}

/// How an average over values of this type ends, where it is exact.
fn finish(input: Option<&FieldRef>) -> Option<Finish> {
    match input?.data_type() {
        DataType::Decimal128(precision, scale) => {
            Some(Finish::Average { from: *scale, to: average_scale(*precision, *scale) })
        }
        _ => None,
    }
}

fn is_float(input: Option<&FieldRef>) -> bool {
    input.is_some_and(|f| f.data_type() == &DataType::Float64)
}

impl AggregateUDFImpl for Average {
    fn name(&self) -> &'static str {
        "avg"
    }

    fn aliases(&self) -> &[String] {
        self.plain.aliases()
    }

    fn signature(&self) -> &Signature {
        self.plain.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.plain.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [DataType::Decimal128(precision, scale)] => {
                Ok(DataType::Decimal128(DIGITS_MAX, average_scale(*precision, *scale)))
            }
            _ => self.plain.return_type(types),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match finish(args.expr_fields.first()) {
            Some(finish) => Ok(sum::accumulator(&args, finish)),
            None => self.plain.accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        match finish(args.input_fields.first()) {
            Some(finish) => Ok(sum::state_fields(&args, &finish)),
            None => self.plain.state_fields(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        match finish(args.expr_fields.first()) {
            Some(_) => !args.is_distinct,
            None => self.plain.groups_accumulator_supported(args),
        }
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        match finish(args.expr_fields.first()) {
            Some(finish) => Ok(Box::new(ExactGroups::new(finish))),
            None => self.plain.create_groups_accumulator(args),
        }
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        match finish(args.expr_fields.first()) {
            Some(finish) if !args.is_distinct => Ok(Box::new(ExactAccumulator::new(finish))),
            None if !args.is_distinct && is_float(args.expr_fields.first()) => {
                Ok(Box::new(FloatWindow::new(Of::Average)))
            }
            _ => self.plain.create_sliding_accumulator(args),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}
