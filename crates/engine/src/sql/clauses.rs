//! Refuses each clause that parses but that the planner does not read: what is dropped without
//! a word gives a wrong answer.
//!
//! Queries, selects, relations and function calls are destructured in full, so that a clause
//! that a newer parser adds does not compile until it is decided here.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Cte, DataType, Expr, Function, FunctionArguments, GroupByExpr, Insert,
    JoinConstraint, JoinOperator, NamedWindowDefinition, NamedWindowExpr, OrderBy, OrderByExpr,
    OrderByKind, Query, Select, SelectFlavor, SetExpr, Statement, TableFactor, TimezoneInfo,
    UnaryOperator, Value, Visit, Visitor, WindowType,
};
use orbit_core::{Error, ErrorKind, Result};

/// Refuses what has no meaning here.
pub(crate) fn check(statement: &Statement) -> Result<()> {
    match statement {
        Statement::Query(_) => {}
        Statement::Insert(insert) => check_insert(insert)?,
        Statement::CreateTable(create) if create.query.is_some() => {}
        Statement::Explain { .. } | Statement::ExplainTable { .. } => {
            return Err(
                unsupported("EXPLAIN inside a statement").with_hint("ask with `orbit explain`")
            );
        }
        other => {
            let text = other.to_string();
            let verb: Vec<_> = text.split_whitespace().take(2).collect();
            return Err(unsupported(&format!("the statement {}", verb.join(" ")))
                .with_hint("ORBIT runs SELECT, INSERT INTO ... SELECT and CREATE TABLE ... AS"));
        }
    }
    check_expression(statement)
}

/// Refuses what has no meaning here in anything that is made of expressions.
pub(crate) fn check_expression(node: &impl Visit) -> Result<()> {
    match node.visit(&mut Checker) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(clause) => Err(unsupported(clause)),
    }
}

fn unsupported(what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{what} is not supported"))
}

fn check_insert(insert: &Insert) -> Result<()> {
    let refused = [
        (insert.or.is_some(), "INSERT OR"),
        (insert.ignore, "INSERT IGNORE"),
        (insert.on.is_some(), "ON CONFLICT"),
        (insert.returning.is_some(), "RETURNING"),
        (insert.replace_into, "REPLACE INTO"),
        (insert.partitioned.is_some(), "PARTITION of an insert"),
        (!insert.after_columns.is_empty(), "columns after a partition"),
        (insert.priority.is_some(), "an insert's priority"),
        (insert.insert_alias.is_some(), "an insert's alias"),
        (insert.settings.is_some(), "SETTINGS"),
        (insert.format_clause.is_some(), "FORMAT"),
        (!insert.assignments.is_empty(), "SET of an insert"),
    ];
    match refused.iter().find(|(given, _)| *given) {
        Some((_, clause)) => Err(unsupported(clause)),
        None => Ok(()),
    }
}

struct Checker;

/// The first clause of `given` that is there.
fn first(given: &[(bool, &'static str)]) -> ControlFlow<&'static str> {
    match given.iter().find(|(given, _)| *given) {
        Some((_, clause)) => ControlFlow::Break(clause),
        None => ControlFlow::Continue(()),
    }
}

impl Visitor for Checker {
    type Break = &'static str;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        let Query {
            with,
            body,
            order_by,
            limit_clause: _,
            fetch: _,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        let ctes = with.iter().flat_map(|w| &w.cte_tables);
        for Cte { alias: _, query: _, from, materialized, closing_paren_token: _ } in ctes {
            first(&[
                (from.is_some(), "FROM of a common table expression"),
                (materialized.is_some(), "MATERIALIZED"),
            ])?;
        }
        let writes = matches!(
            body.as_ref(),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_)
        );
        first(&[
            (!locks.is_empty(), "FOR UPDATE or FOR SHARE"),
            (for_clause.is_some(), "a FOR clause"),
            (settings.is_some(), "SETTINGS"),
            (format_clause.is_some(), "FORMAT"),
            (!pipe_operators.is_empty(), "the pipe syntax"),
            (matches!(body.as_ref(), SetExpr::Table(_)), "TABLE in place of SELECT"),
            (writes, "a write inside a query"),
            (order_by.as_ref().is_some_and(orders_by_text), "ORDER BY a constant text"),
        ])
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        let Select {
            select_token: _,
            optimizer_hints: _,
            distinct: _,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection: _,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection: _,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having: _,
            named_window,
            qualify: _,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        let (GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers)) = group_by;
        let extends = |window: &NamedWindowDefinition| match &window.1 {
            NamedWindowExpr::NamedWindow(_) => true,
            NamedWindowExpr::WindowSpec(spec) => spec.window_name.is_some(),
        };
        let mut joins = from.iter().flat_map(|f| &f.joins);
        first(&[
            (!modifiers.is_empty(), "GROUP BY ... WITH"),
            (named_window.iter().any(extends), "a window that extends another"),
            (joins.any(|j| fills_from_the_right(&j.join_operator)), "RIGHT or FULL JOIN ... USING"),
            (select_modifiers.is_some(), "a modifier of SELECT"),
            (top.is_some(), "TOP"),
            (exclude.is_some(), "EXCLUDE after the select list"),
            (into.is_some(), "SELECT INTO"),
            (!lateral_views.is_empty(), "LATERAL VIEW"),
            (prewhere.is_some(), "PREWHERE"),
            (!connect_by.is_empty(), "CONNECT BY"),
            (!cluster_by.is_empty(), "CLUSTER BY"),
            (!distribute_by.is_empty(), "DISTRIBUTE BY"),
            (!sort_by.is_empty(), "SORT BY"),
            (value_table_mode.is_some(), "SELECT AS STRUCT or VALUE"),
            (*flavor == SelectFlavor::FromFirstNoSelect, "FROM without SELECT"),
        ])
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Self::Break> {
        match factor {
            TableFactor::Table {
                name: _,
                alias: _,
                args: _,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => first(&[
                (!with_hints.is_empty() || !index_hints.is_empty(), "a table hint"),
                (version.is_some(), "this form of time travel"),
                (*with_ordinality, "WITH ORDINALITY"),
                (!partitions.is_empty(), "PARTITION of a table"),
                (json_path.is_some(), "a path into a table"),
                (sample.is_some(), "TABLESAMPLE"),
            ]),
            TableFactor::Derived { lateral: _, subquery: _, alias: _, sample } => {
                first(&[(sample.is_some(), "TABLESAMPLE")])
            }
            TableFactor::Function { lateral: _, name: _, args: _, with_ordinality, alias: _ } => {
                first(&[(*with_ordinality, "WITH ORDINALITY")])
            }
            TableFactor::UNNEST { .. } | TableFactor::NestedJoin { .. } => {
                ControlFlow::Continue(())
            }
            TableFactor::TableFunction { .. } => ControlFlow::Break("TABLE(...)"),
            TableFactor::Pivot { .. } => ControlFlow::Break("PIVOT"),
            TableFactor::Unpivot { .. } => ControlFlow::Break("UNPIVOT"),
            TableFactor::MatchRecognize { .. } => ControlFlow::Break("MATCH_RECOGNIZE"),
            _ => ControlFlow::Break("this kind of table"),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        match expr {
            Expr::Function(Function {
                name: _,
                uses_odbc_syntax: _,
                parameters,
                args: _,
                filter: _,
                null_treatment: _,
                over,
                within_group: _,
            }) => first(&[
                (
                    !matches!(parameters, FunctionArguments::None),
                    "a function with two lists of arguments",
                ),
                (
                    matches!(over, Some(WindowType::WindowSpec(s)) if s.window_name.is_some()),
                    "a window that extends another",
                ),
            ]),
            Expr::Collate { .. } => ControlFlow::Break("COLLATE"),
            // PostgreSQL's power; the planner would take it for an exclusive or.
            Expr::BinaryOp { op: BinaryOperator::BitwiseXor, .. } => {
                ControlFlow::Break("the operator ^ (say power)")
            }
            Expr::UnaryOp { op: UnaryOperator::Minus, expr }
                if matches!(**expr, Expr::Interval(_)) =>
            {
                ControlFlow::Break("the negative of an interval")
            }
            Expr::AtTimeZone { timestamp, .. } if is_instant(timestamp) => {
                ControlFlow::Break("AT TIME ZONE of an instant (say to_local_time)")
            }
            Expr::SimilarTo { .. } => ControlFlow::Break("SIMILAR TO"),
            Expr::AllOp { .. } => ControlFlow::Break("a comparison with ALL"),
            Expr::AnyOp { right, .. } if matches!(**right, Expr::Subquery(_)) => {
                ControlFlow::Break("a comparison with ANY of a query")
            }
            Expr::Cast { data_type, .. } if cuts_text(data_type) => {
                ControlFlow::Break("a cast to a text of limited length")
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

fn orders_by_text(order_by: &OrderBy) -> bool {
    let OrderByKind::Expressions(keys) = &order_by.kind else { return false };
    let is_text = |key: &OrderByExpr| matches!(&key.expr, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)));
    keys.iter().any(is_text)
}

/// Whether the joined column can come from the right side, which is then left NULL.
fn fills_from_the_right(operator: &JoinOperator) -> bool {
    match operator {
        JoinOperator::Right(c) | JoinOperator::RightOuter(c) | JoinOperator::FullOuter(c) => {
            matches!(c, JoinConstraint::Using(_) | JoinConstraint::Natural)
        }
        _ => false,
    }
}

/// Whether PostgreSQL would cut or pad the text to a length that is dropped here.
fn cuts_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Varchar(length)
        | DataType::CharVarying(length)
        | DataType::CharacterVarying(length)
        | DataType::Nvarchar(length) => length.is_some(),
        DataType::Char(_) | DataType::Character(_) => true,
        _ => false,
    }
}

/// Whether a literal or a clause says that it has a time zone already.
fn is_instant(expr: &Expr) -> bool {
    match expr {
        Expr::AtTimeZone { .. } => true,
        Expr::TypedString(text) => matches!(
            text.data_type,
            DataType::Timestamp(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz)
        ),
        Expr::Cast { data_type, .. } => matches!(
            data_type,
            DataType::Timestamp(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz)
        ),
        Expr::Nested(inner) => is_instant(inner),
        _ => false,
    }
}
