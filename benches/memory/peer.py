"""Runs one query over a Parquet file in DuckDB under a memory budget, and writes the answer.

    python peer.py FORMAT BUDGET_MB EVENTS.parquet QUERY.sql ANSWER SCRATCH
"""

import pathlib
import sys

import duckdb

FORMATS = {"parquet": "FORMAT parquet, COMPRESSION zstd", "ndjson": "FORMAT json"}


def main():
    format_, budget_mb, events, query, answer, scratch = sys.argv[1:]
    connection = duckdb.connect()
    connection.execute(f"SET memory_limit = '{budget_mb}MiB'")
    connection.execute(f"SET temp_directory = '{scratch}'")
    connection.execute(f"CREATE VIEW events AS FROM read_parquet('{events}')")
    sql = pathlib.Path(query).read_text()
    connection.execute(f"COPY ({sql}) TO '{answer}' ({FORMATS[format_]})")


main()
