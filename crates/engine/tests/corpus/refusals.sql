-- Clauses that must have their effect or be refused: never dropped without a word.

-- name: tablesample_bernoulli_none
SELECT count(*) FROM staff TABLESAMPLE BERNOULLI (0);
-- name: tablesample_system_none
SELECT count(*) FROM staff TABLESAMPLE SYSTEM (0);
-- name: tablesample_all
SELECT count(*) FROM staff TABLESAMPLE BERNOULLI (100);
-- name: tablesample_repeatable
SELECT count(*) FROM staff TABLESAMPLE BERNOULLI (0) REPEATABLE (7);
-- name: tablesample_in_join
SELECT count(*) FROM depts d JOIN staff s TABLESAMPLE BERNOULLI (0) ON s.dept_id = d.id;
-- name: tablesample_in_subquery
SELECT count(*) FROM (SELECT * FROM staff TABLESAMPLE BERNOULLI (0)) x;
-- name: for_update
-- expect: refused
SELECT id FROM staff FOR UPDATE;
-- name: for_share
-- expect: refused
SELECT id FROM staff FOR SHARE;
-- name: for_update_nowait
-- expect: refused
SELECT id FROM staff FOR UPDATE NOWAIT;
-- name: for_update_skip_locked
-- expect: refused
SELECT id FROM staff FOR UPDATE SKIP LOCKED;
-- name: for_update_in_subquery
-- expect: refused
SELECT * FROM (SELECT id FROM staff FOR UPDATE) x;
-- name: hint_with_nolock
-- expect: refused
SELECT id FROM staff WITH (NOLOCK);
-- name: index_hint
-- expect: refused
SELECT id FROM staff USE INDEX (i);
-- name: system_time_as_of
-- expect: refused
SELECT id FROM staff FOR SYSTEM_TIME AS OF '2020-01-01';
-- name: version_as_of_of_a_plain_table
-- expect: refused
SELECT id FROM staff VERSION AS OF 3;
-- name: timestamp_as_of_of_a_plain_table
-- expect: refused
SELECT id FROM staff TIMESTAMP AS OF '2020-01-01';
-- name: for_xml
-- expect: refused
SELECT id FROM staff FOR XML AUTO;
-- name: format_clause
-- expect: refused
SELECT id FROM staff FORMAT JSON;
-- name: settings_clause
-- expect: refused
SELECT id FROM staff SETTINGS max_threads = 1;
-- name: final_is_an_alias_or_refused
SELECT id FROM staff FINAL;
-- name: sample_clause
-- expect: refused
SELECT id FROM staff SAMPLE 0.1;
-- name: prewhere
-- expect: refused
SELECT id FROM staff PREWHERE id = 1;
-- name: limit_by
-- expect: refused
SELECT id FROM staff ORDER BY id LIMIT 1 BY dept_id;
-- name: top_clause
-- expect: refused
SELECT TOP 2 id FROM staff ORDER BY id;
-- name: top_percent
-- expect: refused
SELECT TOP 10 PERCENT id FROM staff ORDER BY id;
-- name: into_clause
-- expect: refused
SELECT id INTO copy FROM staff;
-- name: cluster_by
-- expect: refused
SELECT id FROM staff CLUSTER BY id;
-- name: distribute_by
-- expect: refused
SELECT id FROM staff DISTRIBUTE BY id;
-- name: sort_by
-- expect: refused
SELECT id FROM staff SORT BY id;
-- name: lateral_view
-- expect: refused
SELECT id, x FROM staff LATERAL VIEW explode(ARRAY[1, 2]) v AS x;
-- name: connect_by
-- expect: refused
SELECT id FROM tree START WITH parent IS NULL CONNECT BY PRIOR id = parent;
-- name: with_ordinality
SELECT * FROM unnest(ARRAY['a', 'b']) WITH ORDINALITY;
-- name: fetch_percent
-- expect: refused
SELECT id FROM staff ORDER BY id FETCH FIRST 10 PERCENT ROWS ONLY;
-- name: group_by_all_modifier
-- expect: refused
SELECT dept_id, count(*) FROM staff GROUP BY dept_id WITH ROLLUP;
-- name: group_by_with_totals
-- expect: refused
SELECT dept_id, count(*) FROM staff GROUP BY dept_id WITH TOTALS;
-- name: order_by_with_fill
-- expect: refused
SELECT id FROM staff ORDER BY id WITH FILL;
-- name: aggregate_ignore_nulls
-- expect: refused
SELECT sum(bonus) IGNORE NULLS FROM staff;
-- name: aggregate_order_inside_sum
SELECT sum(id ORDER BY id) FROM staff;
-- name: scalar_function_distinct
-- expect: refused
SELECT abs(DISTINCT id) FROM staff;
-- name: scalar_function_order_by
-- expect: refused
SELECT abs(id ORDER BY id) FROM staff;
-- name: scalar_function_filter
-- expect: refused
SELECT abs(id) FILTER (WHERE id > 5) FROM staff;
-- name: scalar_function_over
-- expect: refused
SELECT abs(id) OVER () FROM staff;
-- name: window_function_without_over
-- expect: refused
SELECT row_number() FROM staff;
-- name: column_alias_list_too_long
SELECT * FROM depts d(a, b, c, d, e, f);
-- name: column_alias_list_short
SELECT a, city FROM depts d(a) ORDER BY a;
-- name: collate_clause
-- expect: refused
SELECT name FROM staff ORDER BY name COLLATE "de_DE" DESC;
-- name: collate_c
SELECT name FROM staff ORDER BY name COLLATE "C" DESC;
-- name: similar_escape
SELECT 'a%' SIMILAR TO 'a!%' ESCAPE '!';
-- name: ilike_escape
SELECT 'A%' ILIKE 'a!%' ESCAPE '!', 'Ab' ILIKE 'a!%' ESCAPE '!';
-- name: select_for_update_of
-- expect: refused
SELECT s.id FROM staff s JOIN depts d ON s.dept_id = d.id FOR UPDATE OF s;
-- name: only_table
SELECT count(*) FROM ONLY (staff);
-- name: grouping_distinct
SELECT region, count(*) FROM sales GROUP BY DISTINCT ROLLUP (region, region) ORDER BY 1 NULLS FIRST, 2;
-- name: cte_search_clause
WITH RECURSIVE t(id, parent) AS (SELECT id, parent FROM tree WHERE id = 1 UNION ALL SELECT c.id, c.parent FROM tree c JOIN t ON c.parent = t.id) SEARCH DEPTH FIRST BY id SET ord SELECT id FROM t ORDER BY ord;
-- name: cte_cycle_clause
WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x % 3 + 1 FROM t) CYCLE x SET seen USING path SELECT count(*) FROM t;
