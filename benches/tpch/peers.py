"""Runs one query over the Parquet files of a folder in another engine, and prints CSV.

    python peers.py duckdb FOLDER QUERY.sql
    python peers.py polars FOLDER QUERY.sql
"""

import csv
import pathlib
import sys


def duckdb(folder, query):
    import duckdb

    connection = duckdb.connect()
    for path in sorted(folder.glob("*.parquet")):
        connection.execute(f"CREATE VIEW {path.stem} AS FROM read_parquet('{path}')")
    result = connection.execute(query)
    return [column[0] for column in result.description], result.fetchall()


def polars(folder, query):
    import polars

    tables = {path.stem: polars.scan_parquet(path) for path in folder.glob("*.parquet")}
    frame = polars.SQLContext(tables).execute(query).collect()
    return frame.columns, frame.rows()


def main():
    engine, folder, query = sys.argv[1:]
    run = {"duckdb": duckdb, "polars": polars}[engine]
    names, rows = run(pathlib.Path(folder), pathlib.Path(query).read_text())
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)


main()
