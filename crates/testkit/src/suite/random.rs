//! Random queries over a table, within what a datasource claims.

use arrow_array::{Array, RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field};
use arrow_select::take::take;
use orbit_core::{CompareOp, Literal, Predicate, Result, SortKey};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use crate::claims::Claims;

const DEPTH_MAX: usize = 3;
const SET_VALUES_MAX: usize = 5;
const PATTERNS: &[&str] =
    &["%", "", "a%", "%b", "%a%", "_", "a_", "%\\%%", "1\\_0", "%\\\\%", "na_ve", "%ß%", "z_b%"];

/// Which columns and operations may be used.
pub(super) struct Palette<'a> {
    rows: &'a RecordBatch,
    /// Text columns whose equality may be asked.
    binary_text: Vec<String>,
    text_order: bool,
    like: bool,
    like_ignore_case: bool,
    set_values_max: usize,
}

impl<'a> Palette<'a> {
    /// All that `claims` allow on `rows`; `binary_text` are the text columns that the source
    /// compares by their bytes.
    pub(super) fn new(rows: &'a RecordBatch, claims: &Claims, binary_text: Vec<String>) -> Self {
        Self {
            rows,
            binary_text,
            text_order: claims.has("sql.query.predicate.text_order"),
            like: claims.has("sql.query.predicate.like"),
            like_ignore_case: claims.has("sql.query.predicate.like_ignore_case"),
            set_values_max: claims.level("sql.query.predicate.in_values_max").min(SET_VALUES_MAX),
        }
    }

    /// A predicate of some depth.
    pub(super) fn predicate(&self, rng: &mut StdRng) -> Result<Predicate> {
        self.part(rng, DEPTH_MAX)
    }

    fn part(&self, rng: &mut StdRng, depth: usize) -> Result<Predicate> {
        let roll = rng.random_range(0..10);
        if depth == 0 || roll > 5 {
            return self.leaf(rng);
        }
        if roll > 3 {
            return Ok(Predicate::Not(Box::new(self.part(rng, depth - 1)?)));
        }
        let count = rng.random_range(1..=3);
        let parts = (0..count).map(|_| self.part(rng, depth - 1)).collect::<Result<Vec<_>>>()?;
        Ok(if roll > 1 { Predicate::And(parts) } else { Predicate::Or(parts) })
    }

    fn leaf(&self, rng: &mut StdRng) -> Result<Predicate> {
        let schema = self.rows.schema();
        let field = schema.field(rng.random_range(0..schema.fields().len()));
        let column = field.name().clone();
        let text = is_text(field);
        let equality = !text || self.text_order || self.binary_text.contains(&column);
        match rng.random_range(0..6) {
            0 => Ok(Predicate::IsNull { column, negated: rng.random() }),
            1 if equality && self.set_values_max > 0 => self.set(rng, column),
            2 | 3 if text && (self.like || self.like_ignore_case) => Ok(self.like(rng, column)),
            _ if *field.data_type() == DataType::Boolean && rng.random() => {
                Ok(Predicate::IsTrue { column })
            }
            _ if equality => self.compare(rng, field),
            _ => Ok(Predicate::IsNull { column, negated: rng.random() }),
        }
    }

    fn compare(&self, rng: &mut StdRng, field: &Field) -> Result<Predicate> {
        use CompareOp::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
        let ordered = match field.data_type() {
            DataType::Boolean => false,
            _ => !is_text(field) || self.text_order,
        };
        let ops: &[CompareOp] =
            if ordered { &[Eq, NotEq, Lt, LtEq, Gt, GtEq] } else { &[Eq, NotEq] };
        let op = ops.choose(rng).copied().unwrap_or(Eq);
        let row = rng.random_range(0..self.rows.num_rows());
        let value = self.column(field.name()).slice(row, 1);
        Ok(Predicate::compare(field.name(), op, Literal::new(value)?))
    }

    fn set(&self, rng: &mut StdRng, column: String) -> Result<Predicate> {
        let size = rng.random_range(0..=self.set_values_max);
        let rows: UInt32Array =
            (0..size).map(|_| rng.random_range(0..self.rows.num_rows() as u32)).collect();
        let values = take(self.column(&column), &rows, None).map_err(|e| {
            orbit_core::Error::new(orbit_core::ErrorKind::Unexpected, "no set").with_source(e)
        })?;
        Ok(Predicate::In { column, values, negated: rng.random() })
    }

    fn like(&self, rng: &mut StdRng, column: String) -> Predicate {
        let ignore_case = match (self.like, self.like_ignore_case) {
            (true, true) => rng.random(),
            (_, ignoring) => ignoring,
        };
        let pattern = PATTERNS.choose(rng).copied().unwrap_or("%").to_owned();
        Predicate::Like { column, pattern, negated: rng.random(), ignore_case }
    }

    /// An order that ends in the unique column `id`, so that it is the only one.
    pub(super) fn order(&self, rng: &mut StdRng) -> Vec<SortKey> {
        let schema = self.rows.schema();
        let fit: Vec<_> =
            schema.fields().iter().filter(|f| !is_text(f) || self.text_order).collect();
        let mut columns: Vec<_> =
            fit.choose_multiple(rng, 2).map(|f| f.name().clone()).filter(|n| n != "id").collect();
        columns.push("id".to_owned());
        let key = |column| SortKey { column, descending: rng.random(), nulls_first: rng.random() };
        columns.into_iter().map(key).collect()
    }

    /// Some of the columns, in any order.
    pub(super) fn columns(&self, rng: &mut StdRng) -> Option<Vec<String>> {
        let schema = self.rows.schema();
        let count = rng.random_range(0..=schema.fields().len());
        let fields: Vec<_> = schema.fields().iter().collect();
        let some = fields.choose_multiple(rng, count).map(|f| f.name().clone()).collect();
        rng.random_ratio(3, 4).then_some(some)
    }

    fn column(&self, name: &str) -> &dyn Array {
        self.rows.column_by_name(name).unwrap_or_else(|| self.rows.column(0))
    }
}

pub(super) fn is_text(field: &Field) -> bool {
    matches!(field.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}
