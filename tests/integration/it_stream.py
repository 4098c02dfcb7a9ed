#!/usr/bin/env python3
"""The Streaming Index live on a real broker: the same rows as replay, exactly once over restarts, dead letters with coordinates."""

import json
import pathlib
import sys
import tempfile

import kafka_server
import live
import pyarrow.parquet
import recon

N_PARTITIONS = 4
NOT_COMPARED = ("stream_ingest_time",)  # live: the record's Kafka timestamp


def replayed(lake):
    """The rows of a replay: (transaction_id, version) -> columns."""
    recon.index(lake)
    return rows_of(lake)[0]


def rows_of(lake):
    """The index rows that a reader of the lake sees: (transaction_id, version) -> columns, and how many are there twice."""
    rows, repeated = {}, 0
    for path in sorted(pathlib.Path(lake, "curated/streaming_index").rglob("*.parquet")):
        for row in pyarrow.parquet.read_table(path).to_pylist():
            repeated += (row["transaction_id"], row["version"]) in rows
            rows[row["transaction_id"], row["version"]] = row
    return rows, repeated


def late_of(lake):
    """The late signals that a reader of the lake sees, sorted."""
    return sorted(line for path in pathlib.Path(lake, "late").rglob("*.jsonl") for line in path.read_text().splitlines())


def compare_lake(expected, late_records, live_lake, quiet=False):
    """Whether the live lake has the rows of the replay, each in one file, the late signals of the topic, and nothing in its stages."""
    rows = rows_of(live_lake)
    missing, extra = expected.keys() - rows[0].keys(), rows[0].keys() - expected.keys()
    wrong = [k for k in expected.keys() & rows[0].keys() if plain(expected[k]) != plain(rows[0][k])]
    late, expected_late = late_of(live_lake), sorted(record[3].decode() for record in late_records)
    left = [str(path) for hidden in ("_live", "_staging") for path in pathlib.Path(live_lake, hidden).rglob("*") if path.is_file()]
    good = not (missing or extra or rows[1] or wrong or left) and late == expected_late
    if not good or not quiet:
        print(f"lake: rows {len(rows[0])}, expected {len(expected)}, missing {len(missing)}, extra {len(extra)}, repeated {rows[1]}, "
              f"different {len(wrong)}; late {len(late)}, expected {len(expected_late)}, the same {late == expected_late}; left in stages {left[:3]}")
    return good


def plain(row):
    """A row of either kind as comparable text."""
    out = {}
    for name, value in row.items():
        if name in NOT_COMPARED:
            continue
        if name == "event_time":
            value = value if isinstance(value, str) else value.isoformat(timespec="microseconds").replace("+00:00", "Z")
            value = value.rstrip("Z").ljust(26, "0") if "." in value else value.rstrip("Z") + ".000000"
        if name == "amount":
            value = format(float(value), ".4f") if value is None else str(value)
        out[name] = value
    return out


def compare(expected, records, quiet=False):
    """Whether the committed records are the expected rows, each once, a transaction's versions in order."""
    rows, repeated, order = {}, 0, {}
    for _, _, key, value, _ in records:
        row = json.loads(value)
        identity = (row["transaction_id"], row["version"])
        assert key.decode() == row["transaction_id"], (key, row)
        repeated += identity in rows
        rows[identity] = row
        assert row["version"] == order.get(row["transaction_id"], 0) + 1, f"versions out of order: {row}"
        order[row["transaction_id"]] = row["version"]
    missing, extra = expected.keys() - rows.keys(), rows.keys() - expected.keys()
    wrong = [(plain(expected[k]), plain(rows[k])) for k in expected.keys() & rows.keys() if plain(expected[k]) != plain(rows[k])]
    good = not (missing or extra or wrong or repeated)
    if good and quiet:
        return True
    print(f"rows {len(rows)}, expected {len(expected)}, missing {len(missing)}, extra {len(extra)}, repeated {repeated}, different {len(wrong)}")
    for transaction, version in sorted(missing, key=lambda identity: str(expected[identity]["event_time"]))[:8]:
        print(f"   missing {transaction} version {version} of {order.get(transaction, 0)}, {expected[transaction, version]['event_time']}")
    for pair in wrong[:3]:
        print("  ", *pair, sep="\n   ")
    return good


def main():
    kafka_server.need()
    failed = 0
    with tempfile.TemporaryDirectory() as scratch, kafka_server.running() as cluster:
        brokers = cluster.bootstrap
        lake, state = pathlib.Path(scratch, "lake"), pathlib.Path(scratch, "state")
        recon.make_lake(lake, 8000, 1, 5)
        live.make_topics(brokers, live.INPUTS, N_PARTITIONS)
        print("fed", live.feed(brokers, lake))
        expected = replayed(lake)
        for backend in ("memory", "rocksdb"):
            live.make_topics(brokers, [f"index-{backend}"], N_PARTITIONS)  # not compacted: every version is looked at
            options = ("--set", f"backend={backend}", "--set", f"application_id=index-{backend}", "--set", f"output_topic=index-{backend}")
            summary = live.run(brokers, state, *options)
            print(backend, {k: v for k, v in summary.items() if k != "steps"})
            failed += not summary["conservation"]
            failed += not compare(expected, live.committed(brokers, f"index-{backend}"))
            again = live.run(brokers, state, *options)
            print(backend, "again", {k: v for k, v in again.items() if k != "steps"})
            failed += again["records"] != 0 or (backend == "rocksdb" and again["restored_records"] != 0)
    print("FAILED" if failed else "passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
