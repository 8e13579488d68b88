"""Reads a table of PostgreSQL into Arrow by one peer, and prints what that took as JSON.

    python peers.py PEER HOST PORT USER PASSWORD TABLE

What is measured begins before connecting and ends with the last row; importing the peer and
starting Python are left out, except of the memory.
"""

import json
import pathlib
import resource
import sys
import time

BATCH_ROWS = 65536


def duckdb(host, port, user, password, table):
    import duckdb
    import duckdb_ext

    # The package holds the extension as a file; nothing is downloaded.
    folder = pathlib.Path(list(duckdb_ext.__path__)[0])
    extension = next(folder.glob("extensions/*/*/postgres_scanner.duckdb_extension"))
    connection = duckdb.connect()
    connection.execute(f"LOAD '{extension}'")
    connection.execute("SET threads = 1")

    def batches():
        source = f"host={host} port={port} user={user} password={password} dbname=postgres"
        connection.execute(f"ATTACH '{source}' AS pg (TYPE postgres, READ_ONLY)")
        yield from connection.execute(f"SELECT * FROM pg.{table}").fetch_record_batch(BATCH_ROWS)

    return batches


def connectorx(protocol):
    def prepare(host, port, user, password, table):
        import connectorx
        import pyarrow

        def batches():
            yield from connectorx.read_sql(
                f"postgresql://{user}:{password}@{host}:{port}/postgres",
                f"SELECT * FROM {table}",
                protocol=protocol,
                return_type="arrow_stream",
                batch_size=BATCH_ROWS,
            )

        assert pyarrow
        return batches

    return prepare


def adbc(host, port, user, password, table):
    import adbc_driver_postgresql.dbapi
    import pyarrow

    def batches():
        uri = f"postgresql://{user}:{password}@{host}:{port}/postgres"
        with adbc_driver_postgresql.dbapi.connect(uri) as connection:
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT * FROM {table}")
                yield from cursor.fetch_record_batch()

    assert pyarrow
    return batches


def odbc(host, port, user, password, table):
    import arrow_odbc

    def batches():
        # Without the last two the driver reads the whole answer into memory first.
        source = (
            f"Driver={{PostgreSQL Unicode}};Server={host};Port={port};Database=postgres;"
            f"UID={user};PWD={password};UseDeclareFetch=1;Fetch={BATCH_ROWS}"
        )
        yield from arrow_odbc.read_arrow_batches_from_odbc(
            query=f"SELECT * FROM {table}",
            connection_string=source,
            batch_size=BATCH_ROWS,
            max_text_size=256,
        )

    return batches


PEERS = {
    "duckdb": duckdb,
    "connectorx-cursor": connectorx("cursor"),
    "connectorx-binary": connectorx("binary"),
    "adbc": adbc,
    "arrow-odbc": odbc,
}


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main():
    peer, *source = sys.argv[1:]
    batches = PEERS[peer](*source)
    begun, cpu = time.monotonic(), cpu_seconds()
    rows, first = 0, None
    for batch in batches():
        if first is None:
            first = time.monotonic() - begun
        rows += batch.num_rows
    print(
        json.dumps(
            {
                "rows": rows,
                "cpu_seconds": cpu_seconds() - cpu,
                "wall_seconds": time.monotonic() - begun,
                "first_batch_seconds": first,
                "rss_max_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


main()
