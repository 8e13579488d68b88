"""Does one work against a store, in another client.

    python peer.py CLIENT PORT list PREFIX
    python peer.py CLIENT PORT get KEY
    python peer.py CLIENT PORT each PREFIX
    python peer.py CLIENT PORT query FILE.sql   (prints CSV)
"""

import csv
import pathlib
import sys

BUCKET = "bench"
PARALLEL = 16
TABLES = "customer lineitem nation orders part partsupp region supplier".split()


def boto3(endpoint, work, name):
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="anybody",
        aws_secret_access_key="anything",
        config=Config(max_pool_connections=PARALLEL, s3={"addressing_style": "path"}),
    )

    def keys():
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=name)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def read(key):
        return len(client.get_object(Bucket=BUCKET, Key=key)["Body"].read())

    if work == "list":
        return len(keys())
    if work == "get":
        body = client.get_object(Bucket=BUCKET, Key=name)["Body"]
        return sum(len(chunk) for chunk in body.iter_chunks(1 << 20))
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(PARALLEL) as pool:
        return sum(pool.map(read, keys()))


def obstore(endpoint, work, name):
    import obstore
    from obstore.store import S3Store

    store = S3Store(
        BUCKET,
        endpoint=endpoint,
        region="us-east-1",
        access_key_id="anybody",
        secret_access_key="anything",
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
    if work == "list":
        return sum(len(page) for page in obstore.list(store, name, chunk_size=1000))
    if work == "get":
        return sum(len(chunk) for chunk in obstore.get(store, name))
    import asyncio

    async def each():
        limit = asyncio.Semaphore(PARALLEL)

        async def read(key):
            async with limit:
                answer = await obstore.get_async(store, key)
                return len(await answer.bytes_async())

        pages = obstore.list(store, name, chunk_size=1000)
        return sum(await asyncio.gather(*(read(e["path"]) for page in pages for e in page)))

    return asyncio.run(each())


def duckdb(endpoint, work, name):
    import duckdb
    import duckdb_extension_httpfs

    folder = pathlib.Path(duckdb_extension_httpfs.__file__).parent
    (extension,) = folder.glob("extensions/*/httpfs.duckdb_extension")
    connection = duckdb.connect()
    connection.execute(f"LOAD '{extension}'")
    host = endpoint.removeprefix("http://")
    connection.execute(
        "CREATE SECRET (TYPE s3, KEY_ID 'anybody', SECRET 'anything', REGION 'us-east-1',"
        f" ENDPOINT '{host}', USE_SSL false, URL_STYLE 'path')"
    )
    url = f"s3://{BUCKET}/{name}"
    if work == "list":
        return connection.execute(f"SELECT count(*) FROM glob('{url}*')").fetchone()[0]
    if work in ("get", "each"):
        pattern = url if work == "get" else f"{url}*"
        query = f"SELECT sum(octet_length(content)) FROM read_blob('{pattern}')"
        return connection.execute(query).fetchone()[0]
    query = pathlib.Path(name).read_text()
    for table in (table for table in TABLES if table in query):
        source = f"s3://{BUCKET}/tpch/{table}.parquet"
        connection.execute(f"CREATE VIEW {table} AS FROM read_parquet('{source}')")
    result = connection.execute(query)
    return [column[0] for column in result.description], result.fetchall()


def polars(endpoint, work, name):
    import polars

    options = {
        "aws_endpoint_url": endpoint,
        "aws_region": "us-east-1",
        "aws_access_key_id": "anybody",
        "aws_secret_access_key": "anything",
        "aws_allow_http": "true",
    }

    def scan(table):
        return polars.scan_parquet(f"s3://{BUCKET}/tpch/{table}.parquet", storage_options=options)

    query = pathlib.Path(name).read_text()
    tables = {table: scan(table) for table in TABLES if table in query}
    frame = polars.SQLContext(tables).execute(query).collect()
    return frame.columns, frame.rows()


def datafusion(endpoint, work, name):
    from datafusion import SessionContext
    from datafusion.object_store import AmazonS3

    store = AmazonS3(
        bucket_name=BUCKET,
        region="us-east-1",
        access_key_id="anybody",
        secret_access_key="anything",
        endpoint=endpoint,
        allow_http=True,
    )
    session = SessionContext()
    session.register_object_store("s3://", store, BUCKET)
    query = pathlib.Path(name).read_text()
    for table in (table for table in TABLES if table in query):
        session.register_parquet(table, f"s3://{BUCKET}/tpch/{table}.parquet")
    frame = session.sql(query)
    names = frame.schema().names
    rows = [row.values() for row in frame.to_pylist()]
    return names, rows


def main():
    client, port, work, name = sys.argv[1:]
    clients = (boto3, obstore, duckdb, polars, datafusion)
    run = {client.__name__: client for client in clients}[client]
    answer = run(f"http://127.0.0.1:{port}", work, name)
    if work == "query":
        names, rows = answer
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
    else:
        print(answer)


main()
