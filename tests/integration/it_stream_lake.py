#!/usr/bin/env python3
"""The lake live, on a real broker: S3 with crashes between all steps of publishing, rows that wait when their process dies, the
batch reconciliation over a live lake, tables whose rows change and go, and what is refused. usage: it_stream_lake.py [case...]"""

import json
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import confluent_kafka
import duckdb
import it_stream
import kafka_server
import live
import recon
import s3_server

POINTS = ("stream.lake_staged_one", "stream.lake_named", "stream.committed", "stream.lake_published_one") # all: it_stream_crash.py

TABLE = """
libstream: 1
name: accounts
runtime: { commit_interval: 10ms, parity: "off" }
kafka: { application_id: "%(name)s", instance_id: one }
schemas:
  event: { key: id, time: seen, fields: { id: string, seen: timestamp, kind: string, n: int64, open: bool } }
sources:
  events: { schema: event, live: { kafka: "%(topic)s", idle_after: 100ms }, replay: { files: "raw/*.jsonl", format: json } }
steps:
  newest: { from: events, latest: { by: seen, store: newest, emit: final } }
  kept: { from: newest, filter: open }
sinks:
  accounts: { from: kept, lake: { path: "accounts/kind={kind}", format: parquet, keep: last%(roll)s } }
"""

# docs/LIVE.md has this query
VIEW = """
SELECT * EXCLUDE (_seq, _deleted, newest) FROM (
  SELECT *, row_number() OVER (PARTITION BY id ORDER BY _seq DESC) AS newest FROM read_parquet('%s/accounts/*/*.parquet', hive_partitioning = false))
WHERE newest = 1 AND NOT _deleted ORDER BY id"""


COLUMNS = "id, CAST(seen AS VARCHAR) AS seen, kind, n, open"


class Scene:
    """A broker with the inputs of a small lake, and what a replay makes of them."""

    def __init__(self, scratch, cluster, transactions=3000):
        self.scratch, self.brokers = pathlib.Path(scratch), cluster.bootstrap
        self.lake = self.scratch / "lake"
        recon.make_lake(self.lake, transactions, 2, 7)
        self.raw = self.scratch / "raw"
        shutil.copytree(self.lake, self.raw)
        live.make_topics(self.brokers, live.INPUTS, it_stream.N_PARTITIONS)
        live.feed(self.brokers, self.lake)
        self.expected = it_stream.replayed(self.lake)

    def options(self, name, lake, *more):
        live.make_topics(self.brokers, [name], it_stream.N_PARTITIONS)
        return ("--set", f"application_id={name}", "--set", f"output_topic={name}", "--set", f"late_topic={name}-late", "--lake", lake,
                "--set", "commit_interval=10ms", "--set", "instance_id=one", "--batch-rows", 256, *more)

    def compare(self, name, lake):
        good = it_stream.compare(self.expected, live.committed(self.brokers, name), quiet=True)
        return it_stream.compare_lake(self.expected, live.committed(self.brokers, f"{name}-late"), lake, quiet=True) and good


def on_s3(scene):
    """Killed at each step, finished on another host (another state and work directory): the bucket has each row once."""
    program = s3_server.find()
    if program is None:
        print("skipped: versitygw is not installed (tools/install.sh)")
        return True
    good, store = True, scene.scratch / "store"
    with s3_server.running(program, str(store)) as reach:
        for point in POINTS:
            name = "s3-" + point.replace(".", "-").replace("_", "-")
            options = scene.options(name, f"s3://{s3_server.BUCKET}/{name}", "--set", "roll_every=100ms", "--set", "roll_size=64KiB")
            hosts = [(scene.scratch / f"{name}-{host}", {**reach, "TMPDIR": str(scene.scratch / f"{name}-{host}-tmp")}) for host in "ab"]
            for _, env in hosts:
                pathlib.Path(env["TMPDIR"]).mkdir()
            crash = live.start(scene.brokers, hosts[0][0], "--until-end", *options, LS_FAULT=f"{point}:2", **hosts[0][1])
            _, errors = crash.communicate(timeout=120)
            if crash.returncode != -signal.SIGKILL:
                print(f"{point}: the crash did not come (exit {crash.returncode})\n{errors[-1500:]}")
                return False
            live.run(scene.brokers, hosts[1][0], *options, **hosts[1][1])
            same = scene.compare(name, store / s3_server.BUCKET / name)
            print(f"s3 {point}: {'same' if same else 'DIFFERENT'}")
            good = good and same
    return good


def waiting_rows(scene):
    """All rows are committed, none is published, the process dies: another one, with nothing but the lake's root, publishes them."""
    lake = scene.scratch / "waiting"
    options = scene.options("waiting", lake, "--set", "roll_every=1h")
    first = live.start(scene.brokers, scene.scratch / "waiting-a", *options, stderr=subprocess.DEVNULL)
    until, n_inputs = time.monotonic() + 60, ("transactions_topic", "fraud_signals_topic")
    while any(at < end - 50 for at, end in live.progress(scene.brokers, "waiting", n_inputs).values()):
        assert time.monotonic() < until and first.poll() is None, "the first process does not come to the end"
        time.sleep(0.2)
    first.kill()
    first.wait()
    before = len(it_stream.rows_of(lake)[0])
    summary = live.run(scene.brokers, scene.scratch / "waiting-b", *options)
    left = list((lake / "_staging").glob("*")) if (lake / "_staging").exists() else []
    print(f"waiting rows: {before} seen before, {summary['lake_rows']} published after in {summary['lake_files']} files, stages {left}")
    return before == 0 and summary["lake_rows"] > 0 and scene.compare("waiting", lake)


def trimmed_log(scene):
    """What is published is deleted from the log: of the run before, all but the last cut and what is told after it."""
    reader = confluent_kafka.Consumer({"bootstrap.servers": scene.brokers, "group.id": "trimmed"})
    kept = {}
    for p in reader.list_topics("waiting-streaming_index-lake", 30).topics["waiting-streaming_index-lake"].partitions:
        low, high = reader.get_watermark_offsets(confluent_kafka.TopicPartition("waiting-streaming_index-lake", p), 30)
        kept[p] = (low, high)
    reader.close()
    print(f"log after an orderly stop: {kept}")
    return all(0 < low and high - low <= 4 for low, high in kept.values())  # cut, its commit marker, published, its marker


def at_least_once(scene):
    """Without transactions rows may be there twice after a crash, and none is missing."""
    good = True
    for point in ("stream.flushed", "stream.lake_named", "stream.lake_published_one"):
        name = "alo-" + point.replace(".", "-").replace("_", "-")
        lake = scene.scratch / name
        options = scene.options(name, lake, "--set", "roll_every=100ms", "--set", "roll_size=64KiB", "--set", "processing=at_least_once")
        live.start(scene.brokers, scene.scratch / f"{name}-state", "--until-end", *options, LS_FAULT=f"{point}:2",
                   stderr=subprocess.DEVNULL).wait(120)
        live.run(scene.brokers, scene.scratch / f"{name}-state", *options)
        rows, repeated = it_stream.rows_of(lake)
        missing = {key[0] for key in scene.expected} - {key[0] for key in rows}
        print(f"at least once, {point}: {len(missing)} of {len({key[0] for key in scene.expected})} transactions missing, {repeated} rows twice")
        good = good and not missing
    return good


def batch_over_it(scene):
    """The batch reconciliation over a lake that was written live makes the tables that it makes over a replayed one."""
    lake = scene.scratch / "both"
    shutil.copytree(scene.raw, lake)
    live.run(scene.brokers, scene.scratch / "both-state", *scene.options("both", lake, "--set", "roll_size=32KiB", "--set", "roll_every=100ms"))
    if not scene.compare("both", lake):
        return False
    for at in (scene.lake, lake):
        for date in recon.dates(2):
            recon.batch(at, date)
    tables = ("curated/batch_index", "final")
    files = [{k: v for k, v in recon.published(at).items() if k.startswith(tables)} for at in (scene.lake, lake)]
    wrong = recon.differences(*files)
    print(f"batch over the live lake: {len(files[0])} files, {f'different: {wrong[:5]}' if wrong else 'the same'}")
    return len(files[0]) > 0 and not wrong


def events(n, seed):
    chance = random.Random(seed)
    for i in range(n):
        at = f"2026-03-01T{i // 3600:02d}:{i // 60 % 60:02d}:{i % 60:02d}Z"
        yield {"id": f"a{chance.randrange(n // 8)}", "seen": at, "kind": chance.choice("xyz"), "n": i, "open": chance.random() < 0.7}


def tables(scene):
    """A table whose rows change, move between partitions and go: the view over its live files is the table of the replay."""
    lines = [json.dumps(event) for event in events(6000, 3)]
    replay, lake = scene.scratch / "t-replay", scene.scratch / "t-live"
    (replay / "raw").mkdir(parents=True)
    (replay / "raw/events.jsonl").write_text("\n".join(lines) + "\n")
    live.make_topics(scene.brokers, ["t-events"], 3)
    to = live.producer(scene.brokers)
    for line in lines:
        live.send(to, "t-events", json.loads(line)["id"], line)
    assert to.flush(30) == 0
    config = scene.scratch / "t.yaml"
    config.write_text(TABLE % {"name": "t", "topic": "t-events", "roll": ", roll: { every: 100ms, size: 16KiB }"})
    recon.run(recon.BIN / "streamctl", "run", config, "--lake", replay)
    command = [recon.BIN / "streamctl", "run", config, "--live", "--until-end", "--lake", lake, "--batch-rows", 128, "--quiet"]
    env = recon.environment(KAFKA_BROKERS=scene.brokers)
    for fault in ("stream.lake_staged_one:3", "stream.lake_named:2", "stream.lake_published_one:5"):
        recon.run(*command, env={**env, "LS_FAULT": fault}, check=False)
    recon.run(*command, env=env)
    expected = duckdb.sql(f"SELECT {COLUMNS} FROM read_parquet('{replay}/accounts/*/*.parquet', hive_partitioning = false) ORDER BY id").fetchall()
    found = duckdb.sql(f"SELECT {COLUMNS} FROM ({VIEW % lake})").fetchall()
    changes, gone = duckdb.sql(f"SELECT count(*), count(*) FILTER (_deleted) FROM read_parquet('{lake}/accounts/*/*.parquet')").fetchall()[0]
    print(f"table: {len(found)} rows of {changes} changes, {gone} of them deletions, expected {len(expected)}, the same {found == expected}")
    return found == expected and gone > 0 and changes > len(found)


def refusals(scene):
    """What can't be done says so, and ends before anything is read."""
    good = True
    config = scene.scratch / "r.yaml"
    topology = {"name": "r", "topic": "t-events", "roll": ""}

    def refused(words, code, *options, **more):
        config.write_text(TABLE % {**topology, **more})
        done = recon.run(recon.BIN / "streamctl", "run", config, "--live", "--until-end", "--quiet", *options, check=False,
                         env=recon.environment(KAFKA_BROKERS=scene.brokers))
        fine = done.returncode == code and words in done.stderr
        print(f"refused: {words!r}: {fine or done.stderr[-600:]}")
        return fine

    good = refused("or its lake `roll: {}`", 2, "--lake", scene.scratch / "r") and good
    good = refused("say which one (--lake ROOT)", 2, roll=", roll: {}") and good
    # rows wait, and the next topology has other columns
    config.write_text(TABLE % {**topology, "roll": ", roll: { every: 1h }"})
    command = [recon.BIN / "streamctl", "run", config, "--live", "--until-end", "--lake", scene.scratch / "r", "--quiet"]
    recon.run(*command, env=recon.environment(KAFKA_BROKERS=scene.brokers, LS_FAULT="stream.lake_staged_one"), check=False)
    other = (TABLE % {**topology, "roll": ", roll: { every: 1h }"}).replace("filter: open }", "filter: open }\n  more: { from: kept, extend: { m: n } }")
    config.write_text(other.replace("accounts: { from: kept", "accounts: { from: more"))
    done = recon.run(*command, check=False, env=recon.environment(KAFKA_BROKERS=scene.brokers))
    fine = done.returncode == 2 and "rows of another form wait in topic r-accounts-lake" in done.stderr
    print(f"refused: rows of another form: {fine or done.stderr[-600:]}")
    return good and fine


CASES = (on_s3, waiting_rows, trimmed_log, at_least_once, batch_over_it, tables, refusals)


def main():
    kafka_server.need()
    failed = 0
    with tempfile.TemporaryDirectory() as scratch, kafka_server.running() as cluster:
        scene = Scene(scratch, cluster)
        for case in CASES:
            if len(sys.argv) > 1 and case.__name__ not in sys.argv[1:]:
                continue
            failed += not case(scene)
    print("FAILED" if failed else "passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
