"""Answers queries with DuckDB: JSON lines in the file argv[1], JSON lines on standard output.

The first line is a list of statements that prepare the database; each further line is a query.
"""

import json
import sys

import duckdb

TEXT = {"BLOB": "hex({0})"}


def column(number, kind):
    name = f'"{number}"'
    if kind.endswith("[]"):
        return f"CAST({name} AS VARCHAR[])"
    return TEXT.get(kind, "CAST({0} AS VARCHAR)").format(name)


def answer(database, query):
    kinds = [str(c[1]) for c in database.execute(query).description]
    names = ", ".join(f'"{n}"' for n in range(len(kinds)))
    database.execute(f"CREATE OR REPLACE TEMP TABLE answer AS SELECT * FROM ({query}\n) t({names})")
    columns = ", ".join(column(n, kind) for n, kind in enumerate(kinds))
    rows = database.execute(f"SELECT {columns} FROM answer ORDER BY rowid").fetchall()
    return {"types": kinds, "rows": rows}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    database = duckdb.connect()
    for statement in lines[0]:
        database.execute(statement)
    for query in lines[1:]:
        try:
            said = answer(database, query)
        except duckdb.Error as error:
            said = {"error": str(error).split("\n")[0]}
        print(json.dumps(said))


main()
