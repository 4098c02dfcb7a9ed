#!/usr/bin/env python3
"""The lake against the outside: Parquet files of pyarrow and DuckDB both ways, and the unit tests of the edge room
once more on a real S3 server (versitygw, which checks signatures) and on one that only answers 503.

Needs BUILD_DIR (and SOURCE_DIR, for .tools/bin). Exit 77: something it needs is not installed.
"""
import datetime
import decimal
import http.server
import os
import shutil
import subprocess
import sys
import tempfile
import threading

import s3_server

SKIP = 77
N_ROWS = 3000
UNIT_TESTS = ("parquet_arrow", "lake_list", "lake_stage", "lake_read", "file_source", "live_files")

try:
    import duckdb
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(SKIP)

BUILD = os.environ["BUILD_DIR"]


def expect(condition, what):
    if not condition:
        raise SystemExit(f"FAILED: {what}")


def unit(name):
    return os.path.join(BUILD, "tests", f"unit_edge_{name}")


# The Arrow libraries are not instrumented: ThreadSanitizer does not see their locks, and takes the thread that their
# allocator starts when it is loaded for one that a forking test must not have.
FOR_ARROW = {"TSAN_OPTIONS": "ignore_noninstrumented_modules=1:report_mutex_bugs=0:" + os.environ.get("TSAN_OPTIONS", ""),
             "JE_ARROW_MALLOC_CONF": "background_thread:false"}


def run_unit(name, **env):
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "LS_TEST_"))}
    done = subprocess.run([unit(name)], env={**clean, **FOR_ARROW, **env}, capture_output=True, text=True)
    expect(done.returncode == 0, f"{name}:\n{done.stdout}{done.stderr}")
    print(f"ok: {name}", *(f"{key}={value}" for key, value in env.items() if key.startswith("LS_")))


# The rows; the same formulas are in tests/unit/edge/test_parquet_foreign.c.
def unless(i, every, value):
    return value if i % every else None


def columns():
    utc, day = datetime.timezone.utc, datetime.date(1970, 1, 1)
    rows = range(N_ROWS)
    exact = decimal.Context(prec=60)
    return {
        "id": [f"t-{i:05d}" for i in rows],
        "amount": [unless(i, 7, decimal.Decimal(i * 12345 - 10000000).scaleb(-4, exact)) for i in rows],
        "n": [unless(i, 5, i * i - 500) for i in rows],
        "score": [unless(i, 11, i / 4) for i in rows],
        "at": [unless(i, 13, datetime.datetime.fromtimestamp(1772000000 + i, utc)) for i in rows],
        "day": [day + datetime.timedelta(days=20000 + i % 400) for i in rows],
        "flags": [unless(i, 17, ["AML", "KYC"][:i % 3]) for i in rows],
        "raw": [unless(i, 3, b"\x00\xff12\x00"[:i % 5]) for i in rows],
        "ok": [unless(i, 19, i % 2 == 1) for i in rows],
        "wide": [unless(i, 23, decimal.Decimal((i - 1500) * 10**30 + i).scaleb(-10, exact)) for i in rows],
        "pair": [unless(i, 29, {"a": -i, "b": f"t-{i:05d}"}) for i in rows],
    }


PLAIN = {
    "id": pa.string(), "amount": pa.decimal128(18, 4), "n": pa.int64(), "score": pa.float64(),
    "at": pa.timestamp("us", "UTC"), "day": pa.date32(), "flags": pa.list_(pa.string()), "raw": pa.binary(),
    "ok": pa.bool_(), "wide": pa.decimal128(38, 10), "pair": pa.struct([("a", pa.int64()), ("b", pa.string())]),
}


def table(data, **types):
    chosen = {**PLAIN, **types}
    return pa.table({name: pa.array(data[name], chosen[name]) for name in chosen})


def write_foreign(folder, data):
    def write(name, contents, **options):
        pq.write_table(contents, os.path.join(folder, f"foreign-{name}.parquet"), **options)

    write("plain", table(data))
    write("v2", table(data), data_page_version="2.0", compression="gzip", row_group_size=700, data_page_size=1000)
    write("delta", table(data), use_dictionary=False, compression="none",
          column_encoding={"id": "DELTA_BYTE_ARRAY", "n": "DELTA_BINARY_PACKED", "raw": "DELTA_LENGTH_BYTE_ARRAY",
                           "score": "BYTE_STREAM_SPLIT"})
    write("dictionary", table(data, id=pa.dictionary(pa.int32(), pa.string()), raw=pa.dictionary(pa.int16(), pa.binary())),
          row_group_size=1000)
    write("large", table(data, id=pa.large_string(), flags=pa.large_list(pa.large_string()), raw=pa.large_binary()))
    write("view", table(data, id=pa.string_view(), raw=pa.binary_view()))
    write("narrow", table(data, n=pa.int32(), score=pa.float32(), at=pa.timestamp("s", "UTC"), day=pa.date64()),
          store_decimal_as_integer=True)
    write("nano", table(data, at=pa.timestamp("ns", "UTC"), amount=pa.decimal256(40, 6), wide=pa.decimal256(50, 10)))
    write("milli", table(data, at=pa.timestamp("ms"), amount=pa.decimal64(18, 4)), compression="lz4")
    write("extra", table(data).append_column("more", pa.array(range(N_ROWS))).select(
        ["pair", "more", "id", *[name for name in PLAIN if name not in ("id", "pair")]]))
    source = table(data)  # DuckDB finds it by its name
    duckdb.sql(f"COPY (SELECT * FROM source) TO '{folder}/foreign-duckdb.parquet' "
               "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 2048)")
    del source


def write_bad(folder, data):
    def write(name, field, values):
        exact = table(data)
        pq.write_table(exact.set_column(exact.schema.get_field_index(field), field, values),
                       os.path.join(folder, f"bad-{name}.parquet"))

    odd = datetime.datetime.fromtimestamp(1772000000, datetime.timezone.utc)
    write("nano", "at", pa.array([int(odd.timestamp()) * 10**9 + 1] * N_ROWS, pa.timestamp("ns", "UTC")))
    write("scale", "amount", pa.array([decimal.Decimal("1.00001")] * N_ROWS, pa.decimal128(18, 5)))
    write("digits", "amount", pa.array([decimal.Decimal(10) ** 15] * N_ROWS, pa.decimal128(38, 4)))
    write("text", "day", pa.array([str(day) for day in data["day"]]))
    write("latin", "id", pa.array([b"gr\xfc\xdf"] * N_ROWS, pa.binary()))
    pq.write_table(table(data).drop_columns(["flags"]), os.path.join(folder, "bad-missing.parquet"))


def check_ours(folder, data):
    path = os.path.join(folder, "ours", "part-0.parquet")
    ours = pq.read_table(path)
    for name, kind in PLAIN.items():
        found = ours.schema.field(name).type
        if name == "flags":
            expect(pa.types.is_list(found) and found.value_type == pa.string(), f"pyarrow: type of flags: {found}")
        else:
            expect(found == kind, f"pyarrow: type of {name}: {found}, want {kind}")
        expect(ours[name].to_pylist() == data[name], f"pyarrow: values of {name}")
    expect(not ours.schema.field("id").nullable and ours.schema.field("n").nullable, "pyarrow: nullability")
    meta = pq.read_metadata(path)
    expect(meta.created_by.startswith("libstream version "), f"created_by: {meta.created_by}")
    expect(meta.metadata is None, f"metadata: {meta.metadata}")
    column = meta.row_group(0).column(1)
    expect(column.physical_type == "INT64" and column.statistics.has_min_max, "decimal(18,4) is INT64 with statistics")
    expect(meta.row_group(0).column(0).compression == "ZSTD", "zstd")
    empty = pq.read_table(os.path.join(folder, "ours", "empty-0.parquet"))
    expect(empty.num_rows == 0 and empty.schema.equals(ours.schema), "pyarrow: the empty file has the schema")


def check_ours_duckdb(folder):
    both = f"read_parquet('{folder}/ours/*.parquet')"
    kinds = dict(duckdb.sql(f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {both})").fetchall())
    want = {"id": "VARCHAR", "amount": "DECIMAL(18,4)", "n": "BIGINT", "score": "DOUBLE",
            "at": "TIMESTAMP WITH TIME ZONE", "day": "DATE", "flags": "VARCHAR[]", "raw": "BLOB", "ok": "BOOLEAN",
            "wide": "DECIMAL(38,10)", "pair": "STRUCT(a BIGINT, b VARCHAR)"}
    expect({name: kind.replace('"', "") for name, kind in kinds.items()} == want, f"DuckDB: types {kinds}")
    rest = 'n, score, epoch_us("at"), day, flags, raw, ok, wide, pair.a, pair.b'
    differences = duckdb.sql(f"""
        (SELECT id, amount, {rest} FROM {both} EXCEPT ALL
         SELECT id, amount, {rest} FROM read_parquet('{folder}/foreign-plain.parquet'))""").fetchall()
    expect(not differences, f"DuckDB: {len(differences)} rows differ")
    expect(duckdb.sql(f"SELECT count(*), sum(amount) FROM {both}").fetchall() ==
           duckdb.sql(f"SELECT count(*), sum(amount) FROM read_parquet('{folder}/foreign-plain.parquet')").fetchall(),
           "DuckDB: sums")


def other_engines(folder):
    data = columns()
    write_foreign(folder, data)
    write_bad(folder, data)
    run_unit("parquet_foreign", LS_TEST_FOREIGN=folder)
    check_ours(folder, data)
    check_ours_duckdb(folder)
    print("ok: pyarrow and DuckDB read ours")


class SickServer(http.server.BaseHTTPRequestHandler):
    requests = 0

    def do_GET(self):
        SickServer.requests += 1
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_PUT = do_POST = do_GET

    def log_message(self, *args):
        pass


def on_a_sick_server(credentials):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), SickServer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    run_unit("lake_list", LS_TEST_SICK_ENDPOINT=f"http://127.0.0.1:{server.server_port}", AWS_MAX_ATTEMPTS="2", **credentials)
    server.shutdown()
    expect(SickServer.requests == 4, f"{SickServer.requests} requests: each of two is tried as often as it is said")


STALE = """\
libstream: 1
name: stale
schemas: { t: { key: id, time: at, fields: { id: string, kind: string, at: timestamp } } }
sources: { t: { schema: t, replay: { files: "raw/dt={date}/*.jsonl", lookback: 1d } } }
steps: { all: { from: t, filter: "kind <> 'none'" } }
sinks: { out: { from: all, lake: { path: "out/dt={date(at)}/kind={kind}", format: parquet } } }
"""


def published(store):
    return sorted(os.path.relpath(os.path.join(at, name), store) for at, _, names in os.walk(store) for name in names
                  if not os.path.relpath(at, store).startswith("raw") and not name.startswith("."))


def stale_partitions(store, reach, folder):
    """A re-run removes the partitions and dead letters on S3 that it no longer makes, of its own dates only."""
    config = os.path.join(folder, "stale.yaml")
    with open(config, "w") as file:
        file.write(STALE)

    def put(day, *kinds):
        os.makedirs(f"{store}/raw/dt={day}", exist_ok=True)
        with open(f"{store}/raw/dt={day}/x.jsonl", "w") as file:
            for kind in kinds:
                file.write(f'{{"id": "{day}{kind}", "kind": "{kind}", "at": "{day}T01:00:00Z"}}\n' if kind != "bad" else "no json\n")

    def run(*options, code=0):
        done = subprocess.run([os.path.join(BUILD, "bin/streamctl"), "run", config, "--lake", f"s3://{s3_server.BUCKET}/stale", "--quiet",
                               *options], env={**os.environ, **FOR_ARROW, **reach}, capture_output=True, text=True)
        expect(done.returncode == code, f"exit {done.returncode}: {done.stderr}")

    def left(*expected):
        expect(published(store) == sorted(expected), f"left: {published(store)}, want {sorted(expected)}")

    def part(day, kind):
        return f"out/dt={day}/kind={kind}/part-00000.parquet"

    one, two, letters = "2026-03-01", "2026-03-02", "dlq/t/dt=2026-03-02/part-00000.jsonl"
    put(one, "a", "b")
    put(two, "a", "b", "bad")
    run()
    left(part(one, "a"), part(one, "b"), part(two, "a"), part(two, "b"), letters)
    put(one, "a")  # not of the next run's dates
    put(two, "c")
    run("--date", two)
    left(part(one, "a"), part(one, "b"), part(two, "c"))
    run()
    left(part(one, "a"), part(two, "c"))
    put(two, "none")
    run("--date", two)
    left(part(one, "a"))
    print("ok: stale partitions on S3")


def on_s3(program, folder):
    with s3_server.running(program, os.path.join(folder, "s3")) as reach:
        for name in UNIT_TESTS:
            run_unit(name, LS_TEST_LAKE=f"s3://{s3_server.BUCKET}/lake", **reach)
        stale_partitions(os.path.join(folder, "s3", s3_server.BUCKET, "stale"), reach, folder)
    on_a_sick_server(s3_server.CREDENTIALS)


def main():
    if not os.path.exists(unit("parquet_foreign")):
        print("skipped: the unit tests of the edge room are not built")
        return SKIP
    folder = tempfile.mkdtemp(prefix="ls-it-lake-")
    try:
        other_engines(folder)
        gateway = s3_server.find()
        if not gateway:
            print("skipped: versitygw is not installed (tools/install.sh); the rest has passed")
            return SKIP
        on_s3(gateway, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
