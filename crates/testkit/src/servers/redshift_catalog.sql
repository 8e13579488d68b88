-- Names and columns as the vendor documents them, filled from PostgreSQL's own catalogs.
CREATE VIEW public.svv_all_tables AS
SELECT table_catalog::text AS database_name, table_schema::text COLLATE "C" AS schema_name,
       table_name::text COLLATE "C" AS table_name,
       CASE table_type WHEN 'BASE TABLE' THEN 'TABLE' ELSE table_type::text END AS table_type,
       NULL::text AS table_acl, NULL::text AS remarks
FROM information_schema.tables;

CREATE VIEW public.svv_all_columns AS
SELECT table_catalog::text AS database_name, table_schema::text AS schema_name,
       table_name::text AS table_name, column_name::text AS column_name,
       ordinal_position::integer AS ordinal_position, column_default::text AS column_default,
       is_nullable::text AS is_nullable,
       CASE data_type WHEN 'bytea' THEN 'binary varying' ELSE data_type::text END AS data_type,
       character_maximum_length::integer AS character_maximum_length,
       numeric_precision::integer AS numeric_precision,
       numeric_scale::integer AS numeric_scale, NULL::text AS remarks
FROM information_schema.columns WHERE table_name NOT LIKE '%\_late';

CREATE VIEW public.svv_columns AS
SELECT table_catalog, table_schema, table_name, column_name, ordinal_position, column_default,
       is_nullable, data_type, character_maximum_length, numeric_precision,
       numeric_precision_radix, numeric_scale, NULL::text AS remarks
FROM information_schema.columns;

CREATE VIEW public.svv_redshift_columns AS
SELECT c.table_catalog::text AS database_name, c.table_schema::text AS schema_name,
       c.table_name::text AS table_name, c.column_name::text AS column_name,
       c.ordinal_position::integer AS ordinal_position, c.data_type::text AS data_type,
       NULL::text AS column_default, c.is_nullable::text AS is_nullable, 'none'::text AS encoding,
       k.column_name IS NOT NULL AS distkey,
       CASE WHEN k.column_name IS NULL THEN 0 ELSE k.ordinal_position::integer END AS sortkey,
       NULL::text AS column_acl, NULL::text AS remarks
FROM information_schema.columns c
LEFT JOIN information_schema.key_column_usage k
  ON k.table_schema = c.table_schema AND k.table_name = c.table_name
 AND k.column_name = c.column_name;

CREATE VIEW public.svv_table_info AS
SELECT current_database()::text AS "database", n.nspname::text AS "schema", c.oid AS table_id,
       c.relname::text AS "table", 'EVEN'::text AS diststyle, NULL::text AS sortkey1,
       (c.relpages / 128 + 1)::bigint AS size, c.reltuples::numeric(38, 0) AS tbl_rows
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.reltuples > 0;

CREATE FUNCTION public.from_hex(text) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT
AS 'SELECT decode($1, ''hex'')';

-- Text becomes its bytes there, and not what its characters could mean as a literal of bytes.
CREATE FUNCTION public.utf8_bytes(text) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT
AS 'SELECT convert_to($1, ''UTF8'')';
CREATE CAST (text AS bytea) WITH FUNCTION public.utf8_bytes(text);
CREATE CAST (varchar AS bytea) WITH FUNCTION public.utf8_bytes(text);
