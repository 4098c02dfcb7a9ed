#!/usr/bin/env python3
"""The same job in DuckDB: Streaming Index and batch runs of a lake, timed. A yardstick, not part of the product.

    python bench/peers/duckdb/run.py --lake DIR --out DIR --date D1..D2 --key-file FILE [--job index|batch] [--threads N] [--memory 4GB]

Without --job both jobs are done; batch needs the index that an earlier run left in --out. Prints one JSON object with seconds per step, rows and peak memory. The tables have the product's layout, so
tests/oracle/compare.py checks them; run it on a lake made with `lakegen --defects off`.
"""

import argparse
import datetime
import glob
import json
import os
import pathlib
import re
import resource
import time

import duckdb

HERE = pathlib.Path(__file__).parent
COLUMN_TYPES = {"statement_id": "VARCHAR", "transaction_id": "VARCHAR", "posting_date": "DATE", "amount_posted": "DECIMAL(18,4)",
                "fee_charged": "DECIMAL(18,4)"}


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--lake", "--out", "--date", "--key-file"):
        parser.add_argument(name, required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--job", choices=["index", "batch"])
    parser.add_argument("--lookback", type=int, default=3)
    return parser.parse_args()


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def timed(job, *args):
    """What a job reports, with its wall and CPU seconds."""
    started, cpu = time.monotonic(), cpu_seconds()
    report = job(*args)
    return {**report, "seconds": round(time.monotonic() - started, 3), "cpu_seconds": round(cpu_seconds() - cpu, 3)}


def literal(value):
    """A parameter as SQL text: views and file lists take no prepared parameters."""
    if isinstance(value, bytes):
        return "'" + "".join(f"\\x{byte:02x}" for byte in value) + "'::BLOB"
    if isinstance(value, dict):
        return "{" + ", ".join(f"'{key}': '{item}'" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, datetime.date):
        return f"DATE '{value}'"
    return "'" + str(value).replace("'", "''") + "'"


def run_script(db, name, timings, **parameters):
    text = re.sub(r"--[^\n]*", "", (HERE / name).read_text())
    for key in sorted(parameters, key=len, reverse=True):
        text = text.replace(f"${key}", parameters[key] if key in ("as_of", "csv") else literal(parameters[key]))
    for statement in filter(str.strip, text.split(";")):
        started = time.monotonic()
        db.execute(statement)
        table = re.search(r"TEMP \w+ (\w+)", statement).group(1)
        timings[table] = round(time.monotonic() - started, 3)


def key_blocks(path):
    """HMAC's inner and outer blocks of the mask key."""
    key = pathlib.Path(path).read_bytes().rstrip(b"\r\n").ljust(64, b"\0")
    if len(key) > 64:
        raise SystemExit("the mask key is longer than a block")
    return bytes(byte ^ 0x36 for byte in key), bytes(byte ^ 0x5C for byte in key)


def write(db, query, folder):
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    db.execute(f"COPY ({query}) TO '{folder}/part-00000.parquet' (FORMAT parquet, COMPRESSION zstd)")


def build_index(db, options):
    timings, lake = {}, options.lake
    inner, outer = key_blocks(options.key_file)
    run_script(db, "index.sql", timings, transactions=sorted(glob.glob(f"{lake}/raw/transactions/dt=*/*.jsonl*")),
               signals=sorted(glob.glob(f"{lake}/raw/fraud_signals/dt=*/*.jsonl*")), merchants=sorted(glob.glob(f"{lake}/reference/merchants/*.jsonl")),
               policies=sorted(glob.glob(f"{lake}/reference/policies/*.jsonl")), inner_pad=inner, outer_pad=outer)
    writing = time.monotonic()
    for (date,) in db.execute("SELECT DISTINCT event_time::DATE FROM streaming_index ORDER BY 1").fetchall():
        write(db, f"""SELECT * REPLACE (event_time AT TIME ZONE 'UTC' AS event_time, stream_ingest_time AT TIME ZONE 'UTC' AS stream_ingest_time)
                      FROM streaming_index WHERE event_time::DATE = DATE '{date}' ORDER BY transaction_id, version""",
              f"{options.out}/curated/streaming_index/dt={date}")
    timings["write"] = round(time.monotonic() - writing, 3)
    rows_in = db.execute("SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM signals)").fetchone()[0]
    rows_out = db.execute("SELECT count(*) FROM streaming_index").fetchone()[0]
    for table in ("streaming_index", "changes", "inputs", "events", "signals", "tokens", "active", "merchants"):
        db.execute(f"DROP TABLE {table}")
    return {"rows_in": rows_in, "rows_out": rows_out, "steps": timings}


def statement_columns(path):
    """The columns in the order of one file's header; the reader needs them in that order."""
    with open(path, encoding="utf-8") as file:
        return file.readline().strip().split(",")


def statement_union(files):
    """One read_csv per order of columns: files of different banks differ in it."""
    groups = {}
    for file in files:
        groups.setdefault(tuple(statement_columns(file)), []).append(file)
    names = "statement_id, transaction_id, posting_date, amount_posted"
    return " UNION ALL ".join(
        f"""SELECT {names} FROM read_csv({literal(group)}, columns = {literal({name: COLUMN_TYPES[name] for name in header})},
            header = true, auto_detect = false, delim = ',', quote = '"', escape = '"', hive_partitioning = false, ignore_errors = true)"""
        for header, group in groups.items())


def run_batch(db, options, date):
    first, timings = date - datetime.timedelta(days=options.lookback), {}
    days = [first + datetime.timedelta(days=n) for n in range(options.lookback + 1)]
    files = lambda pattern: sorted(file for day in days for file in glob.glob(pattern.format(day=day)))
    statements = files(options.lake + "/raw/statements/dt={day}/*.csv")
    run_script(db, "batch.sql", timings, index=files(options.out + "/curated/streaming_index/dt={day}/*.parquet"),
               date=date, first=first, as_of=f"TIMESTAMPTZ '{date + datetime.timedelta(days=1)} 06:00:00+00'",
               csv=statement_union(statements))
    writing = time.monotonic()
    part = f"month={date:%Y-%m}/day={date}"
    for table, folder in (("batch_index", "curated"), ("aggregate_index", "final"), ("merchant_kpis", "final")):
        write(db, f"FROM {table}", f"{options.out}/{folder}/{table}/{part}")
    timings["write"] = round(time.monotonic() - writing, 3)
    rows = db.execute("SELECT count(*) FROM merged").fetchone()[0]
    return {"date": str(date), "rows_out": rows, "steps": timings}


def main():
    options = parse_options()
    first, _, last = options.date.partition("..")
    first, last = datetime.date.fromisoformat(first), datetime.date.fromisoformat(last or first)
    db = duckdb.connect(config={"threads": options.threads, "memory_limit": options.memory})
    db.execute("SET TimeZone = 'UTC'")
    done = {}
    if options.job != "batch":
        done["index"] = timed(build_index, db, options)
    if options.job != "index":
        done["batch"] = [timed(run_batch, db, options, first + datetime.timedelta(days=n)) for n in range((last - first).days + 1)]
    print(json.dumps({"peer": "duckdb", "version": duckdb.__version__, "threads": options.threads, "memory_limit": options.memory,
                      **done, "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}, indent=2))


if __name__ == "__main__":
    main()
