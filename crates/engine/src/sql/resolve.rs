//! Which tables a statement uses, and the names by which DataFusion will know them.
//!
//! DataFusion folds unquoted names to lower case and knows three parts. Here every table that
//! is no common table expression is replaced by its resolved name under the alias that the
//! statement uses, and unquoted columns take the case that their table has.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Query, Select,
    SelectItem, Statement, TableAlias, TableFactor, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Location;
use orbit_core::{Error, ErrorKind, Result, Version};

use super::versions::Versions;
use crate::name::NamePart;

/// One use of a table in a statement.
#[derive(Debug, Clone)]
pub(crate) struct TableUse {
    /// The name as it was written.
    pub(crate) parts: Vec<NamePart>,
    /// The state asked for by a clause.
    pub(crate) version: Option<Version>,
    /// It was written as a text: `'x.parquet'`.
    pub(crate) is_path: bool,
}

/// What a use turned out to be.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// Datasource, schema and table as they are registered.
    pub(crate) reference: [String; 3],
    /// The name under which its columns may be qualified.
    pub(crate) alias: String,
    /// Its columns in exact case.
    pub(crate) columns: Vec<String>,
}

/// The tables that `statement` uses, in the order of [`bind_names`].
pub(crate) fn collect_tables(
    statement: &mut Statement,
    versions: &mut Versions,
) -> Result<Vec<TableUse>> {
    let mut uses = Vec::new();
    each_table(statement, |name, _| {
        uses.push(table_use(name, versions)?);
        Ok(())
    })?;
    versions.finish()?;
    Ok(uses)
}

/// The name as it was written, with its version.
pub(crate) fn table_use(name: &ObjectName, versions: &mut Versions) -> Result<TableUse> {
    let idents = name.0.iter().map(|part| match part {
        ObjectNamePart::Identifier(ident) => Ok(ident),
        ObjectNamePart::Function(_) => {
            let message = format!("`{name}` is not the name of a table");
            Err(Error::new(ErrorKind::QueryInvalid, message))
        }
    });
    let idents = idents.collect::<Result<Vec<_>>>()?;
    let place = idents.last().map_or(Location::empty(), |i| i.span.start);
    let is_path = matches!(idents.as_slice(), [one] if one.quote_style == Some('\''));
    let parts =
        idents.iter().map(|i| NamePart { text: i.value.clone(), quoted: i.quote_style.is_some() });
    Ok(TableUse { parts: parts.collect(), version: versions.take(place), is_path })
}

/// Replaces each table by what `names` says, in the order of [`collect_tables`].
pub(crate) fn bind_names(statement: &mut Statement, names: &[Names]) -> Result<()> {
    let mut written = Vec::with_capacity(names.len());
    let mut next = names.iter();
    each_table(statement, |name, alias| {
        let Some(bound) = next.next() else {
            return Err(Error::new(ErrorKind::Unexpected, "a table was not resolved"));
        };
        written.push(name.clone());
        let ident = |text: &String| ObjectNamePart::Identifier(Ident::with_quote('"', text));
        *name = ObjectName(bound.reference.iter().map(ident).collect());
        if alias.is_none() {
            *alias = Some(TableAlias {
                explicit: true,
                name: Ident::with_quote('"', &bound.alias),
                columns: Vec::new(),
                at: None,
            });
        }
        Ok(())
    })?;
    let spellings = Spellings::of(names);
    let mut columns = ColumnNames { written: &written, names, spellings, problem: None };
    match statement.visit(&mut columns) {
        ControlFlow::Break(()) => Err(columns.problem.unwrap_or_else(|| {
            Error::new(ErrorKind::Unexpected, "a column could not be resolved")
        })),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Calls `each` for every table that is no common table expression.
fn each_table(
    statement: &mut Statement,
    each: impl FnMut(&mut ObjectName, &mut Option<TableAlias>) -> Result<()>,
) -> Result<()> {
    match statement.visit(&mut TableVisitor { scopes: Vec::new(), each }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// The common table expressions of one query.
struct Scope {
    /// Each with the place of its own query, by which being inside it is known.
    ctes: Vec<(Ident, *const Query)>,
    recursive: bool,
    /// How many of them can be seen from where the visitor is.
    visible: usize,
}

struct TableVisitor<F> {
    scopes: Vec<Scope>,
    each: F,
}

impl<F> TableVisitor<F> {
    /// Within its own definition a name means the table, unless the WITH is recursive.
    fn enter(&mut self, query: *const Query) {
        if let Some(scope) = self.scopes.last_mut()
            && let Some(index) = scope.ctes.iter().position(|(_, place)| *place == query)
        {
            scope.visible = if scope.recursive { scope.ctes.len() } else { index };
        }
    }

    fn is_cte(&self, name: &ObjectName) -> bool {
        let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return false };
        let visible = self.scopes.iter().flat_map(|s| &s.ctes[..s.visible]);
        visible.into_iter().any(|(cte, _)| folded(cte) == folded(ident))
    }
}

/// The name as DataFusion compares it.
fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

impl<F> VisitorMut for TableVisitor<F>
where
    F: FnMut(&mut ObjectName, &mut Option<TableAlias>) -> Result<()>,
{
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        self.enter(query);
        let with = query.with.as_ref();
        let ctes = with.map_or(&[][..], |w| &w.cte_tables);
        let ctes: Vec<_> =
            ctes.iter().map(|c| (c.alias.name.clone(), &raw const *c.query)).collect();
        let recursive = with.is_some_and(|w| w.recursive);
        let visible = ctes.len();
        self.scopes.push(Scope { ctes, recursive, visible });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        self.scopes.pop();
        if let Some(scope) = self.scopes.last_mut() {
            scope.visible = scope.ctes.len();
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        let TableFactor::Table { name, alias, args: None, .. } = factor else {
            return ControlFlow::Continue(());
        };
        if self.is_cte(name) {
            return ControlFlow::Continue(());
        }
        match (self.each)(name, alias) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

/// The spellings of column names that differ from what folding gives, by the folded name.
struct Spellings(BTreeMap<String, BTreeSet<String>>);

impl Spellings {
    fn of(names: &[Names]) -> Self {
        let mut spellings: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for column in names.iter().flat_map(|n| &n.columns) {
            spellings.entry(column.to_lowercase()).or_default().insert(column.clone());
        }
        spellings.retain(|folded, spelled| !spelled.contains(folded));
        Self(spellings)
    }

    /// Gives an unquoted name the only spelling that there is.
    fn apply(&self, ident: &mut Ident) -> Result<()> {
        if ident.quote_style.is_some() {
            return Ok(());
        }
        let Some(spelled) = self.0.get(&ident.value.to_lowercase()) else { return Ok(()) };
        let mut all = spelled.iter();
        match (all.next(), all.next()) {
            (Some(one), None) => {
                *ident = Ident::with_quote('"', one);
                Ok(())
            }
            (Some(a), Some(b)) => {
                let message = format!("the column `{}` could be `{a}` or `{b}`", ident.value);
                Err(Error::new(ErrorKind::QueryInvalid, message)
                    .with_hint(format!("quote the one that is meant, such as \"{a}\"")))
            }
            (None, _) => Ok(()),
        }
    }
}

struct ColumnNames<'a> {
    written: &'a [ObjectName],
    names: &'a [Names],
    spellings: Spellings,
    problem: Option<Error>,
}

impl ColumnNames<'_> {
    fn spell<'i>(&mut self, idents: impl IntoIterator<Item = &'i mut Ident>) -> ControlFlow<()> {
        for ident in idents {
            if let Err(problem) = self.spellings.apply(ident) {
                self.problem = Some(problem);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// `lake.orders.id` is known as `orders.id`.
    fn shorten(&self, parts: &mut Vec<Ident>) {
        let Some((_, table)) = parts.split_last().filter(|(_, table)| table.len() > 1) else {
            return;
        };
        let same = |name: &ObjectName| {
            name.0.len() == table.len()
                && name.0.iter().zip(table).all(|(part, ident)| {
                    part.as_ident().is_some_and(|p| folded(p) == folded(ident))
                })
        };
        if let Some(index) = self.written.iter().position(same) {
            let alias = Ident::with_quote('"', &self.names[index].alias);
            let keep = parts.len() - 1;
            parts.splice(..keep, [alias]);
        }
    }
}

impl VisitorMut for ColumnNames<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) => self.spell([ident]),
            Expr::CompoundIdentifier(parts) => {
                self.shorten(parts);
                self.spell(parts.last_mut())
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                self.spell([alias])?;
            }
        }
        for join in select.from.iter_mut().flat_map(|f| &mut f.joins) {
            if let Some(JoinConstraint::Using(columns)) = constraint(&mut join.join_operator) {
                for name in columns {
                    let last = name.0.last_mut();
                    self.spell(last.into_iter().filter_map(|part| match part {
                        ObjectNamePart::Identifier(ident) => Some(ident),
                        ObjectNamePart::Function(_) => None,
                    }))?;
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let ctes = query.with.iter_mut().flat_map(|w| &mut w.cte_tables);
        for cte in ctes {
            self.spell(cte.alias.columns.iter_mut().map(|c| &mut c.name))?;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let (TableFactor::Table { alias, .. }
        | TableFactor::Derived { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::NestedJoin { alias, .. }) = factor
        else {
            return ControlFlow::Continue(());
        };
        let columns = alias.iter_mut().flat_map(|a| &mut a.columns);
        self.spell(columns.map(|c| &mut c.name))
    }
}

/// The condition of a join, where it has one.
fn constraint(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(c)
        | JoinOperator::Inner(c)
        | JoinOperator::Left(c)
        | JoinOperator::LeftOuter(c)
        | JoinOperator::Right(c)
        | JoinOperator::RightOuter(c)
        | JoinOperator::FullOuter(c)
        | JoinOperator::CrossJoin(c)
        | JoinOperator::Semi(c)
        | JoinOperator::LeftSemi(c)
        | JoinOperator::RightSemi(c)
        | JoinOperator::Anti(c)
        | JoinOperator::LeftAnti(c)
        | JoinOperator::RightAnti(c) => Some(c),
        _ => None,
    }
}
