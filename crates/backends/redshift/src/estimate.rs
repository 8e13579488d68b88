//! What a query costs, as the source's plan and its catalogs tell.

use orbit_core::{Estimate, EstimateQuality, Statistic, TableStatistics};

use crate::session::{Server, TextRow};

/// Asks for the plan of a statement. PostgreSQL is given an option, so that no word of the
/// statement can be one: `ANALYZE` would run it.
pub(crate) fn explain_sql(server: Server, statement: &str) -> String {
    match server {
        Server::Postgresql => format!("EXPLAIN (COSTS) {statement}"),
        Server::Redshift => format!("EXPLAIN {statement}"),
    }
}

/// The estimate of a plan; `table` are the statistics of the one table that is read, if it is
/// one. A plan tells rows and their width, which is all that is known of files in S3.
pub(crate) fn of_plan(plan: &[TextRow], table: Option<&TableStatistics>) -> Estimate {
    let lines = || plan.iter().filter_map(|row| row.first()?.as_deref());
    let guess = |value| Statistic { value, quality: EstimateQuality::Guess };
    let scanned = lines().filter(|line| is_scan(line)).map(|line| {
        let (rows, width) = (number_after(line, " rows=")?, number_after(line, " width=")?);
        Some(rows.saturating_mul(width))
    });
    let scanned: Option<Vec<u64>> = scanned.collect();
    let scanned = scanned.map(|all| guess(all.into_iter().fold(0, u64::saturating_add)));
    // No more than the table has is read of it.
    let whole = table
        .and_then(|table| table.bytes)
        .map(|bytes| Statistic { value: bytes.value, quality: EstimateQuality::UpperBound });
    Estimate {
        rows: lines().next().and_then(|line| number_after(line, " rows=")).map(guess),
        bytes: whole.or(scanned),
        ..Estimate::default()
    }
}

/// Whether a step reads a table, or files of an external one; those above it do not.
fn is_scan(line: &str) -> bool {
    let of_table = [
        "Seq Scan on ",
        "Index Scan using ",
        "Index Only Scan using ",
        "Scan Backward using ",
        "Heap Scan on ",
        "Foreign Scan on ",
        "Sample Scan on ",
        "Tid Scan on ",
    ];
    line.contains("S3 Seq Scan ") || of_table.iter().any(|step| line.contains(step))
}

fn number_after(line: &str, label: &str) -> Option<u64> {
    let (_, rest) = line.split_once(label)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(lines: &[&str]) -> Vec<TextRow> {
        lines.iter().map(|line| vec![Some((*line).to_owned())]).collect()
    }

    #[test]
    fn files_in_s3_are_guessed_by_rows_and_width() {
        // The shape of a plan in the vendor's pages on Spectrum.
        let plan = plan(&[
            "XN Limit  (cost=1001055770628.63..1001055770628.65 rows=10 width=31)",
            "  ->  XN Hash Join DS_BCAST_INNER  (cost=2.0..9.0 rows=5000 width=31)",
            "        ->  XN S3 Query Scan sales  (cost=0.00..7.0 rows=6000 width=20)",
            "              ->  S3 Seq Scan spectrum.sales location:\"s3://b/x\" format:TEXT  \
             (cost=0.00..7.0 rows=6000 width=20)",
            "        ->  XN Seq Scan on event  (cost=0.00..87.98 rows=8798 width=21)",
        ]);
        let estimate = of_plan(&plan, None);
        let guess = |value| Some(Statistic { value, quality: EstimateQuality::Guess });
        assert_eq!(estimate.rows, guess(10));
        assert_eq!(estimate.bytes, guess(6000 * 20 + 8798 * 21));
    }

    #[test]
    fn a_table_is_read_at_most_whole() {
        let plan = plan(&["Seq Scan on t  (cost=0.00..1.0 rows=3 width=4)"]);
        let bytes = Some(Statistic { value: 8192, quality: EstimateQuality::Exact });
        let table = TableStatistics { bytes, ..TableStatistics::default() };
        let bound = Statistic { value: 8192, quality: EstimateQuality::UpperBound };
        assert_eq!(of_plan(&plan, Some(&table)).bytes, Some(bound));
    }
}
