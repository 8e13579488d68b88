CREATE TABLE bench_rows AS
SELECT i::bigint AS id,
       (i * 7919 % 1000)::integer AS quantity,
       round((i * 104729 % 10000000)::numeric / 100, 2)::numeric(12, 2) AS price,
       sqrt(i) AS ratio,
       i % 3 = 0 AS flag,
       date '1992-01-01' + (i % 2500)::integer AS day,
       timestamp '2000-01-01' + i * interval '1.000007 second' AS moment,
       CASE WHEN i % 10 <> 0 THEN 'order ' || i || ' of ' || md5((i % 1000)::text) END AS note
FROM generate_series(1::bigint, :rows) AS i;
VACUUM (FREEZE, ANALYZE) bench_rows;
