-- Joins of every kind, with null and repeated keys.

-- name: inner_null_keys
SELECT l.id, r.rid FROM lefts l JOIN rights r ON l.k = r.k ORDER BY l.id, r.rid;
-- name: left_null_keys
SELECT l.id, r.rid FROM lefts l LEFT JOIN rights r ON l.k = r.k ORDER BY l.id, r.rid;
-- name: right_null_keys
SELECT l.id, r.rid FROM lefts l RIGHT JOIN rights r ON l.k = r.k ORDER BY r.rid, l.id;
-- name: full_null_keys
SELECT l.id, r.rid FROM lefts l FULL JOIN rights r ON l.k = r.k ORDER BY l.id NULLS LAST, r.rid NULLS LAST;
-- name: full_join_empty_side
SELECT l.id, n.a FROM lefts l FULL JOIN nothing n ON l.k = n.a ORDER BY l.id;
-- name: cross_join
SELECT count(*), sum(l.id * r.rid) FROM lefts l CROSS JOIN rights r;
-- name: comma_join
SELECT l.id, r.rid FROM lefts l, rights r WHERE l.k = r.k AND l.id > 1 ORDER BY 1, 2;
-- name: join_using
SELECT k, id, rid FROM lefts JOIN rights USING (k) ORDER BY k, id, rid;
-- name: left_join_using_coalesces
SELECT k, id, rid FROM lefts LEFT JOIN rights USING (k) ORDER BY id, rid;
-- name: full_join_using_coalesces
SELECT k, id, rid FROM lefts FULL JOIN rights USING (k) ORDER BY k NULLS LAST, id NULLS LAST, rid NULLS LAST;
-- name: right_join_using_coalesces
SELECT k, id, rid FROM lefts RIGHT JOIN rights USING (k) ORDER BY rid, id;
-- name: join_using_star
-- or: SELECT l.id, l.k, l.v, r.rid, r.v FROM lefts l JOIN rights r ON l.k = r.k ORDER BY l.k, id, rid
SELECT * FROM lefts JOIN rights USING (k) ORDER BY k, id, rid;
-- name: full_join_using_star
-- or: SELECT l.id, coalesce(l.k, r.k) AS k, l.v, r.rid, r.v FROM lefts l FULL JOIN rights r ON l.k = r.k ORDER BY k NULLS LAST, id NULLS LAST, rid NULLS LAST
SELECT * FROM lefts FULL JOIN rights USING (k) ORDER BY k NULLS LAST, id NULLS LAST, rid NULLS LAST;
-- name: natural_join
-- or: SELECT l.id, l.k, r.rid FROM lefts l JOIN rights r ON l.k = r.k ORDER BY l.id, r.rid
SELECT * FROM (SELECT id, k FROM lefts) a NATURAL JOIN (SELECT rid, k FROM rights) b ORDER BY id, rid;
-- name: natural_left_join
SELECT k, id, rid FROM (SELECT id, k FROM lefts) a NATURAL LEFT JOIN (SELECT rid, k FROM rights) b ORDER BY id, rid;
-- name: natural_join_no_common_columns
SELECT count(*) FROM (SELECT id AS x FROM lefts) a NATURAL JOIN (SELECT rid AS y FROM rights) b;
-- name: left_join_condition_on_left
SELECT l.id, r.rid FROM lefts l LEFT JOIN rights r ON l.k = r.k AND l.id < 3 ORDER BY 1, 2;
-- name: left_join_condition_on_right
SELECT l.id, r.rid FROM lefts l LEFT JOIN rights r ON l.k = r.k AND r.rid > 2 ORDER BY 1, 2;
-- name: left_join_where_on_right
SELECT l.id, r.rid FROM lefts l LEFT JOIN rights r ON l.k = r.k WHERE r.rid > 2 ORDER BY 1, 2;
-- name: left_join_is_null
SELECT l.id FROM lefts l LEFT JOIN rights r ON l.k = r.k WHERE r.rid IS NULL ORDER BY 1;
-- name: left_join_always_false
SELECT l.id, r.rid FROM lefts l LEFT JOIN rights r ON false ORDER BY 1;
-- name: left_join_always_true
SELECT count(*) FROM lefts l LEFT JOIN rights r ON true;
-- name: full_join_non_equi
SELECT l.id, r.rid FROM lefts l FULL JOIN rights r ON l.k = r.k AND l.id > r.rid ORDER BY 1 NULLS LAST, 2 NULLS LAST;
-- name: inner_non_equi
SELECT l.id, r.rid FROM lefts l JOIN rights r ON l.k < r.k ORDER BY 1, 2;
-- name: left_non_equi
SELECT l.id, r.rid FROM lefts l LEFT JOIN rights r ON l.k > r.k ORDER BY 1, 2;
-- name: join_is_not_distinct_from
SELECT l.id, r.rid FROM lefts l JOIN rights r ON l.k IS NOT DISTINCT FROM r.k ORDER BY 1, 2;
-- name: join_on_or
SELECT l.id, r.rid FROM lefts l JOIN rights r ON l.k = r.k OR l.id = r.rid ORDER BY 1, 2;
-- name: join_on_expression
SELECT l.id, r.rid FROM lefts l JOIN rights r ON l.k + 1 = r.k ORDER BY 1, 2;
-- name: join_different_types
SELECT a.id, b.id FROM numbers a JOIN floats b ON a.i4 = b.f8 ORDER BY 1, 2;
-- name: join_int_with_numeric
SELECT a.id, b.id FROM numbers a JOIN numbers b ON a.i4 = b.d ORDER BY 1, 2;
-- name: join_on_float_nan
SELECT a.id, b.id FROM floats a JOIN floats b ON a.f8 = b.f8 WHERE a.id IN (4, 5, 6) ORDER BY 1, 2;
-- name: join_on_text
SELECT a.id, b.id FROM texts a JOIN texts b ON a.t = b.u ORDER BY 1, 2;
-- name: join_on_timestamp_and_date
SELECT count(*) FROM sales s JOIN times t ON s.sold_at = t.d;
-- name: self_join_hierarchy
SELECT s.name, m.name FROM staff s LEFT JOIN staff m ON s.manager_id = m.id ORDER BY s.id;
-- name: self_join_less_than
SELECT a.id, b.id FROM staff a JOIN staff b ON a.salary = b.salary AND a.id < b.id ORDER BY 1, 2;
-- name: three_tables
SELECT s.name, d.name, m.name FROM staff s LEFT JOIN depts d ON s.dept_id = d.id LEFT JOIN staff m ON m.id = s.manager_id ORDER BY s.id;
-- name: join_aggregate
SELECT d.name, count(s.id), sum(s.salary) FROM depts d LEFT JOIN staff s ON s.dept_id = d.id GROUP BY d.name ORDER BY d.name;
-- name: join_with_empty
SELECT count(*) FROM lefts l JOIN nothing n ON l.k = n.a;
-- name: left_join_empty
SELECT l.id, n.b FROM lefts l LEFT JOIN nothing n ON l.k = n.a ORDER BY 1;
-- name: ambiguous_column_is_error
SELECT id FROM staff JOIN depts ON staff.dept_id = depts.id;
-- name: missing_column_is_error
SELECT missing FROM staff;
-- name: missing_table_is_error
SELECT * FROM no_such_table;
-- name: lateral_subquery
SELECT d.id, x.name FROM depts d, LATERAL (SELECT s.name FROM staff s WHERE s.dept_id = d.id AND s.rating > 3.9) x ORDER BY 1, 2;
-- name: lateral_limit
SELECT d.id, x.name FROM depts d CROSS JOIN LATERAL (SELECT s.name FROM staff s WHERE s.dept_id = d.id ORDER BY s.salary DESC, s.id LIMIT 1) x ORDER BY 1;
-- name: left_lateral
SELECT d.id, x.n FROM depts d LEFT JOIN LATERAL (SELECT max(s.salary) AS n FROM staff s WHERE s.dept_id = d.id) x ON true ORDER BY 1;
-- name: lateral_aggregate_counts_zero
SELECT d.id, x.n FROM depts d CROSS JOIN LATERAL (SELECT count(*) AS n FROM staff s WHERE s.dept_id = d.id) x ORDER BY 1;
-- name: semi_join_by_exists
SELECT id FROM depts d WHERE EXISTS (SELECT 1 FROM staff s WHERE s.dept_id = d.id) ORDER BY id;
-- name: anti_join_by_not_exists
SELECT id FROM depts d WHERE NOT EXISTS (SELECT 1 FROM staff s WHERE s.dept_id = d.id) ORDER BY id;
-- name: nested_join_parentheses
SELECT s.id, d.id FROM staff s LEFT JOIN (depts d JOIN lefts l ON d.id = l.id * 10) ON s.dept_id = d.id ORDER BY 1, 2;
-- name: join_order_matters_left
SELECT l.id, r.rid, n.a FROM lefts l LEFT JOIN rights r ON l.k = r.k LEFT JOIN nothing n ON n.a = r.k ORDER BY 1, 2;
-- name: full_then_left
SELECT l.id, r.rid, d.id FROM lefts l FULL JOIN rights r ON l.k = r.k LEFT JOIN depts d ON d.id = r.rid * 10 ORDER BY 1 NULLS LAST, 2 NULLS LAST;
-- name: join_filter_pushdown_on_null_side
SELECT l.id, coalesce(r.v, 'missing') FROM lefts l LEFT JOIN rights r ON l.k = r.k WHERE coalesce(r.v, 'missing') <> 'uno' ORDER BY 1, 2;
-- name: join_values
SELECT s.id, v.label FROM staff s JOIN (VALUES (10, 'ten'), (20, 'twenty')) v(k, label) ON s.dept_id = v.k ORDER BY 1;
-- name: join_same_column_names_selected
SELECT l.v, r.v, l.k, r.k FROM lefts l JOIN rights r ON l.k = r.k ORDER BY l.id, r.rid;
-- name: many_to_many_count
SELECT l.k, count(*) FROM lefts l JOIN rights r ON l.k = r.k GROUP BY l.k ORDER BY 1;
