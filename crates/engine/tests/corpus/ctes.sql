-- Common table expressions, recursion, VALUES and arrays.

-- name: simple_cte
WITH a AS (SELECT id FROM depts) SELECT count(*) FROM a;
-- name: cte_used_twice
WITH a AS (SELECT dept_id, sum(salary) AS s FROM staff GROUP BY dept_id) SELECT x.dept_id FROM a x JOIN a y ON x.s = y.s ORDER BY 1;
-- name: cte_chain
WITH a AS (SELECT id FROM staff), b AS (SELECT id * 2 AS d FROM a), c AS (SELECT d + 1 AS e FROM b) SELECT sum(e) FROM c;
-- name: cte_column_names
WITH a(x, y) AS (SELECT id, name FROM depts) SELECT y FROM a WHERE x > 10 ORDER BY x;
-- name: cte_shadows_table
WITH depts AS (SELECT 1 AS id) SELECT id FROM depts;
-- name: cte_in_subquery
SELECT (WITH a AS (SELECT max(id) AS m FROM depts) SELECT m FROM a);
-- name: cte_nested
WITH a AS (WITH b AS (SELECT 1 AS x) SELECT x + 1 AS y FROM b) SELECT y FROM a;
-- name: cte_unused_with_error
WITH a AS (SELECT 1 / 0) SELECT 1;
-- name: cte_materialized
WITH a AS MATERIALIZED (SELECT id FROM depts) SELECT count(*) FROM a;
-- name: cte_not_materialized
WITH a AS NOT MATERIALIZED (SELECT id FROM depts) SELECT count(*) FROM a;
-- name: cte_with_set_operation
WITH a AS (SELECT x FROM bag_a UNION SELECT x FROM bag_b) SELECT count(*), count(x) FROM a;
-- name: recursive_counter
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT sum(i), count(*) FROM n;
-- name: recursive_tree
WITH RECURSIVE t(id, name, depth) AS (SELECT id, name, 0 FROM tree WHERE parent IS NULL UNION ALL SELECT c.id, c.name, t.depth + 1 FROM tree c JOIN t ON c.parent = t.id) SELECT id, name, depth FROM t ORDER BY id;
-- name: recursive_path
WITH RECURSIVE t(id, path) AS (SELECT id, CAST(name AS text) FROM tree WHERE parent IS NULL UNION ALL SELECT c.id, t.path || '/' || c.name FROM tree c JOIN t ON c.parent = t.id) SELECT id, path FROM t ORDER BY id;
-- name: recursive_union_distinct_ends
WITH RECURSIVE t(x) AS (SELECT 1 UNION SELECT x % 3 + 1 FROM t) SELECT x FROM t ORDER BY x;
-- name: recursive_fibonacci
WITH RECURSIVE f(a, b, n) AS (SELECT 0, 1, 1 UNION ALL SELECT b, a + b, n + 1 FROM f WHERE n < 20) SELECT max(a) FROM f;
-- name: recursive_overflow
WITH RECURSIVE f(a) AS (SELECT 1000000000000000000 UNION ALL SELECT a * 10 FROM f WHERE a > 0 AND a < 9000000000000000000) SELECT count(*) FROM f;
-- name: recursive_with_aggregate_over
WITH RECURSIVE t(id, root) AS (SELECT id, id FROM tree WHERE parent IS NULL UNION ALL SELECT c.id, t.root FROM tree c JOIN t ON c.parent = t.id) SELECT root, count(*) FROM t GROUP BY root ORDER BY root;
-- name: recursive_empty_start
WITH RECURSIVE t(x) AS (SELECT a FROM nothing UNION ALL SELECT x + 1 FROM t WHERE x < 5) SELECT count(*) FROM t;
-- name: recursive_used_twice
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT a.i, b.i FROM n a JOIN n b ON a.i < b.i ORDER BY 1, 2;
-- name: values_as_table
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) v(n, s) WHERE n = 2;
-- name: values_mixed_null
SELECT count(n), count(*) FROM (VALUES (NULL), (1)) v(n);
-- name: values_nested_join
SELECT a.x, b.y FROM (VALUES (1), (2)) a(x) CROSS JOIN (VALUES ('p'), ('q')) b(y) ORDER BY 1, 2;
-- name: array_literal
SELECT ARRAY[1, 2, NULL];
-- name: array_index
SELECT (ARRAY[10, 20, 30])[2], (ARRAY[10, 20, 30])[0], (ARRAY[10, 20, 30])[9];
-- name: array_slice
SELECT (ARRAY[10, 20, 30, 40])[2:3];
-- name: array_length
SELECT array_length(ARRAY[1, 2, 3], 1), cardinality(ARRAY[1, 2, 3]);
-- name: array_concat_append
SELECT ARRAY[1, 2] || ARRAY[3], array_append(ARRAY[1, 2], 3), array_prepend(0, ARRAY[1, 2]);
-- name: array_position
SELECT array_position(ARRAY['a', 'b', 'c'], 'b'), array_position(ARRAY['a'], 'z');
-- name: array_remove_replace
SELECT array_remove(ARRAY[1, 2, 1, 3], 1), array_replace(ARRAY[1, 2, 1], 1, 9);
-- name: array_equality
SELECT ARRAY[1, 2] = ARRAY[1, 2], ARRAY[1, 2] <> ARRAY[2, 1];
-- name: array_any
SELECT id FROM depts WHERE id = ANY (ARRAY[10, 30]) ORDER BY id;
-- name: array_all
SELECT id FROM depts WHERE id > ALL (ARRAY[10, 20]) ORDER BY id;
-- name: array_contains_operator
SELECT ARRAY[1, 2, 3] @> ARRAY[2], ARRAY[1, 2] && ARRAY[2, 9];
-- name: array_unnest
SELECT unnest(ARRAY[1, 2, NULL]);
-- name: array_unnest_from
SELECT x FROM unnest(ARRAY[3, 1, 2]) u(x) ORDER BY x;
-- name: array_unnest_lateral_column
SELECT d.id, u.x FROM depts d CROSS JOIN unnest(ARRAY[1, 2]) u(x) WHERE d.id < 30 ORDER BY 1, 2;
-- name: array_agg_unnest_round_trip
SELECT unnest(array_agg(id ORDER BY id)) FROM depts;
-- name: array_of_text_with_nulls
SELECT array_agg(product ORDER BY id) FROM sales WHERE id IN (7, 8, 9);
-- name: array_subquery
SELECT ARRAY(SELECT id FROM depts ORDER BY id DESC);
-- name: select_star_from_two
SELECT * FROM depts d JOIN (VALUES (10)) v(k) ON d.id = v.k;
-- name: select_without_from
SELECT 1 AS one, 'x' AS x, NULL AS n;
-- name: select_without_columns_where
SELECT 1 WHERE 1 = 2;
-- name: duplicate_column_names
SELECT id AS a, id AS a FROM depts ORDER BY 1;
-- name: duplicate_names_in_derived_is_ambiguous
SELECT a FROM (SELECT id AS a, name AS a FROM depts) x;
-- name: same_expression_twice
SELECT 1 + 1, 1 + 1;
-- name: quoted_identifier
SELECT "Mixed Case" FROM (SELECT 1 AS "Mixed Case") x;
-- name: quoted_identifier_wrong_case_is_error
SELECT mixed FROM (SELECT 1 AS "Mixed") x;
-- name: unquoted_identifier_folds
SELECT ID, NAME FROM DEPTS ORDER BY Id;
-- name: table_alias_hides_name
SELECT depts.id FROM depts d;
-- name: where_alias_is_error
SELECT id AS x FROM depts WHERE x = 10;
-- name: wildcard_of_alias
SELECT d.* FROM depts d ORDER BY d.id;
-- name: comment_forms
SELECT /* inner */ 1 -- trailing
 + 1;
