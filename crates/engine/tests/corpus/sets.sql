-- Set operations, with nulls, repeats and the ALL forms.

-- name: union_removes_repeats
SELECT x, y FROM bag_a UNION SELECT x, y FROM bag_b ORDER BY 1 NULLS LAST, 2 NULLS LAST;
-- name: union_all_keeps_repeats
SELECT x, y FROM bag_a UNION ALL SELECT x, y FROM bag_b;
-- name: intersect
SELECT x, y FROM bag_a INTERSECT SELECT x, y FROM bag_b;
-- name: intersect_all
SELECT x, y FROM bag_a INTERSECT ALL SELECT x, y FROM bag_b;
-- name: except
SELECT x, y FROM bag_a EXCEPT SELECT x, y FROM bag_b;
-- name: except_all
SELECT x, y FROM bag_a EXCEPT ALL SELECT x, y FROM bag_b;
-- name: except_all_reversed
SELECT x, y FROM bag_b EXCEPT ALL SELECT x, y FROM bag_a;
-- name: except_all_one_column
SELECT x FROM bag_a EXCEPT ALL SELECT x FROM bag_b;
-- name: intersect_all_one_column
SELECT x FROM bag_a INTERSECT ALL SELECT x FROM bag_b;
-- name: except_all_values
SELECT * FROM (VALUES (1), (1), (1), (2)) a(x) EXCEPT ALL SELECT * FROM (VALUES (1), (3)) b(x);
-- name: intersect_all_values
SELECT * FROM (VALUES (1), (1), (1), (2)) a(x) INTERSECT ALL SELECT * FROM (VALUES (1), (1), (3)) b(x);
-- name: intersect_all_nulls
SELECT k FROM lefts INTERSECT ALL SELECT k FROM rights;
-- name: except_all_nulls
SELECT k FROM lefts EXCEPT ALL SELECT k FROM rights;
-- name: except_all_empty_right
SELECT x FROM bag_a EXCEPT ALL SELECT a FROM nothing;
-- name: except_all_empty_left
SELECT a FROM nothing EXCEPT ALL SELECT x FROM bag_a;
-- name: intersect_all_empty
SELECT x FROM bag_a INTERSECT ALL SELECT a FROM nothing;
-- name: except_all_within_subquery
SELECT count(*), sum(x) FROM (SELECT x FROM bag_a EXCEPT ALL SELECT x FROM bag_b) d;
-- name: intersect_all_grouped
SELECT x, count(*) FROM (SELECT x FROM bag_a INTERSECT ALL SELECT x FROM bag_b) d GROUP BY x ORDER BY x NULLS FIRST;
-- name: except_all_chain
SELECT x FROM bag_a EXCEPT ALL SELECT x FROM bag_b EXCEPT ALL SELECT 2;
-- name: intersect_all_binds_tighter
SELECT x FROM bag_a UNION ALL SELECT x FROM bag_b INTERSECT ALL SELECT 1;
-- name: intersect_binds_tighter
SELECT 1 UNION SELECT 2 INTERSECT SELECT 3;
-- name: except_is_left_associative
SELECT x FROM bag_a EXCEPT SELECT 1 EXCEPT SELECT 2;
-- name: union_then_except
SELECT 1 UNION ALL SELECT 1 EXCEPT SELECT 2;
-- name: parentheses_change_grouping
SELECT 1 UNION ALL (SELECT 1 EXCEPT SELECT 2);
-- name: union_mixed_all_distinct
SELECT 1 UNION ALL SELECT 1 UNION SELECT 2;
-- name: union_distinct_then_all
SELECT 1 UNION SELECT 1 UNION ALL SELECT 1;
-- name: union_distinct_explicit
SELECT x FROM bag_a UNION DISTINCT SELECT x FROM bag_b;
-- name: union_order_limit
SELECT x FROM bag_a UNION SELECT x FROM bag_b ORDER BY x DESC NULLS LAST LIMIT 2;
-- name: union_branch_order_limit
(SELECT id FROM staff ORDER BY id DESC LIMIT 2) UNION ALL (SELECT id FROM staff ORDER BY id LIMIT 1);
-- name: union_with_null_literal
SELECT 1 AS v UNION ALL SELECT NULL ORDER BY v NULLS FIRST;
-- name: union_nulls_are_equal
SELECT NULL::int UNION SELECT NULL::int;
-- name: union_types_int_numeric_float
SELECT 1 UNION ALL SELECT 1.5 UNION ALL SELECT 2.5::float8;
-- name: union_int_widths
SELECT i2 FROM numbers WHERE id = 9 UNION ALL SELECT i4 FROM numbers WHERE id = 9 UNION ALL SELECT i8 FROM numbers WHERE id = 9;
-- name: union_date_timestamp
SELECT d FROM times WHERE id = 2 UNION ALL SELECT ts FROM times WHERE id = 2;
-- name: union_column_count_is_error
SELECT 1, 2 UNION SELECT 1;
-- name: union_of_aggregates
SELECT 'min', min(id) FROM staff UNION ALL SELECT 'max', max(id) FROM staff;
-- name: except_with_where
SELECT dept_id FROM staff EXCEPT SELECT id FROM depts WHERE city = 'Graz';
-- name: intersect_types
SELECT i4 FROM numbers INTERSECT SELECT d FROM numbers;
-- name: union_of_floats_nan
SELECT f8 FROM floats UNION SELECT f8 FROM floats;
-- name: except_floats_nan
SELECT f8 FROM floats EXCEPT SELECT 'NaN'::float8;
