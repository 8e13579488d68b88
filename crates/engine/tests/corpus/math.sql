-- Functions over numbers.

-- name: round_int
SELECT round(7), ceil(7), floor(-7), abs(-7);
-- name: round_float
SELECT round(1.4::float8), round(-1.6::float8), ceil(1.2::float8), floor(-1.2::float8), trunc(-1.7::float8);
-- name: round_float_column_half
SELECT id, round(f8) FROM numbers WHERE id IN (4, 5, 6, 7, 8) ORDER BY id;
-- name: round_of_nan_and_infinity
SELECT id, round(f8), ceil(f8), abs(f8) FROM floats WHERE id IN (4, 5, 6, 7) ORDER BY id;
-- name: trunc_float
SELECT trunc(2.9::float8), trunc(-2.9::float8);
-- name: sign_float
SELECT sign(-2.5::float8), sign(0::float8);
-- name: power_float
SELECT power(2::float8, 0.5::float8), power(-2::float8, 3), power(0::float8, 0);
-- name: power_negative_base_fraction_is_error
SELECT power(-1::float8, 0.5);
-- name: power_zero_negative_is_error
SELECT power(0::float8, -1);
-- name: sqrt_of_four
SELECT sqrt(4), sqrt(0::float8), cbrt(27::float8);
-- name: log_family
SELECT ln(1::float8), log10(1000::float8), log(2, 8), log(10::float8);
-- name: ln_negative_is_error
SELECT ln(-1::float8);
-- name: trigonometry
SELECT sin(1::float8), cos(1::float8), tan(1::float8), atan(1::float8), atan2(1::float8, 2::float8), pi();
-- name: asin_out_of_range_is_error
SELECT asin(2::float8);
-- name: degrees_radians
SELECT degrees(pi()), radians(180::float8);
-- name: hyperbolic
SELECT sinh(1::float8), cosh(1::float8), tanh(1::float8);
-- name: gcd_lcm
SELECT gcd(12, 18), lcm(4, 6), gcd(0, 5);
-- name: factorial
SELECT factorial(5), factorial(20);
-- name: factorial_overflow_of_bigint
SELECT factorial(21);
-- name: div_function
SELECT div(7, 2), div(-7, 2);
-- name: width_bucket
SELECT width_bucket(5.35, 0.024, 10.06, 5);
-- name: mod_float_is_error
SELECT mod(5.5::float8, 2);
-- name: float_division
SELECT 7::float8 / 2, 1::float8 / 3;
-- name: float_mixed_with_int
SELECT id, i4 / f8 FROM numbers WHERE id IN (2, 4, 6) ORDER BY id;
-- name: float4_sum
SELECT sum(f4) FROM floats WHERE id IN (2, 3, 8);
-- name: float4_avg
SELECT avg(f4) FROM floats WHERE id IN (2, 8);
-- name: float_whole_beyond_int53
SELECT f8 FROM floats WHERE id = 9;
-- name: float_equality_literal
SELECT id FROM floats WHERE f8 = 0.1;
-- name: float4_equality_literal
SELECT id FROM floats WHERE f4 = 0.1;
-- name: float4_equality_half
SELECT id FROM floats WHERE f4 = 1.5;
-- name: float4_compared_with_float8
SELECT id FROM floats WHERE f4 = f8 ORDER BY id;
-- name: int_float_in_case
SELECT id, CASE WHEN id = 2 THEN i4 ELSE f8 END FROM numbers WHERE id < 5 ORDER BY id;
-- name: greatest_least_columns
SELECT id, greatest(i2, i4), least(d, f8) FROM numbers WHERE id < 9 ORDER BY id;
-- name: float_tiny_is_not_zero
SELECT 1e-20::float8 = 0.0, 1e-20::float8 > 0.0, f8 = 0.0 FROM (VALUES (1e-17::float8)) t(f8);
-- name: float_tiny_column_filter
SELECT count(*) FROM (SELECT f8 * 1e-30::float8 AS v FROM numbers WHERE id IN (2, 4, 12)) x WHERE v > 0.0 AND v < 0.000000000000000001;
-- name: float_large_compared_with_decimal
SELECT id FROM numbers WHERE f8 > 1000000.5 AND id < 10 ORDER BY id;
-- name: float_plus_decimal_literal
SELECT id, f8 + 0.5, f8 * 1.1 FROM floats WHERE id IN (2, 8, 9, 10) ORDER BY id;
-- name: float_in_decimal_list
SELECT id FROM numbers WHERE f8 IN (0.1, 2.5, 7.25) ORDER BY id;
-- name: float_between_decimals
SELECT id FROM numbers WHERE f8 BETWEEN 0.05 AND 0.25 ORDER BY id;
-- name: greatest_nan
SELECT greatest(f8, 1.0), least(f8, 1.0) FROM floats WHERE id = 4;
-- name: random_is_in_range
SELECT count(*) FROM numbers WHERE random() >= 0 AND random() < 1;
-- name: is_nan_by_compare
SELECT id, f8 <> f8 FROM floats WHERE id IN (1, 4) ORDER BY id;
-- name: infinity_arithmetic
SELECT id, f8 + 1, f8 - f8 FROM floats WHERE id IN (4, 5, 6) ORDER BY id;
-- name: min_max_of_expressions
SELECT min(i4 % 7), max(i4 % 7), min(-d), max(-d) FROM numbers;
-- name: count_of_divisions
SELECT count(100 / nullif(i4, 0)) FROM numbers;
-- name: exp_of_numeric
SELECT round(exp(1.0), 10), round(ln(2.0), 10);
-- name: underscore_in_number
SELECT 1_000;
-- name: scientific_float
SELECT 1.5e3::float8, 2e-3::float8;
-- name: bool_sum_is_error
SELECT sum(a) FROM flags;
-- name: text_sum_is_error
SELECT sum(t) FROM texts;
-- name: date_sum_is_error
SELECT sum(d) FROM times;
-- name: median_even
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY v) FROM (VALUES (1.0::float8), (2.0), (3.0), (10.0)) t(v);
