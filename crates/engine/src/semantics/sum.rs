//! `sum` that is exact or an error.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, Signature,
};

use super::exact::{DIGITS_MAX, DistinctAccumulator, ExactAccumulator, ExactGroups, Finish};
use super::window::{FloatWindow, Of};

/// DataFusion's `sum`, with integers and decimals summed in 128 bits.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Sum {
    plain: Arc<AggregateUDF>,
}

impl Default for Sum {
    fn default() -> Self {
        Self { plain: sum_udaf() }
    }
}

/// How a sum of this type ends, where it is exact.
fn finish(data_type: &DataType) -> Option<Finish> {
    match data_type {
        DataType::Int64 | DataType::UInt64 | DataType::Decimal128(..) => {
            Some(Finish::Sum(data_type.clone()))
        }
        _ => None,
    }
}

/// The fields of the state that an exact sum hands on.
pub(super) fn state_fields(args: &StateFieldsArgs<'_>, finish: &Finish) -> Vec<FieldRef> {
    let sum = DataType::Decimal128(DIGITS_MAX, finish.sum_scale());
    if args.is_distinct {
        let item = Field::new_list_field(sum, true);
        let name = format_state_name(args.name, "distinct");
        return vec![Arc::new(Field::new_list(name, item, false))];
    }
    vec![
        Arc::new(Field::new(format_state_name(args.name, "sum"), sum, true)),
        Arc::new(Field::new(format_state_name(args.name, "count"), DataType::Int64, true)),
    ]
}

/// The accumulator of an exact sum.
pub(super) fn accumulator(args: &AccumulatorArgs<'_>, finish: Finish) -> Box<dyn Accumulator> {
    if args.is_distinct {
        return Box::new(DistinctAccumulator::new(finish));
    }
    Box::new(ExactAccumulator::new(finish))
}

impl AggregateUDFImpl for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        self.plain.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.plain.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.plain.return_type(types)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match finish(args.return_type()) {
            Some(finish) => Ok(accumulator(&args, finish)),
            None => self.plain.accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        match finish(args.return_type()) {
            Some(finish) => Ok(state_fields(&args, &finish)),
            None => self.plain.state_fields(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.plain.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        match finish(args.return_type()) {
            Some(finish) => Ok(Box::new(ExactGroups::new(finish))),
            None => self.plain.create_groups_accumulator(args),
        }
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        match finish(args.return_type()) {
            Some(finish) if !args.is_distinct => Ok(Box::new(ExactAccumulator::new(finish))),
            None if !args.is_distinct && args.return_type() == &DataType::Float64 => {
                Ok(Box::new(FloatWindow::new(Of::Sum)))
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
