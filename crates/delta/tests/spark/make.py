"""Writes the sample tables beside this file with Spark: make.py OUT JARS

Needs `pip install pyspark==4.2.1` and, in the folder JARS, what Maven resolves for
io.delta:delta-spark_4.2_2.13:4.4.0 without the artifacts of org.apache.spark.
"""

import glob
import sys

from pyspark.sql import SparkSession

OUT, JARS = sys.argv[1:3]
NAMES = ("delta-spark", "delta-storage", "delta-kernel", "unitycatalog")
COLUMNS = "id BIGINT, s STRING, d DATE, x DECIMAL(12,2), ts TIMESTAMP"

spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.jars", ",".join(j for n in NAMES for j in sorted(glob.glob(f"{JARS}/{n}*.jar"))))
    .config("spark.ui.enabled", "false")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.sql.shuffle.partitions", "2")
    .config("spark.databricks.delta.snapshotPartitions", "2")
    .config("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
    .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
    .getOrCreate()
)
sql = spark.sql


def table(name):
    return f"delta.`{OUT}/{name}`"


def make(name, columns=COLUMNS, extra="", **properties):
    given = ", ".join(f"'delta.{key.replace('_', '.')}' = '{value}'" for key, value in properties.items())
    properties = f"TBLPROPERTIES ({given})" if given else ""
    sql(f"CREATE TABLE {table(name)} ({columns}) USING delta {extra} {properties}")


def fill(name, first=0, end=100):
    sql(
        f"INSERT INTO {table(name)} SELECT id, concat('s', id % 7), "
        "date_add(DATE'2024-01-01', cast(id % 30 as int)), cast(id * 1.25 as decimal(12,2)), "
        f"timestamp_seconds(1700000000 + id) FROM range({first}, {end})"
    )


make("plain")
fill("plain")
fill("plain", 100, 200)

make("merge")
fill("merge")
sql(
    f"MERGE INTO {table('merge')} t USING (SELECT id FROM range(90, 110)) s ON t.id = s.id "
    "WHEN MATCHED THEN UPDATE SET s = 'upd' "
    "WHEN NOT MATCHED THEN INSERT (id, s) VALUES (s.id, 'new') "
    "WHEN NOT MATCHED BY SOURCE AND t.id < 5 THEN DELETE"
)

make("v1cp", checkpointInterval=3)
make("v2cp", checkpointInterval=3, checkpointPolicy="v2")
for name in ("v1cp", "v2cp"):
    for part in range(5):
        fill(name, part * 10, part * 10 + 10)

make("dv", enableDeletionVectors="true")
fill("dv")
sql(f"DELETE FROM {table('dv')} WHERE id % 10 = 3")

make("cmname", columnMapping_mode="name")
fill("cmname")
sql(f"ALTER TABLE {table('cmname')} RENAME COLUMN s TO `s 2`")
sql(f"ALTER TABLE {table('cmname')} DROP COLUMN d")
make("cmid", columnMapping_mode="id")
fill("cmid")

make("liquid", extra="CLUSTER BY (id)")
fill("liquid")
fill("liquid", 100, 200)
sql(f"OPTIMIZE {table('liquid')}")

make("rowtrack", enableRowTracking="true")
fill("rowtrack")
sql(f"UPDATE {table('rowtrack')} SET s = 'z' WHERE id = 7")

make("cdf", enableChangeDataFeed="true")
fill("cdf")
sql(f"UPDATE {table('cdf')} SET s = 'u' WHERE id < 3")
sql(f"DELETE FROM {table('cdf')} WHERE id = 50")

make("ntz", columns="id BIGINT, t TIMESTAMP_NTZ")
sql(f"INSERT INTO {table('ntz')} VALUES (1, TIMESTAMP_NTZ'2024-01-01 00:00:00')")

make("gen", columns="id BIGINT, g BIGINT GENERATED ALWAYS AS (id * 2), i BIGINT GENERATED ALWAYS AS IDENTITY")
sql(f"INSERT INTO {table('gen')} (id) SELECT id FROM range(5)")

make("constr")
sql(f"ALTER TABLE {table('constr')} ADD CONSTRAINT pos CHECK (id >= 0)")
fill("constr")

make("variant", columns="id BIGINT, v VARIANT")
sql(f"INSERT INTO {table('variant')} SELECT 1, parse_json('{{\"a\":[1,2]}}')")

make("typewiden", columns="id INT", enableTypeWidening="true")
sql(f"INSERT INTO {table('typewiden')} VALUES (1)")
sql(f"ALTER TABLE {table('typewiden')} ALTER COLUMN id TYPE BIGINT")
sql(f"INSERT INTO {table('typewiden')} VALUES (5000000000)")

make("ict", enableInCommitTimestamps="true")
fill("ict")

make("collation", columns="id BIGINT, s STRING COLLATE UNICODE_CI")
sql(f"INSERT INTO {table('collation')} VALUES (1, 'A')")

sql(f"CREATE TABLE {table('clone')} SHALLOW CLONE {table('plain')}")
spark.stop()
