"""Says whether an answer holds the right rows, in the right order where the query orders.

    python check.py QUERY FORMAT ANSWER RIGHT EVENTS.parquet
"""

import sys

import duckdb
import polars

COLUMNS = """{id: 'BIGINT', user_id: 'BIGINT', session: 'VARCHAR', country: 'VARCHAR',
    amount: 'DECIMAL(18, 2)', score: 'DOUBLE', created: 'TIMESTAMPTZ'}"""


def rows_differ(answer, right):
    """The first column that differs, row by row."""
    if answer.height != right.height:
        return f"{answer.height} rows, not {right.height}"
    for name in right.columns:
        equal = answer[name].cast(right[name].dtype).eq_missing(right[name])
        if not equal.all():
            return f"column {name} differs in row {equal.arg_min()}"
    return None


def fingerprint(connection, table):
    hashed = "hash(id, user_id, session, country, amount, score, created)"
    return connection.execute(f"SELECT count(*), bit_xor({hashed}), sum({hashed}) FROM {table}").fetchone()


def difference(query, format_, answer, right, events):
    if query != "all":
        return rows_differ(polars.read_parquet(answer), polars.read_parquet(right))
    if format_ == "arrow":
        answered = polars.read_ipc_stream(answer).sort("id")
        return rows_differ(answered, polars.read_parquet(events).sort("id"))
    connection = duckdb.connect()
    answered = fingerprint(connection, f"read_ndjson('{answer}', columns = {COLUMNS})")
    return None if answered == fingerprint(connection, f"'{events}'") else f"{answered}"


print(difference(*sys.argv[1:]) or "right")
