//! Which tables a statement uses, and the names by which DataFusion will know them.
//!
//! DataFusion folds unquoted names to lower case and knows three parts. Here every table that
//! is no common table expression is replaced by its resolved name under the alias that the
//! statement uses.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Ident, ObjectName, ObjectNamePart, Query, Statement, TableAlias, TableFactor, VisitMut,
    VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Location;
use orbit_core::{Error, ErrorKind, Result, Version};

use super::columns::spell_columns;
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
    spell_columns(statement, &written, names)
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
pub(super) fn folded(ident: &Ident) -> String {
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
