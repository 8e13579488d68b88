//! Whether an answer is right.

use super::{Expectation, Query, Row};

/// What an engine answers to a query: rows, or why not.
pub type Answer = Result<Vec<Row>, String>;

/// What an answer comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It is PostgreSQL's, or an error where PostgreSQL has one.
    Right,
    /// It is the other answer that the corpus allows.
    Alternative,
    /// An error where PostgreSQL answers.
    Refused,
    /// Rows that are not PostgreSQL's.
    Wrong,
}

/// Judges `answer` by what PostgreSQL says, to the query and to its alternative.
pub fn judge(
    query: &Query,
    rule: &Answer,
    alternative: Option<&Answer>,
    answer: &Answer,
) -> Verdict {
    let Ok(rows) = answer else {
        let refusable = query.expectation == Expectation::Refused || rule.is_err();
        return if refusable { Verdict::Right } else { Verdict::Refused };
    };
    let equals =
        |other: &Answer| other.as_ref().is_ok_and(|other| same(other, rows, query.is_ordered()));
    if query.expectation == Expectation::Refused {
        Verdict::Wrong
    } else if equals(rule) {
        Verdict::Right
    } else if alternative.is_some_and(equals) {
        Verdict::Alternative
    } else {
        Verdict::Wrong
    }
}

/// Whether two results hold the same rows, in the same order if that counts.
pub fn same(a: &[Row], b: &[Row], ordered: bool) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if ordered {
        return a.iter().zip(b).all(|(a, b)| same_row(a, b));
    }
    let mut left: Vec<_> = b.iter().collect();
    a.iter().all(|row| {
        let found = left.iter().position(|other| same_row(row, other));
        found.map(|at| left.swap_remove(at)).is_some()
    })
}

fn same_row(a: &Row, b: &Row) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b))
}

#[cfg(test)]
mod tests {
    use super::{Answer, Verdict, judge, same};
    use crate::oracle::{Cell, Expectation, Query};

    fn rows(texts: &[&str]) -> Vec<Vec<Cell>> {
        texts.iter().map(|text| vec![Cell::Text((*text).to_string())]).collect()
    }

    fn verdict(expectation: Expectation, rule: &Answer, answer: &Answer) -> Verdict {
        let (group, name) = (String::new(), String::new());
        let query = Query { group, name, sql: "SELECT 1".to_string(), expectation };
        judge(&query, rule, Some(&Ok(rows(&["wide"]))), answer)
    }

    #[test]
    fn rows_without_an_order_are_a_bag() {
        assert!(same(&rows(&["a", "b", "a"]), &rows(&["b", "a", "a"]), false));
        assert!(!same(&rows(&["a", "b", "a"]), &rows(&["b", "b", "a"]), false));
        assert!(!same(&rows(&["a", "b"]), &rows(&["b", "a"]), true));
    }

    #[test]
    fn an_error_is_right_where_the_rule_has_one() {
        let (error, answer) = (Err("no".to_string()), Ok(rows(&["a"])));
        assert_eq!(verdict(Expectation::Rule, &error, &error), Verdict::Right);
        assert_eq!(verdict(Expectation::Rule, &error, &answer), Verdict::Wrong);
        assert_eq!(verdict(Expectation::Rule, &error, &Ok(rows(&["wide"]))), Verdict::Alternative);
        assert_eq!(verdict(Expectation::Rule, &answer, &error), Verdict::Refused);
        assert_eq!(verdict(Expectation::Refused, &answer, &answer), Verdict::Wrong);
        assert_eq!(verdict(Expectation::Refused, &answer, &error), Verdict::Right);
    }
}
