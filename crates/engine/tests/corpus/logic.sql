-- Three-valued logic, CASE, COALESCE, NULLIF, IN and BETWEEN.

-- name: and_table
SELECT id, a AND b FROM flags ORDER BY id;
-- name: or_table
SELECT id, a OR b FROM flags ORDER BY id;
-- name: not_table
SELECT id, NOT a FROM flags ORDER BY id;
-- name: comparison_table
SELECT id, a = b, a <> b, a < b FROM flags ORDER BY id;
-- name: is_true_is_false
SELECT id, a IS TRUE, a IS NOT TRUE, a IS FALSE, a IS NOT FALSE, a IS UNKNOWN, a IS NOT UNKNOWN FROM flags ORDER BY id;
-- name: is_distinct_from
SELECT id, a IS DISTINCT FROM b, a IS NOT DISTINCT FROM b FROM flags ORDER BY id;
-- name: is_distinct_from_then_and
SELECT id FROM flags WHERE a IS DISTINCT FROM true AND id > 3 ORDER BY id;
-- name: is_distinct_from_then_or
SELECT id FROM flags WHERE a IS NOT DISTINCT FROM b OR id = 1 ORDER BY id;
-- name: is_distinct_from_number_then_and
SELECT id FROM lefts WHERE k IS DISTINCT FROM 1 AND id < 4 ORDER BY id;
-- name: is_distinct_from_comparison
SELECT id, a IS DISTINCT FROM id > 3 FROM flags ORDER BY id;
-- name: in_binds_tighter_than_equals
SELECT id FROM flags WHERE a = id IN (1, 2, 3) ORDER BY id;
-- name: where_null_is_false
SELECT id FROM flags WHERE a AND b ORDER BY id;
-- name: where_not_null_is_false
SELECT id FROM flags WHERE NOT (a AND b) ORDER BY id;
-- name: where_bare_bool
SELECT id FROM flags WHERE a ORDER BY id;
-- name: where_not_bool
SELECT id FROM flags WHERE NOT a ORDER BY id;
-- name: where_null_literal
SELECT id FROM flags WHERE NULL;
-- name: where_equals_null
SELECT id FROM lefts WHERE k = NULL;
-- name: where_not_equals
SELECT id FROM lefts WHERE k <> 1 ORDER BY id;
-- name: where_not_equals_or_null
SELECT id FROM lefts WHERE k <> 1 OR k IS NULL ORDER BY id;
-- name: de_morgan
SELECT count(*) FROM flags WHERE (NOT (a AND b)) IS NOT DISTINCT FROM (NOT a OR NOT b);
-- name: excluded_middle_is_null
SELECT id, a OR NOT a FROM flags ORDER BY id;
-- name: contradiction_filter
SELECT id FROM lefts WHERE k = 1 AND k = 2;
-- name: tautology_filter_drops_nulls
SELECT id FROM lefts WHERE k = k ORDER BY id;
-- name: tautology_as_value
SELECT id, k = k FROM lefts ORDER BY id;
-- name: self_minus_self
SELECT id, k - k FROM lefts ORDER BY id;
-- name: times_zero_of_null
SELECT id, k * 0 FROM lefts ORDER BY id;
-- name: float_times_zero_of_nan
SELECT id, f8 * 0 FROM floats WHERE id IN (4, 5, 7) ORDER BY id;
-- name: float_self_equals_nan
SELECT id, f8 = f8 FROM floats ORDER BY id;
-- name: case_searched
SELECT id, CASE WHEN a THEN 'yes' WHEN NOT a THEN 'no' END FROM flags ORDER BY id;
-- name: case_simple
SELECT id, CASE k WHEN 1 THEN 'one' WHEN 2 THEN 'two' ELSE 'other' END FROM lefts ORDER BY id;
-- name: case_simple_null_never_matches
SELECT id, CASE k WHEN NULL THEN 'null' ELSE 'else' END FROM lefts ORDER BY id;
-- name: case_no_else
SELECT id, CASE WHEN k > 2 THEN k END FROM lefts ORDER BY id;
-- name: case_lazy_division
SELECT id, CASE WHEN k = 1 THEN 0 ELSE 10 / (k - 1) END FROM lefts ORDER BY id;
-- name: case_lazy_cast
SELECT id, CASE WHEN t ~ '^[0-9]+$' THEN CAST(t AS int) ELSE -1 END FROM texts ORDER BY id;
-- name: case_nested
SELECT id, CASE WHEN k IS NULL THEN 'n' ELSE CASE WHEN k % 2 = 0 THEN 'even' ELSE 'odd' END END FROM lefts ORDER BY id;
-- name: case_in_aggregate
SELECT sum(CASE WHEN k = 2 THEN 10 ELSE 1 END) FROM lefts;
-- name: case_mixed_null_types
SELECT id, CASE WHEN id = 1 THEN NULL ELSE 1.5 END FROM lefts ORDER BY id;
-- name: coalesce_two
SELECT id, coalesce(k, -1) FROM lefts ORDER BY id;
-- name: coalesce_many
SELECT coalesce(NULL, NULL, 3, 4);
-- name: coalesce_all_null
SELECT coalesce(NULL, NULL::int);
-- name: coalesce_lazy
SELECT coalesce(1, 1 / 0);
-- name: coalesce_types
SELECT coalesce(NULL, 1, 2.5);
-- name: nullif_basic
SELECT id, nullif(k, 2) FROM lefts ORDER BY id;
-- name: nullif_nulls
SELECT nullif(NULL, 1), nullif(1, NULL);
-- name: in_list
SELECT id FROM lefts WHERE k IN (1, 3) ORDER BY id;
-- name: not_in_list
SELECT id FROM lefts WHERE k NOT IN (1, 3) ORDER BY id;
-- name: in_list_as_value_with_null
SELECT id, k IN (1, NULL) FROM lefts ORDER BY id;
-- name: not_in_list_as_value_with_null
SELECT id, k NOT IN (1, NULL) FROM lefts ORDER BY id;
-- name: in_list_many
SELECT id FROM staff WHERE id IN (1, 2, 3, 5, 8, 13, 21, 34, 55, 89) ORDER BY id;
-- name: in_list_of_columns
SELECT id FROM numbers WHERE 7 IN (i2, i4, i8) ORDER BY id;
-- name: in_list_mixed_types
SELECT id FROM numbers WHERE i4 IN (1, 2.5, 7) ORDER BY id;
-- name: in_list_fraction_never_matches_int
SELECT id FROM numbers WHERE i4 IN (2.5) ORDER BY id;
-- name: in_list_nan
SELECT id FROM floats WHERE f8 IN ('NaN'::float8, 1.5) ORDER BY id;
-- name: between
SELECT id FROM lefts WHERE k BETWEEN 2 AND 3 ORDER BY id;
-- name: between_reversed_is_empty
SELECT id FROM lefts WHERE k BETWEEN 3 AND 2;
-- name: between_symmetric
SELECT id FROM lefts WHERE k BETWEEN SYMMETRIC 3 AND 2 ORDER BY id;
-- name: not_between
SELECT id FROM lefts WHERE k NOT BETWEEN 2 AND 3 ORDER BY id;
-- name: between_null_bound
SELECT id, k BETWEEN NULL AND 1, k BETWEEN 2 AND NULL FROM lefts ORDER BY id;
-- name: row_comparison
SELECT (1, 2) < (1, 3), (1, NULL) = (2, 3), (1, 2) = (1, 2);
-- name: row_comparison_columns
SELECT id FROM lefts WHERE (k, id) > (2, 2) ORDER BY id;
-- name: row_in_list
SELECT id FROM lefts WHERE (id, k) IN ((1, 1), (5, 3)) ORDER BY id;
-- name: and_or_precedence
SELECT true OR false AND false, NOT false AND false;
-- name: bool_literals
SELECT true, false, NULL::boolean, 't'::boolean;
-- name: int_as_condition_is_error
SELECT id FROM lefts WHERE k;
-- name: and_with_int_is_error
SELECT 1 AND true;
-- name: and_of_error_side
SELECT id FROM lefts WHERE k IS NOT NULL AND k > 1 AND 10 / (k - 1) > 5 ORDER BY id;
-- name: values_standalone
VALUES (1, 'a'), (2, NULL);
-- name: values_type_widening
SELECT v FROM (VALUES (1), (2.5), (NULL)) t(v) ORDER BY v;
-- name: group_by_null_safe
SELECT k, count(*) FROM lefts GROUP BY k HAVING k IS NULL;
-- name: xor_by_not_equals
SELECT id FROM flags WHERE a <> b ORDER BY id;
-- name: num_nulls
SELECT num_nulls(1, NULL, 2), num_nonnulls(1, NULL, 2);
