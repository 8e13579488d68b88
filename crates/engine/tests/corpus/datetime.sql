-- Dates, times, timestamps, intervals and time zones; the session's zone is UTC.

-- name: date_literals
SELECT DATE '2024-02-29', TIMESTAMP '2024-02-29 12:34:56.789', TIME '12:34:56';
-- name: date_minus_date
SELECT DATE '2024-03-01' - DATE '2024-02-01';
-- name: date_minus_date_columns
SELECT id, d - DATE '2000-01-01' FROM times WHERE id <> 8 ORDER BY id;
-- name: date_plus_int
SELECT DATE '2024-02-28' + 2, DATE '2024-03-01' - 1;
-- name: date_plus_int_column
SELECT id, day + qty FROM sales WHERE qty IS NOT NULL ORDER BY id;
-- name: int_plus_date
SELECT 7 + DATE '2024-01-01';
-- name: date_plus_interval
SELECT DATE '2024-01-31' + INTERVAL '1 month', DATE '2024-02-29' + INTERVAL '1 year';
-- name: date_minus_interval
SELECT DATE '2024-03-31' - INTERVAL '1 month', DATE '2024-03-01' - INTERVAL '1 day';
-- name: timestamp_plus_interval_mixed
SELECT TIMESTAMP '2024-01-31 10:00:00' + INTERVAL '1 month 2 days 03:04:05';
-- name: timestamp_plus_interval_units
SELECT ts + INTERVAL '90 minutes', ts - INTERVAL '36 hours' FROM times WHERE id = 3;
-- name: month_end_arithmetic_column
SELECT id, d + INTERVAL '1 month' FROM times WHERE id IN (1, 2, 3, 4, 9) ORDER BY id;
-- name: timestamp_minus_timestamp
SELECT TIMESTAMP '2024-03-02 12:00:00' - TIMESTAMP '2024-03-01 10:30:00';
-- name: timestamp_minus_timestamp_negative
SELECT TIMESTAMP '2024-03-01 10:30:00' - TIMESTAMP '2024-03-02 12:00:00';
-- name: timestamp_minus_timestamp_column
SELECT id, ts - TIMESTAMP '2000-01-01 00:00:00' FROM times WHERE id IN (1, 2, 3) ORDER BY id;
-- name: epoch_of_timestamp_difference
SELECT extract(epoch FROM TIMESTAMP '2024-03-02 12:00:00' - TIMESTAMP '2024-03-01 10:30:00');
-- name: epoch_of_timestamp_difference_column
SELECT id, extract(epoch FROM sold_at - TIMESTAMP '2024-01-01 00:00:00') FROM sales ORDER BY id;
-- name: epoch_of_timestamptz_difference
SELECT id, extract(epoch FROM tz - TIMESTAMP WITH TIME ZONE '2000-01-01 00:00:00+00') FROM times WHERE id IN (1, 2, 3) ORDER BY id;
-- name: day_of_timestamp_difference
SELECT extract(day FROM TIMESTAMP '2024-03-02 12:00:00' - TIMESTAMP '2024-02-01 10:30:00');
-- name: hour_of_timestamp_difference
SELECT extract(hour FROM TIMESTAMP '2024-03-02 12:00:00' - TIMESTAMP '2024-03-01 10:30:00');
-- name: epoch_of_timestamp
SELECT id, extract(epoch FROM ts) FROM times WHERE id IN (1, 2, 3, 5) ORDER BY id;
-- name: epoch_of_date
SELECT extract(epoch FROM DATE '2024-01-01');
-- name: epoch_of_interval
SELECT extract(epoch FROM INTERVAL '1 day 2 hours'), extract(epoch FROM INTERVAL '90 seconds');
-- name: epoch_of_month_interval
SELECT extract(epoch FROM INTERVAL '1 month');
-- name: extract_date_parts
SELECT id, extract(year FROM d), extract(month FROM d), extract(day FROM d) FROM times WHERE id <> 8 ORDER BY id;
-- name: extract_quarter_doy_dow
SELECT id, extract(quarter FROM d), extract(doy FROM d), extract(dow FROM d), extract(isodow FROM d) FROM times WHERE id <> 8 ORDER BY id;
-- name: extract_week_isoyear
SELECT id, extract(week FROM d), extract(isoyear FROM d) FROM times WHERE id IN (1, 2, 3, 9, 10) ORDER BY id;
-- name: extract_time_parts
SELECT id, extract(hour FROM ts), extract(minute FROM ts) FROM times WHERE id <> 8 ORDER BY id;
-- name: extract_second_keeps_fraction
SELECT extract(second FROM TIMESTAMP '2024-01-01 00:00:12.345678');
-- name: extract_milliseconds
SELECT extract(milliseconds FROM TIMESTAMP '2024-01-01 00:00:12.345678'), extract(microseconds FROM TIMESTAMP '2024-01-01 00:00:12.345678');
-- name: extract_century_decade
SELECT extract(century FROM DATE '2000-12-31'), extract(century FROM DATE '2001-01-01'), extract(decade FROM DATE '1999-01-01');
-- name: extract_from_time
SELECT extract(hour FROM TIME '12:34:56'), extract(minute FROM TIME '12:34:56');
-- name: extract_from_interval
SELECT extract(day FROM INTERVAL '3 days 04:05:06'), extract(hour FROM INTERVAL '3 days 04:05:06'), extract(month FROM INTERVAL '14 months'), extract(year FROM INTERVAL '14 months');
-- name: extract_hour_from_date
-- or: SELECT 0
SELECT extract(hour FROM DATE '2024-01-01');
-- name: date_part_function
SELECT date_part('year', d), date_part('month', ts) FROM times WHERE id = 3;
-- name: date_trunc_units
SELECT date_trunc('year', ts), date_trunc('quarter', ts), date_trunc('month', ts), date_trunc('week', ts), date_trunc('day', ts), date_trunc('hour', ts), date_trunc('minute', ts), date_trunc('second', ts) FROM times WHERE id = 2;
-- name: date_trunc_before_epoch
SELECT date_trunc('month', ts), date_trunc('week', ts), date_trunc('hour', ts) FROM times WHERE id = 5;
-- name: date_trunc_date
SELECT id, date_trunc('month', d) FROM times WHERE id IN (1, 2, 3) ORDER BY id;
-- name: date_trunc_milliseconds
SELECT date_trunc('milliseconds', ts), date_trunc('microseconds', ts) FROM times WHERE id = 2;
-- name: date_trunc_century_decade
SELECT date_trunc('century', ts), date_trunc('decade', ts) FROM times WHERE id = 2;
-- name: date_trunc_bad_unit_is_error
SELECT date_trunc('fortnight', ts) FROM times;
-- name: date_trunc_group
SELECT date_trunc('month', sold_at), count(*) FROM sales GROUP BY 1 ORDER BY 1;
-- name: date_trunc_range_edges
SELECT id, date_trunc('year', ts) FROM times WHERE id IN (6, 7) ORDER BY id;
-- name: interval_arithmetic
SELECT INTERVAL '1 day' + INTERVAL '2 hours', INTERVAL '1 month' - INTERVAL '1 day';
-- name: interval_multiply
SELECT INTERVAL '1 hour' * 3, 2 * INTERVAL '1 day';
-- name: interval_divide
SELECT INTERVAL '1 hour' / 4;
-- name: interval_negate
SELECT -INTERVAL '1 day 2 hours';
-- name: interval_compare
SELECT INTERVAL '1 day' = INTERVAL '24 hours', INTERVAL '1 month' = INTERVAL '30 days', INTERVAL '1 year' > INTERVAL '11 months';
-- name: interval_order
SELECT i FROM (VALUES (INTERVAL '1 month'), (INTERVAL '29 days'), (INTERVAL '31 days'), (INTERVAL '25 hours')) t(i) ORDER BY i;
-- name: interval_text_forms
SELECT INTERVAL '1 year 2 months 3 days 4 hours 5 minutes 6.5 seconds', INTERVAL '01:02:03', INTERVAL '-1 day';
-- name: interval_unit_syntax
SELECT INTERVAL '3' DAY, INTERVAL '2' MONTH, INTERVAL '5' HOUR;
-- name: interval_sum
SELECT sum(i) FROM (VALUES (INTERVAL '1 day'), (INTERVAL '2 hours')) t(i);
-- name: compare_date_timestamp
SELECT DATE '2024-01-01' = TIMESTAMP '2024-01-01 00:00:00', DATE '2024-01-01' < TIMESTAMP '2024-01-01 00:00:01';
-- name: date_between
SELECT id FROM sales WHERE day BETWEEN DATE '2024-02-29' AND DATE '2024-03-31' ORDER BY id;
-- name: timestamp_filter_microsecond
SELECT id FROM sales WHERE sold_at < TIMESTAMP '2024-01-04 00:00:00' AND sold_at > TIMESTAMP '2024-01-03 23:59:59.999998';
-- name: timestamp_range_half_open
SELECT count(*) FROM sales WHERE sold_at >= '2024-01-01' AND sold_at < '2024-02-01';
-- name: timestamp_edges
SELECT id, ts FROM times ORDER BY id;
-- name: date_edges
SELECT id, d FROM times ORDER BY id;
-- name: timestamptz_edges
SELECT id, tz FROM times ORDER BY id;
-- name: time_values
SELECT id, t FROM times ORDER BY id;
-- name: timestamptz_literal_offset
SELECT TIMESTAMP WITH TIME ZONE '2024-06-01 12:00:00+05:30';
-- name: timestamptz_compare_offsets
SELECT TIMESTAMP WITH TIME ZONE '2024-06-01 12:00:00+02' = TIMESTAMP WITH TIME ZONE '2024-06-01 10:00:00+00';
-- name: at_time_zone_from_timestamptz
SELECT TIMESTAMP WITH TIME ZONE '2024-06-01 12:00:00+00' AT TIME ZONE 'Europe/Vienna';
-- name: at_time_zone_from_timestamp
SELECT TIMESTAMP '2024-06-01 12:00:00' AT TIME ZONE 'Europe/Vienna';
-- name: at_time_zone_winter_summer
SELECT id, tz AT TIME ZONE 'America/New_York' FROM times WHERE id IN (3, 4, 9) ORDER BY id;
-- name: at_time_zone_twice
SELECT TIMESTAMP '2024-06-01 12:00:00' AT TIME ZONE 'UTC' AT TIME ZONE 'Asia/Tokyo';
-- name: at_time_zone_gap
SELECT TIMESTAMP '2024-03-31 02:30:00' AT TIME ZONE 'Europe/Vienna';
-- name: at_time_zone_fold
SELECT TIMESTAMP '2024-10-27 02:30:00' AT TIME ZONE 'Europe/Vienna';
-- name: at_time_zone_unknown_is_error
SELECT TIMESTAMP '2024-06-01 12:00:00' AT TIME ZONE 'Mars/Olympus';
-- name: extract_from_timestamptz
SELECT id, extract(hour FROM tz), extract(day FROM tz) FROM times WHERE id IN (2, 3) ORDER BY id;
-- name: date_trunc_timestamptz
SELECT id, date_trunc('day', tz) FROM times WHERE id IN (2, 3) ORDER BY id;
-- name: timestamptz_plus_interval
SELECT id, tz + INTERVAL '1 month' FROM times WHERE id IN (2, 3) ORDER BY id;
-- name: to_timestamp_epoch
SELECT to_timestamp(0), to_timestamp(1700000000);
-- name: to_timestamp_epoch_fraction
SELECT to_timestamp(1700000000.25);
-- name: to_char_date
SELECT to_char(TIMESTAMP '2024-02-09 05:06:07', 'YYYY-MM-DD HH24:MI:SS');
-- name: to_date_pattern
SELECT to_date('09.02.2024', 'DD.MM.YYYY');
-- name: make_date
SELECT make_date(2024, 2, 29);
-- name: make_date_bad_is_error
SELECT make_date(2023, 2, 29);
-- name: age_two
SELECT age(TIMESTAMP '2024-03-15', TIMESTAMP '2023-01-31');
-- name: time_plus_interval
SELECT TIME '23:30:00' + INTERVAL '1 hour';
-- name: time_minus_time
SELECT TIME '12:00:00' - TIME '10:30:00';
-- name: date_plus_time
SELECT DATE '2024-01-01' + TIME '10:30:00';
-- name: min_max_interval_of_difference
SELECT max(sold_at) - min(sold_at) FROM sales;
-- name: avg_days_between
SELECT avg(day - DATE '2024-01-01') FROM sales;
-- name: generate_series_dates
SELECT * FROM generate_series(DATE '2024-01-30', DATE '2024-02-02', INTERVAL '1 day');
-- name: generate_series_ints
SELECT * FROM generate_series(1, 5);
-- name: generate_series_step
SELECT * FROM generate_series(10, 1, -3);
-- name: generate_series_empty
SELECT count(*) FROM generate_series(5, 1);
-- name: date_bin
SELECT date_bin(INTERVAL '15 minutes', TIMESTAMP '2024-02-29 12:34:56', TIMESTAMP '2024-01-01 00:00:00');
-- name: leap_year_check
SELECT DATE '2024-02-28' + 1, DATE '2023-02-28' + 1, DATE '1900-02-28' + 1;
-- name: overlaps
SELECT (DATE '2024-01-01', DATE '2024-02-01') OVERLAPS (DATE '2024-01-15', DATE '2024-03-01');
-- name: is_finite_timestamp_order
SELECT id FROM times WHERE ts < TIMESTAMP '1970-01-01' ORDER BY id;
-- name: timestamp_overflow_is_error
SELECT TIMESTAMP '294276-12-31 00:00:00' + INTERVAL '1 year';
-- name: timestamp_far_future_plus
SELECT ts + INTERVAL '1 day' FROM times WHERE id = 3;
-- name: timestamp_min_trunc_compare
SELECT id FROM times WHERE date_trunc('day', ts) = DATE '2024-03-31' ORDER BY id;
