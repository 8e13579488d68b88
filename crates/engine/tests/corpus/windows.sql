-- Window functions: ranking, frames, exclusion, named windows.

-- name: row_number
SELECT id, row_number() OVER (PARTITION BY grp ORDER BY id) FROM ties ORDER BY id;
-- name: rank_dense_rank
SELECT id, rank() OVER (PARTITION BY grp ORDER BY val), dense_rank() OVER (PARTITION BY grp ORDER BY val) FROM ties ORDER BY id;
-- name: rank_desc_nulls
SELECT id, rank() OVER (ORDER BY val DESC) FROM ties ORDER BY id;
-- name: rank_nulls_last
SELECT id, rank() OVER (ORDER BY val NULLS FIRST) FROM ties ORDER BY id;
-- name: percent_rank_cume_dist
SELECT id, percent_rank() OVER (ORDER BY val), cume_dist() OVER (ORDER BY val) FROM ties ORDER BY id;
-- name: ntile
SELECT id, ntile(4) OVER (ORDER BY id) FROM ties ORDER BY id;
-- name: ntile_more_than_rows
SELECT id, ntile(20) OVER (ORDER BY id) FROM ties ORDER BY id;
-- name: lag_lead
SELECT id, lag(val) OVER (ORDER BY id), lead(val) OVER (ORDER BY id) FROM ties ORDER BY id;
-- name: lag_offset_default
SELECT id, lag(val, 2, -1) OVER (PARTITION BY grp ORDER BY id), lead(val, 2, -1) OVER (PARTITION BY grp ORDER BY id) FROM ties ORDER BY id;
-- name: lag_zero_and_negative
SELECT id, lag(val, 0) OVER (ORDER BY id), lag(val, -1) OVER (ORDER BY id) FROM ties ORDER BY id;
-- name: first_last_value
SELECT id, first_value(val) OVER (PARTITION BY grp ORDER BY id), last_value(val) OVER (PARTITION BY grp ORDER BY id) FROM ties ORDER BY id;
-- name: last_value_whole_partition
SELECT id, last_value(val) OVER (PARTITION BY grp ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM ties ORDER BY id;
-- name: nth_value
SELECT id, nth_value(val, 2) OVER (PARTITION BY grp ORDER BY id) FROM ties ORDER BY id;
-- name: nth_value_beyond
SELECT id, nth_value(val, 9) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM ties WHERE grp = 'b' ORDER BY id;
-- name: first_value_ignore_nulls_absent
SELECT id, first_value(val) OVER (PARTITION BY grp ORDER BY val NULLS FIRST) FROM ties WHERE grp = 'b' ORDER BY id;
-- name: default_frame_peers
SELECT id, sum(val) OVER (PARTITION BY grp ORDER BY val) FROM ties ORDER BY id;
-- name: default_frame_no_order
SELECT id, sum(val) OVER (PARTITION BY grp) FROM ties ORDER BY id;
-- name: rows_frame_running
SELECT id, sum(val) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) FROM ties ORDER BY id;
-- name: rows_frame_centered
SELECT id, sum(val) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM ties ORDER BY id;
-- name: rows_frame_following_only
SELECT id, count(val) OVER (ORDER BY id ROWS BETWEEN 1 FOLLOWING AND 2 FOLLOWING), sum(val) OVER (ORDER BY id ROWS BETWEEN 1 FOLLOWING AND 2 FOLLOWING) FROM ties ORDER BY id;
-- name: rows_frame_preceding_only
SELECT id, sum(val) OVER (ORDER BY id ROWS BETWEEN 3 PRECEDING AND 2 PRECEDING) FROM ties ORDER BY id;
-- name: range_frame_numeric
SELECT id, sum(val) OVER (ORDER BY val RANGE BETWEEN 5 PRECEDING AND 5 FOLLOWING) FROM ties WHERE val IS NOT NULL ORDER BY id;
-- name: range_frame_desc
SELECT id, count(*) OVER (ORDER BY val DESC RANGE BETWEEN 5 PRECEDING AND CURRENT ROW) FROM ties WHERE val IS NOT NULL ORDER BY id;
-- name: range_frame_with_nulls
SELECT id, count(*) OVER (ORDER BY val RANGE BETWEEN 5 PRECEDING AND 5 FOLLOWING) FROM ties ORDER BY id;
-- name: range_frame_interval
SELECT id, count(*) OVER (ORDER BY day RANGE BETWEEN INTERVAL '30 days' PRECEDING AND CURRENT ROW) FROM sales ORDER BY id;
-- name: range_current_row
SELECT id, sum(val) OVER (ORDER BY val RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) FROM ties ORDER BY id;
-- name: groups_frame
SELECT id, sum(val) OVER (ORDER BY val GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM ties WHERE val IS NOT NULL ORDER BY id;
-- name: exclude_current_row
SELECT id, sum(val) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW) FROM ties ORDER BY id;
-- name: exclude_group
SELECT id, count(*) OVER (ORDER BY val ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE GROUP) FROM ties ORDER BY id;
-- name: exclude_ties
SELECT id, count(*) OVER (ORDER BY val ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE TIES) FROM ties ORDER BY id;
-- name: exclude_no_others
SELECT id, sum(val) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE NO OTHERS) FROM ties ORDER BY id;
-- name: named_window
SELECT id, sum(val) OVER w, count(*) OVER w FROM ties WINDOW w AS (PARTITION BY grp ORDER BY id) ORDER BY id;
-- name: named_window_extended
SELECT id, sum(val) OVER (w ORDER BY id) FROM ties WINDOW w AS (PARTITION BY grp) ORDER BY id;
-- name: min_max_sliding
SELECT id, min(val) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW), max(val) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM ties ORDER BY id;
-- name: avg_sliding_int
SELECT id, avg(val) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM ties ORDER BY id;
-- name: count_distinct_window
-- or: SELECT (SELECT count(DISTINCT val) FROM ties) FROM ties
SELECT count(DISTINCT val) OVER () FROM ties;
-- name: window_filter
SELECT id, sum(val) FILTER (WHERE w > 1) OVER (PARTITION BY grp ORDER BY id) FROM ties ORDER BY id;
-- name: window_over_aggregate
SELECT region, sum(qty), sum(sum(qty)) OVER (ORDER BY region) FROM sales WHERE region IS NOT NULL GROUP BY region ORDER BY region;
-- name: rank_over_aggregate
SELECT region, rank() OVER (ORDER BY count(*) DESC, region) FROM sales WHERE region IS NOT NULL GROUP BY region ORDER BY region;
-- name: window_in_where_is_error
SELECT id FROM ties WHERE row_number() OVER (ORDER BY id) = 1;
-- name: window_in_subquery_filter
SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY grp ORDER BY id DESC) AS r FROM ties) x WHERE r = 1 ORDER BY id;
-- name: window_in_order_by
SELECT id FROM ties ORDER BY row_number() OVER (ORDER BY id DESC);
-- name: window_partition_null_group
SELECT id, count(*) OVER (PARTITION BY grp) FROM ties ORDER BY id;
-- name: window_partition_by_expression
SELECT id, sum(val) OVER (PARTITION BY id % 2 ORDER BY id) FROM ties ORDER BY id;
-- name: window_two_orders
SELECT id, row_number() OVER (ORDER BY val NULLS FIRST, id), row_number() OVER (ORDER BY w DESC NULLS LAST, id) FROM ties ORDER BY id;
-- name: window_with_limit
SELECT id, sum(val) OVER (ORDER BY id) FROM ties ORDER BY id LIMIT 3;
-- name: window_with_distinct
SELECT DISTINCT grp, count(*) OVER (PARTITION BY grp) FROM ties ORDER BY grp NULLS FIRST;
-- name: window_over_empty
SELECT a, row_number() OVER (ORDER BY a) FROM nothing;
-- name: bool_and_window
SELECT id, bool_and(a) OVER (ORDER BY id) FROM flags ORDER BY id;
-- name: string_agg_window
SELECT id, string_agg(grp, '') OVER (ORDER BY id) FROM ties ORDER BY id;
-- name: array_agg_window
SELECT id, array_agg(val) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM ties ORDER BY id;
-- name: window_frame_start_after_end_is_error
SELECT sum(val) OVER (ORDER BY id ROWS BETWEEN CURRENT ROW AND 1 PRECEDING) FROM ties;
-- name: window_negative_frame_is_error
SELECT sum(val) OVER (ORDER BY id ROWS BETWEEN -1 PRECEDING AND CURRENT ROW) FROM ties;
-- name: ntile_zero_is_error
SELECT ntile(0) OVER (ORDER BY id) FROM ties;
-- name: running_ratio
SELECT id, val * 100 / sum(val) OVER (PARTITION BY grp) FROM ties WHERE val IS NOT NULL ORDER BY id;
-- name: float_window_sum_with_nan_leaving_frame
SELECT id, sum(f8) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM floats ORDER BY id;
-- name: float_window_sum_precision_leaving_frame
SELECT id, sum(v) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM (VALUES (1, 1e100::float8), (2, 1.0), (3, 2.0)) t(id, v) ORDER BY id;
-- name: top_per_group
SELECT grp, id FROM (SELECT grp, id, rank() OVER (PARTITION BY grp ORDER BY val DESC NULLS LAST) r FROM ties) x WHERE r <= 1 ORDER BY grp NULLS FIRST, id;
