-- Casts keep the value, round as PostgreSQL rounds, or fail.

-- name: numeric_to_int_rounds_half_away
SELECT CAST(1.5 AS int), CAST(2.5 AS int), CAST(-1.5 AS int), CAST(-2.5 AS int), CAST(1.4 AS int);
-- name: float_to_int_rounds_half_even
SELECT CAST(1.5::float8 AS int), CAST(2.5::float8 AS int), CAST(-2.5::float8 AS int), CAST(0.5::float8 AS int);
-- name: numeric_column_to_int
SELECT id, CAST(d AS int) FROM numbers WHERE id IN (4, 5, 6, 7, 8) ORDER BY id;
-- name: float_column_to_int
SELECT id, CAST(f8 AS int) FROM numbers WHERE id IN (4, 5, 6, 7, 8) ORDER BY id;
-- name: float4_column_to_bigint
SELECT id, CAST(f4 AS bigint) FROM numbers WHERE id IN (4, 5, 6, 7, 8) ORDER BY id;
-- name: int8_to_int4_fits
SELECT CAST(i8 AS int) FROM numbers WHERE id = 12;
-- name: int8_to_int4_overflow
SELECT CAST(i8 AS int) FROM numbers WHERE id = 9;
-- name: int4_to_int2_overflow
SELECT CAST(i4 AS smallint) FROM numbers WHERE id = 14;
-- name: literal_to_smallint_overflow
SELECT CAST(40000 AS smallint);
-- name: float_to_int_overflow
SELECT CAST(f8 AS int) FROM numbers WHERE id = 14;
-- name: float_nan_to_int
SELECT CAST(f8 AS int) FROM floats WHERE id = 4;
-- name: float_infinity_to_bigint
SELECT CAST(f8 AS bigint) FROM floats WHERE id = 5;
-- name: numeric_to_bigint_overflow
SELECT CAST(big AS bigint) FROM numbers WHERE id = 9;
-- name: numeric_to_int_overflow
SELECT CAST(d AS int) FROM numbers WHERE id = 9;
-- name: double_to_real_overflow
SELECT CAST(f8 AS real) FROM numbers WHERE id = 9;
-- name: double_to_real
SELECT CAST(f8 AS real) FROM numbers WHERE id IN (4, 12);
-- name: real_to_double
SELECT CAST(f4 AS double precision) FROM floats WHERE id IN (2, 8, 10);
-- name: text_to_int
SELECT CAST('42' AS int), CAST(' 42 ' AS int), CAST('-7' AS bigint), CAST('+7' AS smallint);
-- name: text_to_int_bad
SELECT CAST('4x' AS int);
-- name: text_to_int_empty
SELECT CAST('' AS int);
-- name: text_to_int_decimal_point
SELECT CAST('1.5' AS int);
-- name: text_to_int_overflow
SELECT CAST('99999999999' AS int);
-- name: text_column_to_int
SELECT CAST(t AS int) FROM texts WHERE id = 16;
-- name: text_column_to_int_bad
SELECT CAST(t AS int) FROM texts;
-- name: text_to_float
SELECT CAST('1.5' AS double precision), CAST('1e3' AS double precision), CAST('-0.25' AS real);
-- name: text_to_float_special
SELECT CAST('NaN' AS double precision), CAST('Infinity' AS double precision), CAST('-Infinity' AS double precision);
-- name: text_to_float_bad
SELECT CAST('abc' AS double precision);
-- name: text_to_numeric
SELECT CAST('123.456' AS numeric(10,3)), CAST('-0.001' AS numeric(5,3));
-- name: text_to_numeric_rounds
SELECT CAST('1.005' AS numeric(10,2)), CAST('1.015' AS numeric(10,2)), CAST('-1.005' AS numeric(10,2));
-- name: text_to_numeric_overflow
SELECT CAST('12345.6' AS numeric(5,2));
-- name: text_to_numeric_bad
SELECT CAST('1,5' AS numeric(5,2));
-- name: numeric_to_numeric_rounds
SELECT id, CAST(d AS numeric(10,1)) FROM numbers WHERE id IN (4, 5, 6, 14) ORDER BY id;
-- name: numeric_to_numeric_overflow
SELECT CAST(d AS numeric(4,1)) FROM numbers WHERE id = 14;
-- name: numeric_literal_to_scale_zero
SELECT CAST(2.5 AS numeric(5,0)), CAST(3.5 AS numeric(5,0)), CAST(-2.5 AS numeric(5,0));
-- name: int_to_numeric
SELECT CAST(i4 AS numeric(12,2)) FROM numbers WHERE id IN (4, 9, 10);
-- name: int_to_numeric_overflow
SELECT CAST(i4 AS numeric(5,2)) FROM numbers WHERE id = 9;
-- name: float_to_numeric
SELECT CAST(f8 AS numeric(10,3)) FROM floats WHERE id IN (2, 8, 10);
-- name: float_nan_to_numeric
SELECT CAST(f8 AS numeric(10,2)) + 1 FROM floats WHERE id = 5;
-- name: numeric_to_float
SELECT CAST(d AS double precision) FROM numbers WHERE id IN (4, 14, 12);
-- name: int_to_text
SELECT CAST(i4 AS text) FROM numbers WHERE id IN (1, 9, 10);
-- name: int8_to_text
SELECT CAST(i8 AS text) FROM numbers WHERE id IN (1, 9, 10);
-- name: numeric_to_text
SELECT CAST(d AS text) FROM numbers WHERE id IN (1, 4, 9);
-- name: float_to_text
SELECT CAST(1.5::float8 AS text), CAST(0.1::float8 AS text);
-- name: float_whole_to_text
SELECT CAST(1::float8 AS text);
-- name: bool_to_text
SELECT CAST(true AS text), CAST(false AS text);
-- name: text_to_bool
SELECT CAST('true' AS boolean), CAST('f' AS boolean), CAST('yes' AS boolean), CAST('0' AS boolean), CAST('off' AS boolean);
-- name: text_to_bool_bad
SELECT CAST('maybe' AS boolean);
-- name: bool_to_int
SELECT CAST(true AS int), CAST(false AS int);
-- name: int_to_bool
SELECT CAST(0 AS boolean), CAST(5 AS boolean);
-- name: date_to_text
SELECT CAST(d AS text) FROM times WHERE id IN (1, 2, 5);
-- name: timestamp_to_text
SELECT CAST(ts AS text) FROM times WHERE id IN (1, 2, 3);
-- name: text_to_date
SELECT CAST('2024-02-29' AS date);
-- name: text_to_date_bad_day
SELECT CAST('2023-02-29' AS date);
-- name: text_to_date_bad_text
SELECT CAST('soon' AS date);
-- name: text_column_to_date_bad
SELECT CAST(t AS date) FROM texts WHERE id = 15;
-- name: text_to_timestamp
SELECT CAST('2024-02-29 12:34:56.789' AS timestamp), CAST('2024-02-29' AS timestamp), CAST('2024-02-29T12:34:56' AS timestamp);
-- name: text_to_timestamp_bad_hour
SELECT CAST('2024-02-29 25:00:00' AS timestamp);
-- name: text_to_time
SELECT CAST('12:34:56' AS time), CAST('00:00:00.000001' AS time);
-- name: timestamp_to_date
SELECT id, CAST(ts AS date) FROM times WHERE id <> 8 ORDER BY id;
-- name: timestamp_to_time
SELECT id, CAST(ts AS time) FROM times WHERE id IN (1, 2, 3, 4) ORDER BY id;
-- name: date_to_timestamp
SELECT id, CAST(d AS timestamp) FROM times WHERE id IN (1, 2, 5) ORDER BY id;
-- name: timestamptz_to_timestamp
SELECT id, CAST(tz AS timestamp) FROM times WHERE id IN (1, 2, 4) ORDER BY id;
-- name: timestamp_to_timestamptz
SELECT id, CAST(ts AS timestamp with time zone) FROM times WHERE id IN (1, 2, 4) ORDER BY id;
-- name: text_to_timestamptz_offset
SELECT CAST('2024-06-01 12:00:00+02' AS timestamp with time zone);
-- name: text_to_varchar_cuts
SELECT CAST('abcdef' AS varchar(3));
-- name: null_casts
SELECT CAST(NULL AS int), CAST(NULL AS text), CAST(NULL AS date), CAST(NULL AS numeric(5,2));
-- name: double_colon_cast
SELECT '12'::int + 1, 7::text, '2024-01-01'::date;
-- name: cast_in_filter_rounds
SELECT id FROM numbers WHERE CAST(f8 AS int) = 2 AND id IN (6, 7, 8) ORDER BY id;
-- name: cast_in_filter_numeric_rounds
SELECT id FROM numbers WHERE CAST(d AS int) = 3 AND id IN (6, 7, 8) ORDER BY id;
-- name: cast_column_compare_text_number
SELECT id FROM texts WHERE t = '42';
-- name: int_compared_with_numeric
SELECT id FROM numbers WHERE i4 < 2.5 AND id < 9 ORDER BY id;
-- name: int_compared_with_float_literal
SELECT id FROM numbers WHERE i4 = 7.0 ORDER BY id;
-- name: numeric_compared_with_float
SELECT id FROM numbers WHERE d = f8 ORDER BY id;
-- name: big_int_compared_with_float
SELECT id FROM floats WHERE f8 = 9007199254740993 ORDER BY id;
-- name: int8_compared_with_numeric_fraction
SELECT count(*) FROM numbers WHERE i8 > 9223372036854775806.5;
-- name: implicit_text_to_int_literal
SELECT id FROM numbers WHERE i4 = '7';
-- name: implicit_text_to_int_literal_bad
SELECT id FROM numbers WHERE i4 = 'seven';
-- name: implicit_text_to_date_literal
SELECT id FROM times WHERE d = '2000-02-29';
-- name: text_compared_with_int_is_error
SELECT id FROM texts WHERE t = 42;
-- name: text_plus_int_is_error
SELECT t + 1 FROM texts WHERE id = 2;
-- name: bytea_cast_hex
SELECT id, b FROM blobs ORDER BY id;
-- name: union_widens
SELECT 1 UNION ALL SELECT 2.5 ORDER BY 1;
-- name: union_int_text_is_error
SELECT 1 UNION ALL SELECT 'a';
-- name: case_branches_widen
SELECT id, CASE WHEN id = 1 THEN 1 ELSE 2.5 END FROM flags WHERE id < 3 ORDER BY id;
-- name: greatest_least_mixed
SELECT greatest(1, 2.5, 2), least(1, 0.5), greatest(NULL, 3), least(NULL, NULL, 2);
