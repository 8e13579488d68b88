//! Columns take the case that their table has.
//!
//! DataFusion folds unquoted names to lower case. Here each is found among the columns of the
//! tables that its own SELECT can see, then of the SELECTs around it, as SQL says; two tables
//! with columns that differ by case alone make a name ambiguous as two equal ones do.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Query, Select,
    SelectItem, SetExpr, Statement, TableAlias, TableFactor, TableWithJoins, VisitMut, VisitorMut,
};
use orbit_core::{Error, ErrorKind, Result};

use super::resolve::{Names, folded};

/// Spells the columns of `statement`; `written` are the tables' names before they were bound.
pub(super) fn spell_columns(
    statement: &mut Statement,
    written: &[ObjectName],
    names: &[Names],
) -> Result<()> {
    match statement.visit(&mut Speller { written, names, frames: Vec::new() }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Something in FROM: its name and its columns, none of them where they are not known.
struct Relation {
    name: String,
    columns: Vec<String>,
}

/// A query, as its names are looked up in it.
#[derive(Default)]
struct Frame {
    /// The common table expressions that it defines.
    ctes: Vec<Relation>,
    /// What the SELECT that is visited, or was visited last, reads from.
    relations: Vec<Relation>,
    /// The columns that the query answers, known once its first SELECT is done.
    outputs: Vec<String>,
    /// The visitor is within a SELECT, and not in the ORDER BY behind it.
    in_select: bool,
}

struct Speller<'a> {
    written: &'a [ObjectName],
    names: &'a [Names],
    frames: Vec<Frame>,
}

/// The only spelling among `columns` that an unquoted name can mean.
fn spelling<'c>(name: &str, columns: impl Iterator<Item = &'c String>) -> Option<&'c str> {
    let lower = name.to_lowercase();
    let mut found = None;
    for column in columns.filter(|c| c.to_lowercase() == lower) {
        if *column == lower || found.is_none() {
            found = Some(column.as_str());
        }
    }
    found
}

impl Speller<'_> {
    /// Gives an unquoted column the case that it has where it is found first.
    fn spell(&self, ident: &mut Ident) -> Result<()> {
        if ident.quote_style.is_some() {
            return Ok(());
        }
        for frame in self.frames.iter().rev() {
            let output = (!frame.in_select).then(|| spelling(&ident.value, frame.outputs.iter()));
            if let Some(spelled) = output.flatten() {
                *ident = Ident::with_quote('"', spelled);
                return Ok(());
            }
            let found = frame.relations.iter().filter_map(|relation| {
                let spelled = spelling(&ident.value, relation.columns.iter())?;
                Some((spelled, relation))
            });
            let found: Vec<_> = found.collect();
            let spellings: BTreeSet<_> = found.iter().map(|(spelled, _)| *spelled).collect();
            let [(first, one), rest @ ..] = found.as_slice() else { continue };
            match rest.iter().find(|(spelled, _)| spelled != first) {
                Some((other, two)) if spellings.len() > 1 => {
                    let message = format!(
                        "the column `{}` could be {}.{first} or {}.{other}",
                        ident.value, one.name, two.name
                    );
                    let hint = format!("name its table, such as {}.{}", one.name, ident.value);
                    return Err(Error::new(ErrorKind::QueryInvalid, message).with_hint(hint));
                }
                _ => *ident = Ident::with_quote('"', *first),
            }
            return Ok(());
        }
        Ok(())
    }

    /// Spells `table.column`, and the column of `column.field`.
    fn spell_compound(&self, parts: &mut [Ident]) -> Result<()> {
        let [first, second, ..] = parts else { return Ok(()) };
        let qualifier = folded(first);
        let named =
            self.frames.iter().rev().find_map(|frame| {
                frame.relations.iter().find(|relation| relation.name == qualifier)
            });
        let Some(relation) = named else { return self.spell(first) };
        if second.quote_style.is_none()
            && let Some(spelled) = spelling(&second.value, relation.columns.iter())
        {
            *second = Ident::with_quote('"', spelled);
        }
        Ok(())
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

    /// Spells the columns by whose names tables are joined.
    fn spell_joins(&self, table: &mut TableWithJoins) -> Result<()> {
        let columns = |factor: &TableFactor| {
            let mut found = Vec::new();
            self.add_relations_of(factor, &[], &mut found);
            found.into_iter().flat_map(|relation| relation.columns).collect::<Vec<_>>()
        };
        let mut left = columns(&table.relation);
        for join in &mut table.joins {
            let right = columns(&join.relation);
            match constraint(&mut join.join_operator) {
                Some(JoinConstraint::Using(names)) => {
                    let idents = names.iter_mut().filter_map(|name| match name.0.last_mut() {
                        Some(ObjectNamePart::Identifier(ident)) => Some(ident),
                        _ => None,
                    });
                    for ident in idents.filter(|ident| ident.quote_style.is_none()) {
                        let sides = [&left, &right].map(|side| spelling(&ident.value, side.iter()));
                        match sides {
                            [Some(a), Some(b)] if a != b => return Err(differ("USING", a, b)),
                            [Some(one), _] | [None, Some(one)] => {
                                *ident = Ident::with_quote('"', one);
                            }
                            [None, None] => {}
                        }
                    }
                }
                Some(JoinConstraint::Natural) => {
                    for a in &left {
                        let b = spelling(a, right.iter());
                        if let Some(b) = b.filter(|_| !right.contains(a)) {
                            return Err(differ("a NATURAL JOIN", a, b));
                        }
                    }
                }
                _ => {}
            }
            left.extend(right);
        }
        Ok(())
    }

    /// What `from` lets a SELECT see; `ctes` are those of a query that is not visited yet.
    fn relations(&self, from: &[TableWithJoins], ctes: &[Relation]) -> Vec<Relation> {
        let mut found = Vec::new();
        for table in from {
            self.add_relations(table, ctes, &mut found);
        }
        found
    }

    fn add_relations(&self, table: &TableWithJoins, ctes: &[Relation], found: &mut Vec<Relation>) {
        let joined = table.joins.iter().map(|join| &join.relation);
        for factor in [&table.relation].into_iter().chain(joined) {
            self.add_relations_of(factor, ctes, found);
        }
    }

    fn add_relations_of(&self, factor: &TableFactor, ctes: &[Relation], found: &mut Vec<Relation>) {
        match factor {
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                self.add_relations(table_with_joins, ctes, found);
            }
            factor => found.extend(self.relation(factor, ctes)),
        }
    }

    fn relation(&self, factor: &TableFactor, ctes: &[Relation]) -> Option<Relation> {
        let (alias, columns) = match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let columns = self.columns_of_table(name, ctes);
                if alias.is_none() {
                    let name = name.0.last()?.as_ident().map(folded)?;
                    return Some(Relation { name, columns });
                }
                (alias, columns)
            }
            TableFactor::Derived { subquery, alias, .. } => {
                (alias, self.columns_of_query(subquery, ctes))
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                let mut within = Vec::new();
                self.add_relations(table_with_joins, ctes, &mut within);
                (alias, within.into_iter().flat_map(|relation| relation.columns).collect())
            }
            TableFactor::Table { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::UNNEST { alias, .. } => (alias, Vec::new()),
            _ => return None,
        };
        let name = alias.as_ref().map_or(String::new(), |alias| folded(&alias.name));
        Some(Relation { name, columns: renamed(alias.as_ref(), columns) })
    }

    /// The columns of a table that was bound, or of a common table expression.
    fn columns_of_table(&self, name: &ObjectName, ctes: &[Relation]) -> Vec<String> {
        let idents: Vec<_> = name.0.iter().filter_map(ObjectNamePart::as_ident).collect();
        if let [one] = idents.as_slice() {
            let name = folded(one);
            let known = self.frames.iter().flat_map(|frame| &frame.ctes).chain(ctes);
            let cte = known.rev().find(|cte| cte.name == name);
            return cte.map_or(Vec::new(), |cte| cte.columns.clone());
        }
        let is_it = |names: &&Names| {
            names.reference.len() == idents.len()
                && names.reference.iter().zip(&idents).all(|(part, ident)| *part == ident.value)
        };
        self.names.iter().find(is_it).map_or(Vec::new(), |names| names.columns.clone())
    }

    /// The columns that a query will answer.
    fn columns_of_query(&self, query: &Query, outer: &[Relation]) -> Vec<String> {
        let mut ctes: Vec<Relation> = Vec::new();
        ctes.extend(
            outer.iter().map(|r| Relation { name: r.name.clone(), columns: r.columns.clone() }),
        );
        self.add_ctes(query, &mut ctes);
        self.columns_of_body(&query.body, &ctes)
    }

    fn add_ctes(&self, query: &Query, ctes: &mut Vec<Relation>) {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let columns = renamed(Some(&cte.alias), self.columns_of_query(&cte.query, ctes));
            ctes.push(Relation { name: folded(&cte.alias.name), columns });
        }
    }

    fn columns_of_body(&self, body: &SetExpr, ctes: &[Relation]) -> Vec<String> {
        match body {
            SetExpr::Select(select) => Self::outputs(select, &self.relations(&select.from, ctes)),
            SetExpr::Query(query) => self.columns_of_query(query, ctes),
            SetExpr::SetOperation { left, .. } => self.columns_of_body(left, ctes),
            _ => Vec::new(),
        }
    }

    /// The columns that a SELECT answers, at least those that some name can mean.
    fn outputs(select: &Select, relations: &[Relation]) -> Vec<String> {
        let mut outputs = Vec::new();
        let column = |ident: &Ident, columns: Vec<&String>| match ident.quote_style {
            Some(_) => ident.value.clone(),
            None => spelling(&ident.value, columns.into_iter())
                .map_or_else(|| ident.value.to_lowercase(), str::to_owned),
        };
        let all = || relations.iter().flat_map(|relation| &relation.columns).collect();
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(Expr::Identifier(ident)) => {
                    outputs.push(column(ident, all()));
                }
                SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
                    outputs.extend(parts.last().map(|ident| column(ident, all())));
                }
                SelectItem::ExprWithAlias { alias, .. } => outputs.extend(unquoted(alias)),
                SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {
                    outputs.extend(all().into_iter().cloned());
                }
                _ => {}
            }
        }
        outputs
    }
}

/// One name for two columns would join them, and each would be found by its own name alone.
fn differ(join: &str, a: &str, b: &str) -> Error {
    let message = format!("{join} cannot join `{a}` with `{b}`: they differ by case");
    let hint = format!("join them with ON, such as ON a.\"{a}\" = b.\"{b}\"");
    Error::new(ErrorKind::QueryInvalid, message).with_hint(hint)
}

/// The columns under the names that an alias gives to the first of them.
fn renamed(alias: Option<&TableAlias>, columns: Vec<String>) -> Vec<String> {
    let given = alias.map_or(&[][..], |alias| &alias.columns);
    let rest = columns.into_iter().skip(given.len());
    given.iter().filter_map(|column| unquoted(&column.name)).chain(rest).collect()
}

/// A name that the statement gives, if an unquoted name can mean it: unlike a source's, its
/// case is the statement's own choice.
fn unquoted(ident: &Ident) -> Option<String> {
    Some(folded(ident)).filter(|name| *name == name.to_lowercase())
}

fn flow(result: Result<()>) -> ControlFlow<Error> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

impl VisitorMut for Speller<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        let mut ctes = Vec::new();
        self.add_ctes(query, &mut ctes);
        self.frames.push(Frame { ctes, ..Frame::default() });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        self.frames.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        let relations = self.relations(&select.from, &[]);
        if let Some(frame) = self.frames.last_mut() {
            frame.relations = relations;
            frame.in_select = true;
        }
        for from in &mut select.from {
            flow(self.spell_joins(from))?;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        match factor {
            TableFactor::NestedJoin { table_with_joins, .. } => {
                flow(self.spell_joins(table_with_joins))
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        let relations = self.frames.last_mut().map(|f| std::mem::take(&mut f.relations));
        let relations = relations.unwrap_or_default();
        let outputs = Self::outputs(select, &relations);
        if let Some(frame) = self.frames.last_mut() {
            frame.relations = relations;
            frame.in_select = false;
            if frame.outputs.is_empty() {
                frame.outputs = outputs;
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        flow(match expr {
            Expr::Identifier(ident) => self.spell(ident),
            Expr::CompoundIdentifier(parts) => {
                self.shorten(parts);
                self.spell_compound(parts)
            }
            _ => Ok(()),
        })
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
