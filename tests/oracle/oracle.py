#!/usr/bin/env python3
"""The reconciliation once more, written from the spec alone, in SQL: what the product's tables must be equal to.

    python tests/oracle/oracle.py --lake DIR --out DIR --date 2026-03-01..2026-03-03 [--as-of TIME] [--key-file FILE]

Reads a lake's raw files and writes streaming_index, batch_index, aggregate_index and merchant_kpis in the same layout
below --out, the bad records as dlq/<source>/dt=<date>/part-00000.jsonl, and the run summaries. Validation is Python
(records.py), the rules are SQL (index.sql, batch.sql).
"""

import argparse
import concurrent.futures
import datetime
import json
import os
import pathlib
import re
import sys
import time

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

import records
import tables

HERE = pathlib.Path(__file__).parent
EPOCH = datetime.date(1970, 1, 1)


def day_of(date):
    return (date - EPOCH).days


def date_of(day):
    return EPOCH + datetime.timedelta(days=day)


def parse_dates(text):
    first, _, last = text.partition("..")
    first = datetime.date.fromisoformat(first)
    last = datetime.date.fromisoformat(last) if last else first
    if last < first:
        raise argparse.ArgumentTypeError("the last date lies before the first")
    return [first + datetime.timedelta(days=n) for n in range((last - first).days + 1)]


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lake", required=True, type=pathlib.Path)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--date", required=True, type=parse_dates, help="run date D, or D1..D2: one batch run each")
    parser.add_argument("--as-of", help="start of the run; default: 06:00 UTC of the day after each run date")
    parser.add_argument("--key-file", type=pathlib.Path, help="mask key; default: RECON_MASK_KEY or RECON_MASK_KEY_FILE")
    parser.add_argument("--lookback", type=int, default=3)
    parser.add_argument("--tolerance", default="0")
    parser.add_argument("--posted-net-of-fees", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    return parser.parse_args()


def mask_key(options):
    """The key's bytes; a file's last line break is not part of it."""
    path = options.key_file or os.environ.get("RECON_MASK_KEY_FILE")
    if not options.key_file and os.environ.get("RECON_MASK_KEY"):
        return os.environ["RECON_MASK_KEY"].encode()
    if not path:
        sys.exit("oracle: no mask key: give --key-file, RECON_MASK_KEY or RECON_MASK_KEY_FILE")
    key = pathlib.Path(path).read_bytes().rstrip(b"\r\n")
    return key or sys.exit("oracle: the mask key is empty")


def load_sources(db, options, key):
    """Each source's valid records as a table in_<source>; returns bad records by source."""
    bad = {}
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        files = {source: records.source_files(options.lake, source) for source in records.SOURCES}
        jobs = {source: [pool.submit(records.read_file, options.lake, path, source, number, key)
                         for number, path in enumerate(paths)] for source, paths in files.items()}
        for source, futures in jobs.items():
            parts = [future.result() for future in futures]
            bad[source] = [row for _, rows in parts for row in rows]
            types = {**records.SOURCES[source][2], "file": pa.int64(), "line": pa.int64()}
            empty = pa.table({name: pa.array([], type) for name, type in types.items()})
            db.register("part", pa.concat_tables([empty, *(table for table, _ in parts)]))
            db.execute(f"CREATE TABLE in_{source} AS FROM part")
            db.unregister("part")
    days = [(number, day_of(file_date(path))) for number, path in enumerate(files["statements"])]
    db.execute("CREATE TABLE statement_files (file BIGINT, file_day BIGINT)")
    if days:
        db.executemany("INSERT INTO statement_files VALUES (?, ?)", days)
    db.execute("CREATE OR REPLACE TABLE in_statements AS FROM in_statements JOIN statement_files USING (file)")
    return bad


def file_date(path):
    return datetime.date.fromisoformat(re.search(r"dt=(\d{4}-\d\d-\d\d)", str(path)).group(1))


def run_script(db, name, **parameters):
    text = re.sub(r"--[^\n]*", "", (HERE / name).read_text())
    for statement in filter(str.strip, text.split(";")):
        used = {key: value for key, value in parameters.items() if f"${key}" in statement}
        db.execute(statement, used or None)


def typed(table, name):
    """Days and microseconds become dates and timestamps; everything else has its type already."""
    schema = tables.SCHEMAS[name]
    columns = []
    for field in schema:
        column = table[field.name].combine_chunks()
        if pa.types.is_date32(field.type):
            column = column.cast(pa.int32())
        columns.append(column.cast(field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def write_partition(db, options, name, query, date):
    folder = options.out / tables.partition(name, date)
    folder.mkdir(parents=True, exist_ok=True)
    order = ", ".join(tables.KEYS[name])
    rows = typed(db.sql(f"SELECT * FROM ({query}) ORDER BY {order}").to_arrow_table(), name)
    pq.write_table(rows, folder / "part-00000.parquet", compression="zstd")
    return rows.num_rows


def write_index(db, options):
    days = [day for (day,) in db.sql("SELECT DISTINCT day FROM streaming_index ORDER BY day").fetchall()]
    query = "SELECT * EXCLUDE (day) FROM streaming_index WHERE day = {}"
    return sum(write_partition(db, options, "streaming_index", query.format(day), date_of(day)) for day in days)


def write_bad(options, bad, date):
    for source, rows in bad.items():
        by_date = {}
        for file, line, reason in rows:
            day = str(file_date(file)) if "dt=" in file else str(date)
            by_date.setdefault(day, []).append({"error": reason, "source": source, "file": file, "line": line})
        for day, lines in by_date.items():
            folder = options.out / "dlq" / source / f"dt={day}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "part-00000.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def write_summary(folder, app, started, rows_in, **more):
    seconds = time.monotonic() - started
    summary = {"app": app, "duration_seconds": round(seconds, 3), "rows_in": rows_in,
               "records_per_second": round(sum(rows_in.values()) / seconds), **more}
    (folder / "_summary.json").write_text(json.dumps(summary, indent=2) + "\n")


def count_rows(db, *sources):
    return {source: db.execute(f"SELECT count(*) FROM {source}").fetchone()[0] for source in sources}


def as_of_time(options, date):
    text = options.as_of or f"{date + datetime.timedelta(days=1)}T06:00:00Z"
    return text, records.micros({"as_of": text}, "as_of")


def run_day(db, options, date, bad):
    started = time.monotonic()
    text, as_of = as_of_time(options, date)
    run_script(db, "batch.sql", day=day_of(date), lookback=options.lookback, tolerance=options.tolerance,
               net_of_fees=options.posted_net_of_fees, as_of=as_of)
    names = ["batch_index", "aggregate_index", "merchant_kpis"]
    rows_out = {name: write_partition(db, options, name, f"FROM {name}", date) for name in names}
    by_status = dict(db.sql("SELECT reconciled_status, count(*) FROM merged GROUP BY 1 ORDER BY 1").fetchall())
    by_currency = db.sql("SELECT currency, count(*), sum(amount)::VARCHAR, sum(amount_posted)::VARCHAR, sum(discrepancy)::VARCHAR "
                         "FROM merged WHERE is_known GROUP BY 1 ORDER BY 1").fetchall()
    folder = options.out / tables.partition("aggregate_index", date)
    (folder / "_SUCCESS").touch()
    write_summary(folder, "batch_recon", started, {"streaming_index": count_rows(db, "known")["known"],
                  "statements": count_rows(db, "in_statements")["in_statements"]}, run_date=str(date), as_of=text,
                  rows_out=rows_out, bad_records={"statements": len(bad["statements"])}, by_status=by_status,
                  by_currency={row[0]: dict(zip(("rows", "amount", "amount_posted", "discrepancy"), row[1:])) for row in by_currency})
    print(f"{date}: " + ", ".join(f"{name} {n}" for name, n in rows_out.items()))


def main():
    options = parse_options()
    key, started = mask_key(options), time.monotonic()
    db = duckdb.connect()
    bad = load_sources(db, options, key)
    run_script(db, "index.sql")
    n_index = write_index(db, options)
    write_bad(options, bad, options.date[0])
    rows_in = count_rows(db, *(f"in_{source}" for source in records.SOURCES if source != "statements"))
    (options.out / tables.PATHS["streaming_index"]).mkdir(parents=True, exist_ok=True)
    write_summary(options.out / tables.PATHS["streaming_index"], "streaming_index", started,
                  {source.removeprefix("in_"): n for source, n in rows_in.items()}, rows_out={"streaming_index": n_index},
                  bad_records={source: len(rows) for source, rows in bad.items() if source != "statements"})
    print(f"streaming_index {n_index}; bad records: " + ", ".join(f"{source} {len(rows)}" for source, rows in bad.items()))
    for date in options.date:
        run_day(db, options, date, bad)
    print(f"{time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
