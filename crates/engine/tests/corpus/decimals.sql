-- Decimals are exact, and an average or a quotient keeps its digits.

-- name: literal_is_exact
SELECT 0.1 + 0.2;
-- name: literal_equals
SELECT 0.1 + 0.2 = 0.3;
-- name: add_scales
SELECT 1.25 + 1.125, 1 - 0.001;
-- name: mul_scales
SELECT 1.25 * 1.125, 0.1 * 0.1 * 0.1;
-- name: div_exact
SELECT 1.0 / 8, 10.0 / 4;
-- name: div_repeating
SELECT 1.0 / 3;
-- name: div_repeating_two_thirds
SELECT 2.0 / 3, 10.00 / 7;
-- name: div_small_by_large
SELECT 1.0 / 3000000;
-- name: div_column
SELECT id, d / 3 FROM numbers WHERE id IN (2, 4, 14) ORDER BY id;
-- name: div_column_by_column
SELECT id, d / big FROM numbers WHERE id IN (2, 4, 13) ORDER BY id;
-- name: div_large_precision
SELECT big / 7 FROM numbers WHERE id = 14;
-- name: int_div_numeric
SELECT 1 / 4.0, 7 / 2.0;
-- name: mod_numeric
SELECT 7.5 % 2, -7.5 % 2, 7.5 % -2.0;
-- name: mul_column
SELECT id, d * d FROM numbers WHERE id IN (4, 12, 14) ORDER BY id;
-- name: mul_beyond_38_digits
SELECT big * big FROM numbers WHERE id = 14;
-- name: add_large
SELECT big + big FROM numbers WHERE id = 14;
-- name: add_at_max
SELECT big + 1 FROM numbers WHERE id = 9;
-- name: sub_at_min
SELECT big - 1 FROM numbers WHERE id = 10;
-- name: negate_numeric
SELECT id, -d, -big FROM numbers WHERE id IN (4, 9, 10) ORDER BY id;
-- name: avg_numeric
SELECT avg(salary) FROM staff;
-- name: avg_numeric_repeating
SELECT avg(v) FROM (VALUES (1.00), (1.00), (2.00)) t(v);
-- name: avg_numeric_small
SELECT avg(v) FROM (VALUES (0.000001), (0.000002), (0.000002)) t(v);
-- name: avg_numeric_grouped
SELECT dept_id, avg(salary) FROM staff GROUP BY dept_id ORDER BY dept_id;
-- name: avg_numeric_window
SELECT id, avg(salary) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM staff ORDER BY id;
-- name: avg_numeric_with_nulls
SELECT avg(bonus), count(bonus), count(*) FROM staff;
-- name: avg_numeric_distinct
SELECT avg(DISTINCT salary) FROM staff;
-- name: avg_numeric_filter
SELECT avg(salary) FILTER (WHERE active) FROM staff;
-- name: avg_big_numeric
SELECT avg(big) FROM numbers WHERE id IN (2, 13, 14);
-- name: avg_at_the_edge
SELECT avg(big) FROM numbers WHERE id IN (9, 14);
-- name: sum_at_the_edge
SELECT sum(big) FROM numbers WHERE id IN (9, 14);
-- name: avg_int
SELECT avg(i4) FROM numbers WHERE id IN (2, 6, 7);
-- name: avg_int_repeating
SELECT avg(v) FROM (VALUES (1), (1), (2)) t(v);
-- name: avg_int8_large
SELECT avg(i8) FROM numbers WHERE id IN (9, 2, 6);
-- name: avg_int8_exact_beyond_double
SELECT avg(v) FROM (VALUES (9007199254740993), (9007199254740993)) t(v);
-- name: avg_int2
SELECT avg(i2) FROM numbers WHERE id IN (9, 4);
-- name: sum_numeric
SELECT sum(salary), sum(bonus) FROM staff;
-- name: sum_numeric_expression
SELECT sum(price * qty) FROM sales;
-- name: sum_numeric_division
SELECT sum(price * qty) / sum(qty) FROM sales WHERE price IS NOT NULL AND qty IS NOT NULL;
-- name: sum_numeric_ratio
SELECT region, sum(price) / count(*) FROM sales GROUP BY region ORDER BY region NULLS FIRST;
-- name: percentage
SELECT id, round(100.0 * salary / sum(salary) OVER (), 4) FROM staff ORDER BY id;
-- name: discount_mixed_with_float
SELECT id, price * (1 - discount) FROM sales WHERE discount IS NOT NULL ORDER BY id;
-- name: round_half_away
SELECT round(2.5), round(3.5), round(-2.5), round(0.5), round(1.4999);
-- name: round_to_scale
SELECT round(1.005, 2), round(2.675, 2), round(-1.005, 2);
-- name: round_negative_scale
SELECT round(1250, -2), round(1349.99, -2);
-- name: round_column
SELECT id, round(d, 1) FROM numbers WHERE id IN (4, 5, 6, 14) ORDER BY id;
-- name: round_float_half_even
SELECT round(2.5::float8), round(3.5::float8), round(-2.5::float8), round(0.5::float8);
-- name: trunc_numeric
SELECT trunc(2.789, 1), trunc(-2.789), trunc(1234.5, -2);
-- name: ceil_floor_numeric
SELECT ceil(1.1), ceil(-1.1), floor(1.9), floor(-1.1), ceiling(2.0);
-- name: ceil_floor_column
SELECT id, ceil(d), floor(d) FROM numbers WHERE id IN (4, 5, 9, 14) ORDER BY id;
-- name: abs_numeric
SELECT abs(-1.50), abs(d) FROM numbers WHERE id = 10;
-- name: sign_numeric
SELECT sign(-2.5), sign(0), sign(3);
-- name: compare_scales
SELECT 1.10 = 1.1, 1.0 = 1, 2.50 > 2.5;
-- name: compare_exact
SELECT count(*) FROM numbers WHERE d = 0.1;
-- name: in_list_numeric
SELECT id FROM numbers WHERE d IN (0.1, 0.2, 7.25) ORDER BY id;
-- name: group_by_numeric
SELECT salary, count(*) FROM staff GROUP BY salary ORDER BY salary;
-- name: distinct_numeric
SELECT DISTINCT v FROM (VALUES (1.0), (1.00), (1.000)) t(v);
-- name: min_max_numeric
SELECT min(d), max(d), min(big), max(big) FROM numbers;
-- name: numeric_many_digits_literal
SELECT 12345678901234567890.123456789;
-- name: numeric_literal_beyond_38_digits
SELECT 123456789012345678901234567890123456789012345;
-- name: numeric_literal_exponent
SELECT 1e3, 1.5e-3;
-- name: power_numeric
SELECT power(2, 10), power(2.5, 2);
-- name: sqrt_exp_ln
SELECT sqrt(2.0::float8), exp(1.0::float8), ln(10.0::float8), log(100::float8);
-- name: sqrt_numeric
SELECT sqrt(2.25);
-- name: sqrt_negative
SELECT sqrt(-1::float8);
-- name: ln_zero
SELECT ln(0::float8);
-- name: div_mixed_int8
SELECT CAST(10 AS bigint) / 4.0;
-- name: numeric_scale_zero_division
SELECT CAST(7 AS numeric(5,0)) / CAST(2 AS numeric(5,0));
-- name: variance_stddev_int
SELECT round(var_samp(v), 6), round(var_pop(v), 6), round(stddev(v), 6) FROM (VALUES (1), (2), (4)) t(v);
-- name: variance_stddev_float
SELECT var_samp(rating), var_pop(rating), stddev_samp(rating), stddev_pop(rating) FROM staff;
-- name: float_sum_avg
SELECT sum(rating), avg(rating) FROM staff;
-- name: float_nan_compare
SELECT id FROM floats WHERE f8 = 'NaN'::float8;
-- name: float_nan_greater_than_all
SELECT id FROM floats WHERE f8 > 1e300::float8 ORDER BY id;
-- name: float_order
SELECT id, f8 FROM floats ORDER BY f8, id;
-- name: float_min_max
SELECT min(f8), max(f8) FROM floats;
-- name: float_min_max_finite
SELECT min(f8), max(f8) FROM floats WHERE id NOT IN (4, 5, 6);
-- name: float_sum_with_infinities
SELECT sum(f8) FROM floats WHERE id IN (5, 6);
-- name: float_group_by_nan
SELECT f8, count(*) FROM (SELECT f8 FROM floats UNION ALL SELECT f8 FROM floats) t GROUP BY f8;
-- name: float_negative_zero
SELECT count(DISTINCT v) FROM (VALUES (0.0::float8), (-0.0::float8)) t(v);
-- name: float_negative_zero_equals
SELECT 0.0::float8 = -0.0::float8;
-- name: float4_arithmetic
SELECT id, f4 + f4, f4 * 2 FROM floats WHERE id IN (2, 8) ORDER BY id;
-- name: width_of_decimal_sum
SELECT sum(v) FROM (VALUES (99999999.99), (0.01)) t(v);
