//! Function calls that would be read otherwise than they are written.

use std::ops::ControlFlow;

use datafusion::execution::session_state::SessionState;
use datafusion::sql::sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, Statement, Value, VisitMut,
    VisitorMut,
};
use orbit_core::{Error, ErrorKind, Result};

/// Functions by PostgreSQL's name, and the one that does the same here.
const RENAMED: [(&str, &str); 3] = [
    ("array_remove", "array_remove_all"),
    ("array_replace", "array_replace_all"),
    ("every", "bool_and"),
];

/// Gives functions the name that does what PostgreSQL's does, and refuses calls whose clauses
/// or patterns would be dropped.
pub(crate) fn bind_calls(statement: &mut Statement, session: &SessionState) -> Result<()> {
    match statement.visit(&mut Calls { session }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(what) => {
            Err(Error::new(ErrorKind::Unsupported, format!("{what} is not supported")))
        }
    }
}

struct Calls<'a> {
    session: &'a SessionState,
}

impl VisitorMut for Calls<'_> {
    type Break = String;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let name = function.name.to_string().to_lowercase();
        if let Some((_, here)) = RENAMED.iter().find(|(there, _)| *there == name) {
            function.name = ObjectName::from(vec![Ident::new(*here)]);
        }
        if self.is_scalar(&name)
            && let Some(clause) = aggregate_clause(function)
        {
            return ControlFlow::Break(format!("{clause} with {name}, which is no aggregate,"));
        }
        let texts = literal_texts(function);
        match name.as_str() {
            // PostgreSQL's patterns would be answered as they are.
            "to_char" | "date_format" if !texts.iter().any(|t| t.contains('%')) => {
                ControlFlow::Break(format!("{name} with a pattern other than of % signs"))
            }
            // PostgreSQL pads and breaks lines.
            "encode" if texts.iter().any(|t| t.eq_ignore_ascii_case("base64")) => {
                ControlFlow::Break("encode as base64 without padding (say base64pad)".to_owned())
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

impl Calls<'_> {
    fn is_scalar(&self, name: &str) -> bool {
        self.session.scalar_functions().contains_key(name)
            && !self.session.aggregate_functions().contains_key(name)
            && !self.session.window_functions().contains_key(name)
    }
}

fn arguments(function: &Function) -> Option<&FunctionArgumentList> {
    match &function.args {
        FunctionArguments::List(list) => Some(list),
        FunctionArguments::None | FunctionArguments::Subquery(_) => None,
    }
}

/// The clause of a call that only an aggregate or a window function reads.
fn aggregate_clause(function: &Function) -> Option<&'static str> {
    let list = arguments(function);
    let is_order = |c: &FunctionArgumentClause| matches!(c, FunctionArgumentClause::OrderBy(_));
    let distinct = list.and_then(|l| l.duplicate_treatment) == Some(DuplicateTreatment::Distinct);
    let given = [
        (function.filter.is_some(), "FILTER"),
        (function.over.is_some(), "OVER"),
        (function.null_treatment.is_some(), "IGNORE NULLS"),
        (!function.within_group.is_empty(), "WITHIN GROUP"),
        (distinct, "DISTINCT"),
        (list.is_some_and(|l| l.clauses.iter().any(is_order)), "ORDER BY"),
    ];
    given.into_iter().find(|(given, _)| *given).map(|(_, clause)| clause)
}

/// The arguments that are literal texts.
fn literal_texts(function: &Function) -> Vec<&str> {
    let list = arguments(function).map_or(&[][..], |l| &l.args);
    list.iter()
        .filter_map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value))) => match &value.value {
                Value::SingleQuotedString(text) => Some(text.as_str()),
                _ => None,
            },
            _ => None,
        })
        .collect()
}
