"""What a live Streaming Index committed, against the oracle (tests/oracle): every row, every version in order, each once; dead
letters, signals that were left out, and the lake as well. In DuckDB, since a large run does not fit Python's objects."""

import collections
import datetime
import json
import pathlib

import duckdb
import live
import recon

COLUMNS = ("merchant_id", "user_token", "amount", "currency", "status", "fraud_score", "enriched_flags", "event_time")
TYPES = {"transaction_id": "VARCHAR", "merchant_id": "VARCHAR", "user_token": "VARCHAR", "amount": "DECIMAL(18,4)", "currency": "VARCHAR", "status": "VARCHAR",
         "fraud_score": "DOUBLE", "enriched_flags": "VARCHAR[]", "event_time": "TIMESTAMPTZ", "version": "BIGINT"}
OPEN_MINUTES = 30  # windows that end so near the lake's end may be open when a live run stops; replay closes them
SHOWN = 5


class Expected:
    """Of a lake, by the oracle: the index and the bad records; by replay, which the oracle leaves out: signals without effect."""

    def __init__(self, lake, folder):
        self.lake, self.oracle = pathlib.Path(lake), pathlib.Path(folder)
        dates = sorted(path.name[3:] for path in pathlib.Path(lake, "raw/transactions").glob("dt=*"))
        recon.run("python3", recon.SOURCE / "tests/oracle/oracle.py", "--lake", lake, "--out", folder, "--date", dates[0], "--jobs", 1)
        recon.index(lake)
        self.left_out = [json.loads(line) for path in self.lake.glob("late/fraud_signals/**/*.jsonl") for line in path.read_text().splitlines()]

    def index(self):
        return str(self.oracle / "curated/streaming_index/*/*.parquet")

    def bad(self, source):
        return sum(len(path.read_text().splitlines()) for path in self.oracle.glob(f"dlq/{source}/**/*.jsonl"))


def dump(brokers, topic, path):
    """A topic's committed rows as lines with their places."""
    with open(path, "wb") as file:
        for partition, offset, key, value, _ in live.each_committed(brokers, topic):
            file.write(b'{"_partition":%d,"_offset":%d,"_key":%s,' % (partition, offset, json.dumps(key.decode()).encode()) + value.lstrip()[1:] + b"\n")


def row_faults(db, expected, where):
    """Of a table `live` whose rows have a `place` in their order: `_place`, NULL where there is none."""
    db.execute(f"CREATE OR REPLACE TABLE oracle AS FROM read_parquet('{expected.index()}', hive_partitioning = false)")
    n_rows, n_keys = db.execute("SELECT count(*), count(DISTINCT (transaction_id, version)) FROM live").fetchone()
    print(f"  {where}: {n_rows} rows, the oracle's {db.execute('SELECT count(*) FROM oracle').fetchone()[0]}", flush=True)
    faults = [] if n_rows == n_keys else [f"{n_rows - n_keys} rows are repeated"]
    checks = {
        "is missing": "FROM oracle ANTI JOIN live USING (transaction_id, version) SELECT transaction_id, version, event_time",
        "is nobody's but ours": "FROM live ANTI JOIN oracle USING (transaction_id, version) SELECT transaction_id, version, _place",
        "differs": "FROM live l JOIN oracle o USING (transaction_id, version) SELECT l, o WHERE "
                   + " OR ".join(f"l.{c} IS DISTINCT FROM o.{c}" for c in COLUMNS),
        "is out of order": """FROM (SELECT *, row_number() OVER (PARTITION BY transaction_id ORDER BY _place) AS nth FROM live)
                              SELECT transaction_id, version, nth, _place WHERE version <> nth AND _place IS NOT NULL""",
    }
    for what, query in checks.items():
        found = db.execute(f"SELECT COLUMNS(*)::VARCHAR FROM ({query})").fetchall()
        faults += [f"{where}: {len(found)} times a row {what}: {found[:SHOWN]}"] if found else []
    return faults


def database():
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'; SET memory_limit = '2GB'; SET threads = 1")
    return db


def topic_faults(expected, rows):
    db, types = database(), {**TYPES, "_partition": "INT", "_offset": "BIGINT", "_key": "VARCHAR"}
    db.execute(f"""CREATE TABLE live AS SELECT *, (_partition, _offset) AS _place FROM read_json('{rows}', format = 'newline_delimited',
        columns = {types}, maximum_object_size = 4000000)""")
    wrong = db.execute("SELECT count(*) FROM live WHERE _key <> transaction_id").fetchone()[0]
    return row_faults(db, expected, "topic") + ([f"{wrong} rows are under another key"] if wrong else [])


def lake_faults(expected, brokers, lake):
    """Each row in one file, signals as in their topic, and nothing left over on the way there."""
    db = database()
    db.execute(f"""CREATE TABLE live AS SELECT *, NULL AS _place
        FROM read_parquet('{lake}/curated/streaming_index/*/*.parquet', hive_partitioning = false)""")
    faults = row_faults(db, expected, "lake")
    signals = collections.Counter(line for path in lake.glob("late/**/*.jsonl") for line in path.read_text().splitlines())
    if signals != collections.Counter(value.decode() for _, _, _, value, _ in live.each_committed(brokers, "late_signals")):
        faults.append("lake: the signals that were left out are not those of their topic")
    left = [str(path) for hidden in ("_live", "_staging") for path in pathlib.Path(lake, hidden).rglob("*") if path.is_file()]
    return faults + ([f"lake: {len(left)} files are left on the way: {left[:SHOWN]}"] if left else [])


def letter_faults(expected, brokers, topic, source):
    n_expected = expected.bad(source)
    if not n_expected:
        return []
    places = [(h["ls.topic"], h["ls.partition"], h["ls.offset"]) for *_, h in live.each_committed(brokers, topic)]
    if len(set(places)) == len(places) == n_expected:
        return []
    return [f"{topic}: {len(places)} letters of {len(set(places))} records, the oracle has {n_expected} bad ones"]


def left_out_faults(expected, brokers, topic):
    """Signals whose window closed: those that replay leaves out, each once; windows near the end may be open."""
    def identity(row):
        return row["fraud_signal_id"], row["transaction_id"], live.instant(row["inference_time"]), row["fraud_score"], row["reason"]

    came = collections.Counter(identity(json.loads(value)) for _, _, _, value, _ in live.each_committed(brokers, topic))
    want = collections.Counter(identity(row) for row in expected.left_out)
    if not want:
        return []
    last = datetime.datetime.fromisoformat(max(row[2] for row in want))
    limit = (last - datetime.timedelta(minutes=OPEN_MINUTES)).isoformat(timespec="microseconds")
    faults = []
    for what, rows in (("more than in replay", list(came - want)), ("missing", [row for row in want - came if row[2] < limit])):
        faults += [f"{topic}: {len(rows)} signals {what}: {rows[:SHOWN]}"] if rows else []
    return faults


def check(expected, brokers, topic, scratch, lake=None):
    """Whether all is there, each once. Says what is not. lake: that the index was written to as well."""
    rows = pathlib.Path(scratch, f"{topic}.jsonl")
    dump(brokers, topic, rows)
    faults = topic_faults(expected, rows)
    faults += letter_faults(expected, brokers, "transactions_topic.dlq", "transactions")
    faults += letter_faults(expected, brokers, "fraud_signals_topic.dlq", "fraud_signals")
    faults += left_out_faults(expected, brokers, "late_signals")
    faults += lake_faults(expected, brokers, lake) if lake else []
    for fault in faults:
        print(f"  DIFFERENT: {fault}", flush=True)
    return not faults
