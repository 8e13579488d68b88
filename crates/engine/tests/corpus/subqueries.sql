-- Subqueries: scalar, correlated, IN, EXISTS and quantified, with nulls.

-- name: scalar
SELECT (SELECT max(salary) FROM staff);
-- name: scalar_no_row_is_null
SELECT (SELECT a FROM nothing);
-- name: scalar_two_rows_is_error
SELECT (SELECT id FROM staff);
-- name: scalar_correlated
SELECT d.id, (SELECT count(*) FROM staff s WHERE s.dept_id = d.id) FROM depts d ORDER BY 1;
-- name: scalar_correlated_sum_null
SELECT d.id, (SELECT sum(salary) FROM staff s WHERE s.dept_id = d.id) FROM depts d ORDER BY 1;
-- name: scalar_correlated_two_rows_is_error
SELECT d.id, (SELECT s.id FROM staff s WHERE s.dept_id = d.id) FROM depts d;
-- name: scalar_correlated_expression
SELECT s.id, s.salary - (SELECT avg(x.salary) FROM staff x WHERE x.dept_id = s.dept_id) FROM staff s WHERE s.dept_id IN (20, 40) ORDER BY 1;
-- name: scalar_in_where
SELECT id FROM staff WHERE salary = (SELECT max(salary) FROM staff);
-- name: scalar_correlated_in_where
SELECT id FROM staff s WHERE salary > (SELECT avg(salary) FROM staff x WHERE x.dept_id = s.dept_id) ORDER BY 1;
-- name: scalar_correlated_count_equals_zero
SELECT d.id FROM depts d WHERE (SELECT count(*) FROM staff s WHERE s.dept_id = d.id) = 0;
-- name: scalar_correlated_coalesce
SELECT d.id, coalesce((SELECT max(s.name) FROM staff s WHERE s.dept_id = d.id), 'nobody') FROM depts d ORDER BY 1;
-- name: scalar_correlated_limit
SELECT d.id, (SELECT s.name FROM staff s WHERE s.dept_id = d.id ORDER BY s.salary DESC, s.id LIMIT 1) FROM depts d ORDER BY 1;
-- name: scalar_correlated_non_equi
SELECT s.id, (SELECT count(*) FROM staff x WHERE x.salary > s.salary) FROM staff s ORDER BY 1;
-- name: scalar_in_having
SELECT dept_id FROM staff GROUP BY dept_id HAVING sum(salary) > (SELECT avg(salary) * 2 FROM staff) ORDER BY 1;
-- name: scalar_in_case
SELECT id, CASE WHEN salary > (SELECT avg(salary) FROM staff) THEN 'above' ELSE 'below' END FROM staff ORDER BY id;
-- name: in_subquery
SELECT id FROM staff WHERE dept_id IN (SELECT id FROM depts WHERE city = 'Graz') ORDER BY 1;
-- name: not_in_subquery
SELECT id FROM staff WHERE dept_id NOT IN (SELECT id FROM depts WHERE city = 'Graz') ORDER BY 1;
-- name: not_in_with_null_in_list
SELECT id FROM staff WHERE id NOT IN (SELECT manager_id FROM staff);
-- name: not_in_with_null_filtered
SELECT id FROM staff WHERE id NOT IN (SELECT manager_id FROM staff WHERE manager_id IS NOT NULL) ORDER BY 1;
-- name: not_in_null_left
SELECT id FROM lefts WHERE k NOT IN (SELECT 99) ORDER BY 1;
-- name: not_in_empty
SELECT id FROM lefts WHERE k NOT IN (SELECT a FROM nothing) ORDER BY 1;
-- name: in_empty
SELECT id FROM lefts WHERE k IN (SELECT a FROM nothing);
-- name: in_as_value
SELECT id, k IN (SELECT k FROM rights) FROM lefts ORDER BY id;
-- name: not_in_as_value
SELECT id, k NOT IN (SELECT k FROM rights) FROM lefts ORDER BY id;
-- name: in_as_value_without_nulls
SELECT id, k IN (SELECT k FROM rights WHERE k IS NOT NULL) FROM lefts ORDER BY id;
-- name: in_as_value_empty
SELECT id, k IN (SELECT a FROM nothing), k NOT IN (SELECT a FROM nothing) FROM lefts ORDER BY id;
-- name: in_subquery_is_null
SELECT id FROM lefts WHERE (k IN (SELECT k FROM rights)) IS NULL ORDER BY id;
-- name: in_under_or
SELECT id FROM staff WHERE dept_id IN (SELECT id FROM depts WHERE city = 'Oslo') OR rating > 4 ORDER BY id;
-- name: not_in_under_or
SELECT id FROM lefts WHERE k NOT IN (SELECT k FROM rights WHERE k IS NOT NULL) OR id = 1 ORDER BY id;
-- name: not_of_in_subquery
SELECT id FROM lefts WHERE NOT (k IN (SELECT k FROM rights WHERE k IS NOT NULL)) ORDER BY id;
-- name: in_correlated
SELECT s.id FROM staff s WHERE s.id IN (SELECT m.manager_id FROM staff m WHERE m.dept_id = s.dept_id) ORDER BY 1;
-- name: not_in_correlated_with_null
SELECT s.id FROM staff s WHERE s.id NOT IN (SELECT m.manager_id FROM staff m WHERE m.dept_id = s.dept_id) ORDER BY 1;
-- name: in_row_subquery
SELECT id FROM staff WHERE (dept_id, manager_id) IN (SELECT 20, 3) ORDER BY id;
-- name: exists_uncorrelated
SELECT id FROM depts WHERE EXISTS (SELECT 1 FROM nothing);
-- name: not_exists_uncorrelated
SELECT id FROM depts WHERE NOT EXISTS (SELECT 1 FROM nothing) ORDER BY id;
-- name: exists_as_value
SELECT d.id, EXISTS (SELECT 1 FROM staff s WHERE s.dept_id = d.id) FROM depts d ORDER BY 1;
-- name: not_exists_as_value
SELECT d.id, NOT EXISTS (SELECT 1 FROM staff s WHERE s.dept_id = d.id) FROM depts d ORDER BY 1;
-- name: exists_with_aggregate_is_always_true
SELECT d.id FROM depts d WHERE EXISTS (SELECT count(*) FROM staff s WHERE s.dept_id = d.id) ORDER BY 1;
-- name: exists_with_limit_zero
SELECT d.id FROM depts d WHERE EXISTS (SELECT 1 FROM staff s WHERE s.dept_id = d.id LIMIT 0);
-- name: exists_under_or
SELECT d.id FROM depts d WHERE d.city IS NULL OR EXISTS (SELECT 1 FROM staff s WHERE s.dept_id = d.id AND s.rating > 4) ORDER BY 1;
-- name: exists_null_select
SELECT d.id FROM depts d WHERE EXISTS (SELECT NULL FROM staff s WHERE s.dept_id = d.id) ORDER BY 1;
-- name: any_equals
SELECT id FROM staff WHERE dept_id = ANY (SELECT id FROM depts WHERE budget > 300000) ORDER BY 1;
-- name: all_greater
SELECT id FROM staff WHERE salary >= ALL (SELECT salary FROM staff) ORDER BY 1;
-- name: all_empty_is_true
SELECT id FROM depts WHERE id > ALL (SELECT a FROM nothing) ORDER BY 1;
-- name: any_with_null
SELECT id FROM lefts WHERE k <> ALL (SELECT k FROM rights);
-- name: any_less
SELECT id FROM staff WHERE salary < ANY (SELECT salary FROM staff WHERE dept_id = 30) ORDER BY 1;
-- name: derived_table
SELECT x.region, x.n FROM (SELECT region, count(*) AS n FROM sales GROUP BY region) x WHERE x.n > 2 ORDER BY 1;
-- name: derived_nested
SELECT max(y) FROM (SELECT x * 2 AS y FROM (SELECT id + 1 AS x FROM staff) a) b;
-- name: two_level_correlation
SELECT d.id FROM depts d WHERE EXISTS (SELECT 1 FROM staff s WHERE s.dept_id = d.id AND EXISTS (SELECT 1 FROM staff m WHERE m.manager_id = s.id)) ORDER BY 1;
-- name: correlation_skips_a_level
SELECT d.id FROM depts d WHERE EXISTS (SELECT 1 FROM staff s WHERE s.id = 3 AND EXISTS (SELECT 1 FROM staff m WHERE m.manager_id = s.id AND m.dept_id = d.id)) ORDER BY 1;
-- name: subquery_in_select_and_where
SELECT id, (SELECT count(*) FROM sales) FROM depts WHERE id = (SELECT min(id) FROM depts);
-- name: subquery_in_order_by
SELECT id FROM depts d ORDER BY (SELECT count(*) FROM staff s WHERE s.dept_id = d.id) DESC, id;
-- name: subquery_in_join_condition
SELECT s.id FROM staff s JOIN depts d ON s.dept_id = d.id AND d.budget = (SELECT max(budget) FROM depts) ORDER BY 1;
-- name: subquery_in_limit
SELECT id FROM staff ORDER BY id LIMIT (SELECT 2);
-- name: correlated_with_grouping
SELECT dept_id, (SELECT name FROM depts d WHERE d.id = s.dept_id) FROM staff s GROUP BY dept_id ORDER BY 1 NULLS FIRST;
-- name: correlated_max_row
SELECT id FROM sales s WHERE sold_at = (SELECT max(sold_at) FROM sales x WHERE x.region = s.region) ORDER BY 1;
-- name: in_with_outer_aggregate
SELECT region FROM sales GROUP BY region HAVING max(id) IN (SELECT max(id) FROM sales GROUP BY region) ORDER BY 1 NULLS FIRST;
-- name: in_list_of_nulls
SELECT id FROM lefts WHERE k IN (1, NULL) ORDER BY id;
-- name: not_in_list_with_null
SELECT id FROM lefts WHERE k NOT IN (1, NULL);
