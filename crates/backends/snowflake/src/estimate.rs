//! What a statement would cost. No warehouse is started for it.

use orbit_core::{Context, Estimate, EstimateQuality, HourlyRate, Query, Result, Statistic};
use serde::Deserialize;

use crate::datasource::{Connected, of_table};
use crate::error::malformed;
use crate::statement::{Statement, execute};

/// Sizes of a warehouse and the credits that an hour of it costs, by the vendor's table for
/// warehouses of the type STANDARD.
const CREDITS: &[(&str, f64)] = &[
    ("X-SMALL", 1.0),
    ("SMALL", 2.0),
    ("MEDIUM", 4.0),
    ("LARGE", 8.0),
    ("X-LARGE", 16.0),
    ("2X-LARGE", 32.0),
    ("3X-LARGE", 64.0),
    ("4X-LARGE", 128.0),
    ("5X-LARGE", 256.0),
    ("6X-LARGE", 512.0),
];

#[derive(Deserialize)]
struct Plan {
    #[serde(rename = "GlobalStats")]
    global_stats: GlobalStats,
}

#[derive(Deserialize)]
struct GlobalStats {
    #[serde(rename = "bytesAssigned")]
    bytes_assigned: u64,
}

impl Connected {
    /// The bytes that the plan means to read, and what an hour of the warehouse costs.
    pub(crate) async fn estimate(&self, cx: &Context, query: &Query) -> Result<Estimate> {
        let text = format!("EXPLAIN USING JSON {}", self.text(query, None)?);
        let bindings = query.parameters.as_ref().map(crate::bind::one_row).transpose()?;
        let statement = Statement { bindings, ..Statement::new(text) };
        let executed = execute(cx, &self.api, &self.lane, &statement).await;
        let data = executed.map_err(|e| of_table(e, &query.target))?.finish();
        let warehouse = data.final_warehouse_name.clone();
        let rows = self.texts(cx, data).await?;
        let plan = rows.first().and_then(|row| row.first()).and_then(Option::as_deref);
        let plan: Plan = plan
            .and_then(|plan| serde_json::from_str(plan).ok())
            .ok_or_else(|| malformed("a plan is not in the form that was asked for"))?;
        let value = plan.global_stats.bytes_assigned;
        let bytes = Some(Statistic { value, quality: EstimateQuality::Guess });
        let rate = match warehouse {
            Some(name) => self.rate(cx, &name).await?,
            None => None,
        };
        Ok(Estimate { bytes, rate, ..Estimate::default() })
    }

    /// What an hour of a warehouse costs; none for one whose price is not a matter of its size
    /// alone, or that the role may not see.
    async fn rate(&self, cx: &Context, name: &str) -> Result<Option<HourlyRate>> {
        let pattern = self.dialect().text(&name.replace('\\', "_"))?;
        let shown = self.show(cx, &format!("SHOW WAREHOUSES LIKE {pattern}")).await?;
        let of = shown.values("name")?;
        let Some(row) = shown.rows.iter().find(|row| of(row) == name) else { return Ok(None) };
        let (size, kind) = (shown.values("size")?(row), shown.values("type")?(row));
        // The second generation costs other credits; older releases do not tell it.
        let generation = shown.values("resource_constraint").map_or("", |of| of(row));
        let standard = kind.eq_ignore_ascii_case("STANDARD");
        if !standard || !matches!(generation, "" | "null" | "STANDARD_GEN_1") {
            return Ok(None);
        }
        let known = CREDITS.iter().find(|(known, _)| known.eq_ignore_ascii_case(size));
        Ok(known.map(|(_, amount)| HourlyRate { amount: *amount, unit: "credits" }))
    }
}
