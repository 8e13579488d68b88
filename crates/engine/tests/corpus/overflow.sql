-- Whole numbers that do not fit are errors, wherever they are computed.
-- An `or:` line is the same computed in bigint: exact, and right too.

-- name: int4_literal_add
-- or: SELECT 2147483647::int8 + 1
SELECT 2147483647 + 1;
-- name: int4_literal_sub
-- or: SELECT -2147483647::int8 - 2
SELECT -2147483647 - 2;
-- name: int4_literal_mul
-- or: SELECT 65536::int8 * 65536
SELECT 65536 * 65536;
-- name: int8_literal_add
SELECT 9223372036854775807 + 1;
-- name: int8_literal_sub
SELECT -9223372036854775807 - 2;
-- name: int8_literal_mul
SELECT 4611686018427387904 * 2;
-- name: int8_literal_too_large_is_numeric
SELECT 9223372036854775808;
-- name: int8_literal_too_large_arithmetic
SELECT 9223372036854775808 + 1;
-- name: int4_column_add
SELECT i4 + i4 FROM numbers WHERE id = 9;
-- name: int4_column_add_one
-- or: SELECT i4::int8 + 1 FROM numbers WHERE id = 9
SELECT i4 + 1 FROM numbers WHERE id = 9;
-- name: int4_column_sub
-- or: SELECT i4::int8 - 1 FROM numbers WHERE id = 10
SELECT i4 - 1 FROM numbers WHERE id = 10;
-- name: int4_column_mul
-- or: SELECT i4::int8 * 2 FROM numbers WHERE id = 9
SELECT i4 * 2 FROM numbers WHERE id = 9;
-- name: int8_column_add
SELECT i8 + 1 FROM numbers WHERE id = 9;
-- name: int8_column_sub
SELECT i8 - 1 FROM numbers WHERE id = 10;
-- name: int8_column_mul
SELECT i8 * i8 FROM numbers WHERE id = 9;
-- name: int2_column_add
SELECT i2 + i2 FROM numbers WHERE id = 9;
-- name: int2_column_mul
SELECT i2 * i2 FROM numbers WHERE id = 9;
-- name: int2_plus_int4_widens
SELECT i2 + 1 FROM numbers WHERE id = 9;
-- name: int4_plus_int8_widens
SELECT i4 + CAST(1 AS bigint) FROM numbers WHERE id = 9;
-- name: int4_times_int8_widens
SELECT i4 * CAST(4 AS bigint) FROM numbers WHERE id = 9;
-- name: int2_negate_min
SELECT -i2 FROM numbers WHERE id = 10;
-- name: int4_negate_min
SELECT -i4 FROM numbers WHERE id = 10;
-- name: int8_negate_min
SELECT -i8 FROM numbers WHERE id = 10;
-- name: int4_negate_others
SELECT id, -i4 FROM numbers WHERE id <> 10 ORDER BY id;
-- name: int4_abs_min
SELECT abs(i4) FROM numbers WHERE id = 10;
-- name: int8_abs_min
SELECT abs(i8) FROM numbers WHERE id = 10;
-- name: int4_min_divided_by_minus_one
-- or: SELECT i4::int8 / -1 FROM numbers WHERE id = 10
SELECT i4 / -1 FROM numbers WHERE id = 10;
-- name: int8_min_divided_by_minus_one
SELECT i8 / -1 FROM numbers WHERE id = 10;
-- name: int4_min_modulo_minus_one
SELECT i4 % -1 FROM numbers WHERE id = 10;
-- name: int8_min_modulo_minus_one
SELECT i8 % -1 FROM numbers WHERE id = 10;
-- name: overflow_in_filter
-- or: SELECT id FROM numbers WHERE i4::int8 + 1 > 0 AND id = 9
SELECT id FROM numbers WHERE i4 + 1 > 0 AND id = 9;
-- name: overflow_in_filter_int8
SELECT id FROM numbers WHERE i8 * 2 < 0 AND id > 8;
-- name: overflow_in_filter_literal
-- or: SELECT id FROM numbers WHERE id < 2147483647::int8 + 1
SELECT id FROM numbers WHERE id < 2147483647 + 1;
-- name: overflow_in_order_by
-- or: SELECT id FROM numbers ORDER BY i4::int8 + 1
SELECT id FROM numbers ORDER BY i4 + 1;
-- name: overflow_in_group_by
-- or: SELECT count(*) FROM numbers GROUP BY i4::int8 + 1
SELECT count(*) FROM numbers GROUP BY i4 + 1;
-- name: overflow_in_having
-- or: SELECT i4 FROM numbers GROUP BY i4 HAVING max(i4::int8) + 1 > 0
SELECT i4 FROM numbers GROUP BY i4 HAVING max(i4) + 1 > 0;
-- name: overflow_in_join_condition
-- or: SELECT a.id FROM numbers a JOIN numbers b ON a.i4::int8 + 1 = b.i4::int8
SELECT a.id FROM numbers a JOIN numbers b ON a.i4 + 1 = b.i4;
-- name: overflow_in_case_not_reached
SELECT id, CASE WHEN i4 > 2147483646 THEN 0 ELSE i4 + 1 END FROM numbers ORDER BY id;
-- name: overflow_in_case_reached
-- or: SELECT id, CASE WHEN i4::int8 > 2147483646 THEN i4::int8 + 1 ELSE 0 END FROM numbers
SELECT id, CASE WHEN i4 > 2147483646 THEN i4 + 1 ELSE 0 END FROM numbers;
-- name: overflow_in_coalesce_not_reached
SELECT coalesce(1, i4 + 1) FROM numbers WHERE id = 9;
-- name: overflow_in_subquery
SELECT (SELECT max(i8) + 1 FROM numbers);
-- name: overflow_in_cte
-- or: WITH c AS (SELECT i4::int8 * 10 AS v FROM numbers) SELECT max(v) FROM c
WITH c AS (SELECT i4 * 10 AS v FROM numbers) SELECT max(v) FROM c;
-- name: overflow_filtered_rows_do_not_matter
SELECT i4 + 1 FROM numbers WHERE id IN (1, 2, 3);
-- name: overflow_of_null
SELECT i4 + 2147483647 FROM numbers WHERE id = 11;
-- name: sum_int4_widens
SELECT sum(i4) FROM numbers WHERE id IN (9, 2, 14);
-- name: sum_int2_widens
SELECT sum(i2) FROM numbers WHERE id IN (9, 4, 12, 13);
-- name: sum_int8_beyond_int8
SELECT sum(i8) FROM numbers WHERE id IN (9, 2);
-- name: sum_int8_below_int8
SELECT sum(i8) FROM numbers WHERE id IN (10, 3);
-- name: sum_int8_passes_the_edge_and_returns
SELECT sum(v) FROM (VALUES (9223372036854775807), (1), (-2)) t(v);
-- name: sum_int8_grouped
SELECT id % 2, sum(i8) FROM numbers WHERE id <> 11 GROUP BY id % 2;
-- name: sum_int8_window
SELECT id, sum(i8) OVER (ORDER BY id DESC) FROM numbers WHERE id IN (2, 9) ORDER BY id;
-- name: sum_int8_window_sliding
SELECT id, sum(i8) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM numbers WHERE id IN (4, 9, 12, 13) ORDER BY id;
-- name: sum_int8_distinct
SELECT sum(DISTINCT i8) FROM numbers WHERE id IN (2, 9);
-- name: avg_int8_beyond_int8
SELECT avg(i8) FROM numbers WHERE id IN (9, 13);
-- name: sum_of_expression_overflows_in_expression
-- or: SELECT sum(i4::int8 + 1) FROM numbers
SELECT sum(i4 + 1) FROM numbers;
-- name: sum_cast_to_numeric
SELECT sum(CAST(i8 AS numeric)) FROM numbers WHERE id IN (9, 2);
-- name: window_expression_overflow
-- or: SELECT lag(i4::int8) OVER (ORDER BY id) - 1 FROM numbers WHERE id >= 10
SELECT lag(i4) OVER (ORDER BY id) - 1 FROM numbers WHERE id >= 10;
-- name: int4_div_truncates_to_zero
SELECT 7 / 2, -7 / 2, 7 / -2, -7 / -2;
-- name: int4_modulo_sign
SELECT 7 % 3, -7 % 3, 7 % -3, -7 % -3;
-- name: mod_function
SELECT mod(7, 3), mod(-7, 3), mod(7, -3);
-- name: int_division_column
SELECT id, i4 / 2, i4 % 2 FROM numbers WHERE id < 9 ORDER BY id;
-- name: division_by_zero_literal
SELECT 1 / 0;
-- name: division_by_zero_column
SELECT 1 / i4 FROM numbers WHERE id = 1;
-- name: modulo_by_zero
SELECT 1 % i4 FROM numbers WHERE id = 1;
-- name: division_by_zero_float
SELECT 1.0::float8 / f8 FROM numbers WHERE id = 1;
-- name: division_by_zero_numeric
SELECT 1.0 / d FROM numbers WHERE id = 1;
-- name: modulo_by_zero_numeric
SELECT 1.0 % d FROM numbers WHERE id = 1;
-- name: division_by_zero_guarded_by_case
SELECT id, CASE WHEN i4 = 0 THEN NULL ELSE 100 / i4 END FROM numbers WHERE id < 9 ORDER BY id;
-- name: division_by_zero_guarded_by_nullif
SELECT id, 100 / nullif(i4, 0) FROM numbers WHERE id < 9 ORDER BY id;
-- name: division_by_zero_null
SELECT NULL / 0;
-- name: bitwise_and_or_xor
SELECT 12 & 10, 12 | 10, 12 # 10;
-- name: shift_left_right
SELECT 1 << 4, 256 >> 4;
-- name: bit_operators_from_the_left
SELECT 4 | 1 & 2, 1 << 2 & 4, 12 & 10 | 1, 1 | 6 & 3, 1 + 1 << 2, 1 << 2 + 1;
-- name: caret_is_power
SELECT 2 ^ 3;
-- name: float_overflow_add
SELECT f8 * 10 FROM numbers WHERE id = 9;
-- name: float_overflow_power
SELECT power(10::float8, 400);
-- name: float_underflow_is_error
SELECT 1e-200::float8 * 1e-200::float8;
-- name: exp_overflow
SELECT exp(1000::float8);
-- name: date_add_beyond_range
SELECT DATE '2024-01-01' + 2147483647;
-- name: unary_plus_minus
SELECT +5, -(-5), - -5;
-- name: precedence
SELECT 2 + 3 * 4 - 10 / 4 % 2, (2 + 3) * 4;
-- name: int8_min_literal
SELECT -9223372036854775808;
-- name: factorial_like_product
SELECT 20::int8 * 19 * 18 * 17 * 16 * 15 * 14 * 13 * 12 * 11 * 10 * 9 * 8 * 7 * 6 * 5 * 4 * 3 * 2;
-- name: factorial_like_product_overflow
SELECT 21::int8 * 20 * 19 * 18 * 17 * 16 * 15 * 14 * 13 * 12 * 11 * 10 * 9 * 8 * 7 * 6 * 5 * 4 * 3 * 2;
-- name: in_list_expression_overflow
-- or: SELECT id FROM numbers WHERE i4::int8 + 1 IN (2, 3)
SELECT id FROM numbers WHERE i4 + 1 IN (2, 3);
-- name: between_expression_overflow
-- or: SELECT id FROM numbers WHERE i4 BETWEEN 0 AND 2147483647::int8 + 1
SELECT id FROM numbers WHERE i4 BETWEEN 0 AND 2147483647 + 1;
-- name: union_branch_overflow
-- or: SELECT 1 UNION ALL SELECT i4::int8 + 1 FROM numbers WHERE id = 9
SELECT 1 UNION ALL SELECT i4 + 1 FROM numbers WHERE id = 9;
-- name: limit_expression_overflow
SELECT i8 * 4 FROM numbers WHERE id = 14;
-- name: sum_filter_overflow
-- or: SELECT sum(i4::int8 * 2) FILTER (WHERE id = 9) FROM numbers WHERE id < 10
SELECT sum(i4 * 2) FILTER (WHERE id = 9) FROM numbers WHERE id < 10;
-- name: count_of_overflowing_expression
-- or: SELECT count(i4::int8 + 1) FROM numbers
SELECT count(i4 + 1) FROM numbers;
-- name: exists_over_filter_overflow
-- or: SELECT 1 WHERE EXISTS (SELECT 1 FROM numbers WHERE i4::int8 + 1 = -2147483648)
SELECT 1 WHERE EXISTS (SELECT 1 FROM numbers WHERE i4 + 1 = -2147483648);
