-- Order, limits and offsets, with nulls and ties.

-- name: order_asc_nulls_default
SELECT id FROM lefts ORDER BY k, id;
-- name: order_desc_nulls_default
SELECT id FROM lefts ORDER BY k DESC, id;
-- name: order_nulls_first
SELECT id FROM lefts ORDER BY k NULLS FIRST, id DESC;
-- name: order_desc_nulls_last
SELECT id FROM lefts ORDER BY k DESC NULLS LAST, id;
-- name: order_text_by_bytes
SELECT t FROM texts ORDER BY t;
-- name: order_text_desc
SELECT id, t FROM texts ORDER BY t DESC;
-- name: order_text_upper_before_lower
SELECT v FROM (VALUES ('b'), ('A'), ('a'), ('B'), ('_'), ('é'), ('z')) t(v) ORDER BY v;
-- name: order_by_expression
SELECT id FROM staff ORDER BY salary * -1, id;
-- name: order_by_alias
SELECT id, salary * 12 AS yearly FROM staff ORDER BY yearly DESC, id;
-- name: order_by_position
SELECT name, id FROM staff ORDER BY 2 DESC;
-- name: order_by_unselected
SELECT name FROM staff ORDER BY hired, id;
-- name: order_by_alias_shadows_column
SELECT -id AS id FROM depts ORDER BY id;
-- name: order_by_case
SELECT id FROM staff ORDER BY CASE WHEN active THEN 0 WHEN NOT active THEN 1 ELSE 2 END, id;
-- name: order_by_bool
SELECT id FROM flags ORDER BY a, b, id;
-- name: order_by_bool_desc
SELECT id FROM flags ORDER BY a DESC, b DESC NULLS LAST, id;
-- name: order_by_date
SELECT id FROM times ORDER BY d;
-- name: order_by_bytea
SELECT id FROM blobs ORDER BY b;
-- name: order_by_numeric
SELECT id FROM numbers ORDER BY d DESC NULLS LAST, id;
-- name: order_by_position_out_of_range_is_error
SELECT id FROM staff ORDER BY 3;
-- name: limit
SELECT id FROM staff ORDER BY id LIMIT 3;
-- name: limit_zero
SELECT id FROM staff ORDER BY id LIMIT 0;
-- name: limit_beyond
SELECT id FROM depts ORDER BY id LIMIT 100;
-- name: offset_only
SELECT id FROM staff ORDER BY id OFFSET 8;
-- name: limit_offset
SELECT id FROM staff ORDER BY id LIMIT 3 OFFSET 4;
-- name: offset_beyond
SELECT id FROM staff ORDER BY id LIMIT 3 OFFSET 100;
-- name: limit_null
SELECT id FROM depts ORDER BY id LIMIT NULL;
-- name: limit_all
SELECT id FROM depts ORDER BY id LIMIT ALL;
-- name: limit_negative_is_error
SELECT id FROM depts ORDER BY id LIMIT -1;
-- name: offset_negative_is_error
SELECT id FROM depts ORDER BY id OFFSET -1;
-- name: limit_expression
SELECT id FROM staff ORDER BY id LIMIT 1 + 1;
-- name: fetch_first
SELECT id FROM staff ORDER BY id FETCH FIRST 2 ROWS ONLY;
-- name: fetch_first_with_offset
SELECT id FROM staff ORDER BY id OFFSET 2 ROWS FETCH NEXT 2 ROWS ONLY;
-- name: fetch_with_ties
SELECT id FROM ties ORDER BY val FETCH FIRST 1 ROW WITH TIES;
-- name: limit_in_subquery
SELECT max(id) FROM (SELECT id FROM staff ORDER BY id LIMIT 4) x;
-- name: limit_with_ties_cut_by_tiebreak
SELECT id FROM staff ORDER BY salary DESC, id LIMIT 3;
-- name: limit_without_order_counts
SELECT count(*) FROM (SELECT 1 FROM staff LIMIT 7) x;
-- name: nested_limits
SELECT id FROM (SELECT id FROM staff ORDER BY id LIMIT 5) x ORDER BY id DESC LIMIT 2;
-- name: limit_after_filter
SELECT id FROM sales WHERE product = 'apple' ORDER BY id LIMIT 2;
-- name: top_n_with_nulls
SELECT id, price FROM sales ORDER BY price DESC LIMIT 3;
-- name: top_n_nulls_last
SELECT id, price FROM sales ORDER BY price DESC NULLS LAST, id LIMIT 4;
-- name: order_by_two_directions
SELECT region, id FROM sales ORDER BY region DESC NULLS LAST, id ASC LIMIT 6;
-- name: distinct_with_order_and_limit
SELECT DISTINCT salary FROM staff ORDER BY salary DESC LIMIT 3;
-- name: distinct_order_by_unselected_is_error
SELECT DISTINCT name FROM staff ORDER BY salary;
-- name: order_by_constant_text_is_error
SELECT id FROM depts ORDER BY 'id';
-- name: order_stable_on_all_columns
SELECT x, y FROM bag_a ORDER BY x, y;
