-- Aggregates: plain, distinct, filtered, over nothing, and over sets of groups.

-- name: count_star_empty
SELECT count(*) FROM nothing;
-- name: aggregates_of_nothing
SELECT count(a), sum(a), avg(c), min(b), max(b), bool_and(a > 0) FROM nothing;
-- name: aggregates_of_nothing_grouped
SELECT b, count(*) FROM nothing GROUP BY b;
-- name: aggregate_of_filtered_out
SELECT count(*), sum(qty) FROM sales WHERE qty > 1000;
-- name: count_variants
SELECT count(*), count(qty), count(DISTINCT qty), count(price), count(DISTINCT region) FROM sales;
-- name: sum_avg_min_max
SELECT sum(qty), min(qty), max(qty), min(day), max(day) FROM sales;
-- name: min_max_text
SELECT min(t), max(t), min(name), max(name) FROM texts, staff WHERE texts.id = staff.id;
-- name: min_max_text_empty_string
SELECT min(t), max(t) FROM texts;
-- name: min_max_timestamp
SELECT min(ts), max(ts), min(tz), max(tz), min(t), max(t) FROM times;
-- name: min_max_bool_via_bool_agg
SELECT bool_and(a), bool_or(a), bool_and(b), bool_or(b) FROM flags WHERE id IN (1, 2, 3);
-- name: bool_agg_with_nulls
SELECT a, bool_and(b), bool_or(b), every(b) FROM flags GROUP BY a ORDER BY a NULLS FIRST;
-- name: group_by_with_null_group
SELECT region, count(*), sum(qty) FROM sales GROUP BY region ORDER BY region NULLS LAST;
-- name: group_by_two
SELECT region, product, sum(qty) FROM sales GROUP BY region, product ORDER BY region NULLS FIRST, product NULLS FIRST;
-- name: group_by_position
SELECT product, count(*) FROM sales GROUP BY 1 ORDER BY 1 NULLS FIRST;
-- name: group_by_alias
SELECT extract(month FROM day) AS m, count(*) FROM sales GROUP BY m ORDER BY m;
-- name: group_by_expression
SELECT qty % 3, count(*) FROM sales GROUP BY qty % 3 ORDER BY 1 NULLS FIRST;
-- name: group_by_expression_used_inside
SELECT qty % 3 + 1, count(*) FROM sales GROUP BY qty % 3 ORDER BY 1 NULLS FIRST;
-- name: group_by_case
SELECT CASE WHEN qty >= 8 THEN 'big' WHEN qty IS NULL THEN 'none' ELSE 'small' END AS size, count(*) FROM sales GROUP BY 1 ORDER BY 1;
-- name: group_by_unselected
SELECT count(*) FROM sales GROUP BY region ORDER BY 1, min(id);
-- name: ungrouped_column_is_error
SELECT region, product, count(*) FROM sales GROUP BY region;
-- name: aggregate_in_where_is_error
SELECT region FROM sales WHERE sum(qty) > 1 GROUP BY region;
-- name: nested_aggregate_is_error
SELECT sum(count(*)) FROM sales GROUP BY region;
-- name: having_without_group
SELECT count(*) FROM sales HAVING count(*) > 100;
-- name: having_count
SELECT region, count(*) FROM sales GROUP BY region HAVING count(*) > 2 ORDER BY region;
-- name: having_other_aggregate
SELECT region FROM sales GROUP BY region HAVING sum(qty) > 10 AND min(price) < 2 ORDER BY region;
-- name: having_null_is_false
SELECT product FROM sales GROUP BY product HAVING sum(price) > 3 ORDER BY product NULLS FIRST;
-- name: filter_clause
SELECT count(*) FILTER (WHERE region = 'north'), sum(qty) FILTER (WHERE product = 'apple'), avg(qty) FILTER (WHERE false) FROM sales;
-- name: filter_clause_grouped
SELECT region, count(*) FILTER (WHERE qty > 5), sum(qty) FILTER (WHERE qty > 5) FROM sales GROUP BY region ORDER BY region NULLS FIRST;
-- name: filter_clause_null_condition
SELECT count(*) FILTER (WHERE discount > 0) FROM sales;
-- name: distinct_aggregates
SELECT sum(DISTINCT qty), avg(DISTINCT qty), count(DISTINCT product) FROM sales;
-- name: distinct_and_plain
SELECT region, count(qty), count(DISTINCT qty), sum(qty), sum(DISTINCT qty) FROM sales GROUP BY region ORDER BY region NULLS FIRST;
-- name: distinct_with_filter
SELECT count(DISTINCT product) FILTER (WHERE qty > 5) FROM sales;
-- name: count_distinct_pair
SELECT count(DISTINCT (region, product)) FROM sales WHERE region IS NOT NULL AND product IS NOT NULL;
-- name: rollup
SELECT region, product, sum(qty) FROM sales WHERE region IS NOT NULL AND product IS NOT NULL GROUP BY ROLLUP (region, product) ORDER BY region NULLS LAST, product NULLS LAST;
-- name: cube
SELECT region, product, count(*) FROM sales WHERE region IS NOT NULL AND product IS NOT NULL GROUP BY CUBE (region, product) ORDER BY region NULLS LAST, product NULLS LAST;
-- name: grouping_sets
SELECT region, product, sum(qty) FROM sales WHERE region IS NOT NULL AND product IS NOT NULL GROUP BY GROUPING SETS ((region), (product), ()) ORDER BY region NULLS LAST, product NULLS LAST;
-- name: grouping_function
SELECT region, grouping(region), sum(qty) FROM sales GROUP BY ROLLUP (region) ORDER BY 2, 1 NULLS FIRST;
-- name: grouping_function_two
SELECT region, product, grouping(region, product), count(*) FROM sales GROUP BY CUBE (region, product) ORDER BY 3, 1 NULLS FIRST, 2 NULLS FIRST;
-- name: grouping_sets_empty_input
SELECT b, count(*) FROM nothing GROUP BY GROUPING SETS ((b), ());
-- name: rollup_empty_input
SELECT b, count(*) FROM nothing GROUP BY ROLLUP (b);
-- name: grouping_sets_duplicate
SELECT region, count(*) FROM sales GROUP BY GROUPING SETS ((region), (region)) ORDER BY region NULLS FIRST;
-- name: group_by_mixed_with_rollup
SELECT region, product, count(*) FROM sales WHERE product IS NOT NULL GROUP BY region, ROLLUP (product) ORDER BY 1 NULLS FIRST, 2 NULLS FIRST, 3;
-- name: group_by_empty_set
SELECT count(*) FROM nothing GROUP BY ();
-- name: string_agg_ordered
SELECT string_agg(name, ',' ORDER BY name) FROM depts;
-- name: string_agg_ordered_desc
SELECT string_agg(name, '; ' ORDER BY id DESC) FROM depts;
-- name: string_agg_nulls
SELECT string_agg(product, ',' ORDER BY id) FROM sales;
-- name: string_agg_grouped
SELECT region, string_agg(product, '+' ORDER BY product, id) FROM sales GROUP BY region ORDER BY region NULLS FIRST;
-- name: string_agg_distinct
SELECT string_agg(DISTINCT product, ',' ORDER BY product) FROM sales;
-- name: string_agg_empty
SELECT string_agg(b, ',') FROM nothing;
-- name: array_agg_ordered
SELECT array_agg(id ORDER BY id DESC) FROM depts;
-- name: array_agg_with_nulls
SELECT array_agg(k ORDER BY id) FROM lefts;
-- name: array_agg_empty
SELECT array_agg(a) FROM nothing;
-- name: percentile_cont_median
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY rating) FROM staff;
-- name: percentile_cont_quarter
SELECT percentile_cont(0.25) WITHIN GROUP (ORDER BY rating) FROM staff;
-- name: percentile_disc
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY qty) FROM sales;
-- name: mode_within_group
SELECT mode() WITHIN GROUP (ORDER BY product) FROM sales;
-- name: corr_covar
SELECT corr(v, w), covar_pop(v, w), covar_samp(v, w) FROM (VALUES (1.0::float8, 2.0::float8), (2.0, 4.5), (3.0, 5.0)) t(v, w);
-- name: regr
SELECT regr_slope(w, v), regr_intercept(w, v), regr_count(w, v) FROM (VALUES (1.0::float8, 2.0::float8), (2.0, 4.5), (3.0, 5.0)) t(v, w);
-- name: bit_aggregates
SELECT bit_and(v), bit_or(v), bit_xor(v) FROM (VALUES (12), (10), (6)) t(v);
-- name: stddev_single_row
SELECT stddev(qty), var_samp(qty), stddev_pop(qty), var_pop(qty) FROM sales WHERE id = 1;
-- name: stddev_of_decimals
SELECT round(stddev(salary), 6) FROM staff;
-- name: sum_bool_case
SELECT sum(CASE WHEN active THEN 1 ELSE 0 END) FROM staff;
-- name: sum_of_interval_differences
SELECT sum(d - DATE '2024-01-01') FROM times WHERE id IN (3, 4, 9);
-- name: avg_of_nulls_only
SELECT avg(qty), sum(qty), count(qty) FROM sales WHERE qty IS NULL;
-- name: select_distinct
SELECT DISTINCT region, product FROM sales ORDER BY region NULLS FIRST, product NULLS FIRST;
-- name: select_distinct_null_once
SELECT DISTINCT k FROM lefts;
-- name: distinct_on
SELECT DISTINCT ON (region) region, id, qty FROM sales ORDER BY region NULLS FIRST, qty DESC NULLS LAST, id;
-- name: distinct_on_expression
SELECT DISTINCT ON (qty % 2) qty % 2, id FROM sales WHERE qty IS NOT NULL ORDER BY qty % 2, id;
-- name: distinct_on_mismatched_order_is_error
SELECT DISTINCT ON (region) region, id FROM sales ORDER BY id;
-- name: aggregate_of_aggregate_by_subquery
SELECT max(n), avg(n) FROM (SELECT region, count(*) AS n FROM sales GROUP BY region) g;
-- name: aggregate_order_by_aggregate
SELECT region, sum(qty) FROM sales GROUP BY region ORDER BY sum(qty) DESC, region;
-- name: count_with_limit_inside
SELECT count(*) FROM (SELECT * FROM sales ORDER BY id LIMIT 5) s;
-- name: group_by_bytea
SELECT b, count(*) FROM (SELECT b FROM blobs UNION ALL SELECT b FROM blobs) x GROUP BY b ORDER BY b NULLS FIRST;
-- name: group_by_timestamp
SELECT sold_at, count(*) FROM sales GROUP BY sold_at HAVING count(*) > 1 ORDER BY sold_at;
-- name: group_by_bool
SELECT active, count(*) FROM staff GROUP BY active ORDER BY active NULLS FIRST;
-- name: aggregate_same_expression_twice
SELECT sum(qty) AS a, sum(qty) AS b, sum(qty) + sum(qty) FROM sales;
-- name: first_value_by_subquery
SELECT region, (SELECT s2.id FROM sales s2 WHERE s2.region = s.region ORDER BY s2.qty DESC NULLS LAST, s2.id LIMIT 1) FROM sales s WHERE region IS NOT NULL GROUP BY region ORDER BY region;
