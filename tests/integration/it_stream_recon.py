#!/usr/bin/env python3
"""Continuous reconciliation: configs/batch_recon.yaml live on a real broker. Statements and index rows arrive in any order, the
process is stopped in between, and the rows by key end as the batch's: Batch Index, Final Aggregate Index and KPIs of merchants."""

import csv
import datetime
import decimal
import json
import pathlib
import random
import sys
import tempfile

import kafka_server
import live
import pyarrow.parquet
import recon

N_PARTITIONS = 4
TOPICS = {"batch_index": (("transaction_id",), "curated/batch_index"),
          "aggregate_index": (("transaction_id",), "final/aggregate_index"),
          "merchant_kpis": (("merchant_id", "currency"), "final/merchant_kpis")}


def plain(value):
    """A value of Parquet as the topics have it."""
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        text = value.astimezone(datetime.timezone.utc).isoformat(timespec="microseconds").removesuffix("+00:00")
        return text.rstrip("0").rstrip(".") + "Z"
    if isinstance(value, datetime.date):
        return value.isoformat()
    return value


def rows_of(lake, table):
    return [{name: plain(value) for name, value in row.items()} for path in sorted(pathlib.Path(lake, table).rglob("*.parquet"))
            for row in pyarrow.parquet.read_table(path).to_pylist()]


def statements(path):
    """The rows of a file without those that are no rows: too many or too few columns, a quote that nothing closes."""
    with open(path, newline="", encoding="utf-8", errors="replace") as file:
        reader = csv.DictReader(file, strict=True)
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error:
                continue
            if None not in row and None not in row.values():
                yield row


def inputs(lake):
    """(topic, key, record) of all that the batch reads; keys in any order."""
    found = [("streaming_index", row["transaction_id"], row) for row in rows_of(lake, "curated/streaming_index")]
    for path in sorted(pathlib.Path(lake, "raw/statements").rglob("*.csv")):
        for row in statements(path):
            row = {name: value for name, value in row.items() if value != ""}
            found.append(("statements_topic", row.get("statement_id"), row))
    order = list(range(len(found)))
    random.Random(7).shuffle(order)
    places = {}
    for place, i in enumerate(order):
        places.setdefault(found[i][:2], []).append(place)
    shuffled = [None] * len(found)
    for record in found:  # of one key in their order: the first of several rows with one statement_id counts
        shuffled[places[record[:2]].pop(0)] = record
    return shuffled


def feed(brokers, records):
    to = live.producer(brokers)
    for topic, key, record in records:
        live.send(to, topic, key, json.dumps(record))
    to.flush()


def run(brokers, state, date, backend):
    command = [recon.BIN / "streamctl", "run", recon.SOURCE / "configs/batch_recon.yaml", "--live", "--until-end", "--state-dir", state,
               "--output-format", "json", "--quiet", "--set", f"run_date={date}", "--set", f"as_of={recon.as_of(date)}", "--set", "max_bad=50%",
               "--set", f"backend={backend}"]
    done = recon.run(*command, env=recon.environment(KAFKA_BROKERS=brokers), timeout=180)
    return json.loads(done.stdout.splitlines()[-1])


def compare(brokers, lake, topic):
    """Whether what a reader of the compacted topic has in the end is the batch's table."""
    key, table = TOPICS[topic]
    want = {tuple(row[name] for name in key): row for row in rows_of(lake, table)}
    got, n_gone = {}, 0
    records = live.committed(brokers, topic)
    for _, _, name, value, _ in records:
        if value is None:
            n_gone += got.pop(name, None) is not None
        else:
            got[name] = json.loads(value)
    got = {tuple(row[name] for name in key): row for row in got.values()}
    wrong = [k for k in want.keys() | got.keys() if want.get(k) != got.get(k)]
    print(f"{topic}: {len(records)} records, {n_gone} keys gone for a while or for good, {len(want)} rows of the batch, {len(wrong)} different")
    for k in sorted(wrong)[:3]:
        print("   batch", want.get(k), "live ", got.get(k), sep="\n   ")
    return not wrong and len(records) > len(want)


def main():
    kafka_server.need()
    failed = 0
    with tempfile.TemporaryDirectory() as scratch, kafka_server.running() as cluster:
        brokers, lake = cluster.bootstrap, pathlib.Path(scratch, "lake")
        recon.make_lake(lake, 3000, 3, 11)
        recon.index(lake)
        date = recon.dates(3)[-1]
        recon.batch(lake, date, "--set", "max_bad=50%")
        live.make_topics(brokers, ("streaming_index", "statements_topic"), N_PARTITIONS)
        records = inputs(lake)
        third = len(records) // 3
        for i, part in enumerate((records[:third], records[third:2 * third], records[2 * third:])):
            feed(brokers, part)
            summary = run(brokers, pathlib.Path(scratch, "state"), date, "rocksdb")
            print(f"part {i + 1}: {len(part)} records fed, {summary['records']} read")
            failed += not summary["conservation"]
        for topic in TOPICS:
            failed += not compare(brokers, lake, topic)
    print("FAILED" if failed else "passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
