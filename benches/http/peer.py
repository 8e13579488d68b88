"""Reads a statement's whole answer as Arrow and prints how many rows it had.

    python peer.py batches|all|adbc PORT STATEMENT
"""

import sys

USER = {"user": "orbit", "password": "orbit"}


def connector(port):
    import snowflake.connector

    return snowflake.connector.connect(
        account="orbit", host="127.0.0.1", port=int(port), protocol="http", database="ORBIT",
        schema="PUBLIC", login_timeout=20, **USER).cursor()


def batches(port, statement):
    cursor = connector(port)
    cursor.execute(statement)
    return sum(table.num_rows for table in cursor.fetch_arrow_batches())


def all_rows(port, statement):
    cursor = connector(port)
    cursor.execute(statement)
    return cursor.fetch_arrow_all().num_rows


def adbc(port, statement):
    import adbc_driver_snowflake.dbapi

    prefix = "adbc.snowflake.sql"
    settings = {
        "username": USER["user"], "password": USER["password"], f"{prefix}.account": "orbit",
        f"{prefix}.uri.protocol": "http", f"{prefix}.uri.host": "127.0.0.1",
        f"{prefix}.uri.port": port, f"{prefix}.db": "ORBIT", f"{prefix}.schema": "PUBLIC",
    }
    with adbc_driver_snowflake.dbapi.connect(db_kwargs=settings, autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return sum(batch.num_rows for batch in cursor.fetch_record_batch())


WAYS = {"batches": batches, "all": all_rows, "adbc": adbc}
print(WAYS[sys.argv[1]](*sys.argv[2:]))
