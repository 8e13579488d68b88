//! Names for computed columns: what was written, and each only once.
//!
//! DataFusion names a computed column by its own rendering, in which casts vanish, and refuses
//! two columns of one name. A reader knows what they wrote.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, Select, SelectItem, Statement, VisitMut, VisitorMut,
};

/// Characters of a name.
const LABEL_CHARS_MAX: usize = 80;

/// Gives every computed column of every SELECT an alias.
pub(crate) fn label_columns(statement: &mut Statement) {
    // It never breaks off.
    let ControlFlow::Continue(()) = statement.visit(&mut Labels { depth: 0 }) else { return };
}

struct Labels {
    depth: usize,
}

impl VisitorMut for Labels {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let mut used = HashSet::new();
        for item in &mut select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let (name, is_column) = label(expr);
                    if is_column && self.depth > 1 {
                        // Inside, two columns of one name are ambiguous, and stay so.
                        continue;
                    }
                    let unique = unique(&name, &used);
                    if !is_column || unique != name {
                        let alias = Ident::with_quote('"', &unique);
                        let expr = std::mem::replace(expr, Expr::Identifier(alias.clone()));
                        *item = SelectItem::ExprWithAlias { expr, alias };
                    }
                    used.insert(unique);
                }
                SelectItem::ExprWithAlias { alias, .. } => {
                    used.insert(alias.value.clone());
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }
}

/// What a column is called, and whether it is one that is only passed on.
fn label(expr: &Expr) -> (String, bool) {
    match expr {
        Expr::Identifier(ident) => (ident.value.clone(), true),
        // A qualified column keeps its own name beside another table's column of that name.
        Expr::CompoundIdentifier(_) => (expr.to_string(), true),
        _ => {
            let text = expr.to_string();
            match text.char_indices().nth(LABEL_CHARS_MAX) {
                Some((end, _)) => (format!("{}...", &text[..end]), false),
                None => (text, false),
            }
        }
    }
}

fn unique(name: &str, used: &HashSet<String>) -> String {
    if !used.contains(name) {
        return name.to_owned();
    }
    let numbered = (1..).map(|n| format!("{name}_{n}"));
    numbered.into_iter().find(|n| !used.contains(n)).unwrap_or_else(|| name.to_owned())
}
