#!/usr/bin/env python3
"""Live jobs side by side on one real broker and the same preloaded topics: libstream, Kafka Streams 4.1, and bare librdkafka.

    ./dev bench --live [--size quick|small|large] [--runs N] [--jobs join,stateless] [--keep-lake]

  join       transactions left joined with their signals within 10 minutes (final results), merchants and policies looked up, users masked
  stateless  transactions parsed, filtered, projected, masked
  copy       the floor: consume, produce and transactions, no processing (of the transactions, by bench/peers/copy_loop)

All exactly once, one thread, commits every 100 ms. The rows of both sides are compared, each time. CPU seconds are those of the
process, from its start to its end (Java's start and compilation included); the broker runs on the same cores.
"""
import argparse
import collections
import json
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/integration"))
import confluent_kafka  # noqa: E402
import kafka_server  # noqa: E402
import live  # noqa: E402

BIN = ROOT / "build/bin"
PEER = ROOT / "bench/peers/kafka_streams"
JARS = ROOT / ".tools/kafka-streams"  # tools/install.sh puts them there
KEY = "0123456789abcdef0123456789abcdef"
SIZES = {"quick": (50000, 45000), "small": (500000, 450000), "large": (2000000, 1800000)}
N_PARTITIONS = 4
N_MERCHANTS = 2000
BEGIN_MS = 1772323200000  # 2026-03-01T00:00:00Z
BROKER_JAVA = ["-Xms1g", "-Xmx1g"]
STREAMS_JAVA = ["-Xms256m", "-Xmx1g", "-XX:+UseParallelGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]


def parse_options():
    parser = argparse.ArgumentParser(description="live jobs side by side")
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--jobs", default="join,stateless")
    parser.add_argument("--backends", default="memory,rocksdb")
    return parser.parse_args()


def instant(ms):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03d}Z"


def transaction(rng, i, ms):
    return {"transaction_id": f"txn-{i:010d}", "merchant_id": f"m-{rng.randrange(N_MERCHANTS * 21 // 20):05d}", "user_id": f"user-{rng.randrange(200000):06d}",
            "amount": f"{rng.randrange(1, 10000000) / 100:.2f}", "currency": rng.choice(("USD", "EUR", "GBP", "JPY")),
            "status": rng.choice(("PENDING", "APPROVED", "APPROVED", "DECLINED", "REFUNDED")), "timestamp": instant(ms)}


def load(brokers, n_transactions, n_signals):
    """1,000 transactions a second of event time; nine of ten get one score, seconds to minutes later. In order of time, and a day
    later one last record in each partition of both topics, so that every window closes."""
    rng = random.Random(1)
    to = live.producer(brokers, **{"partitioner": "murmur2_random", "batch.size": 1 << 20, "linger.ms": 20})
    for m in range(N_MERCHANTS):
        name = f"m-{m:05d}"
        live.send(to, "merchants", name, json.dumps({"merchant_id": name, "risk_level": rng.choice(("LOW", "MEDIUM", "HIGH"))}))
    for n, kind in enumerate(("KYC", "AML", "REGIONAL_LIMIT", "KYC")):
        name = f"p-{n}"
        live.send(to, "policies", name, json.dumps({"policy_id": name, "policy_type": kind, "active_flag": n != 3}))
    scored = []
    for i in range(n_transactions):
        ms = BEGIN_MS + i
        row = transaction(rng, i, ms)
        live.send(to, "transactions", row["transaction_id"], json.dumps(row), timestamp=ms)
        if i * n_signals // n_transactions != (i + 1) * n_signals // n_transactions:
            scored.append((ms + rng.randrange(1000, 300000), row["transaction_id"]))
    for n, (ms, name) in enumerate(sorted(scored)):
        row = {"fraud_signal_id": f"sig-{n:010d}", "transaction_id": name, "fraud_score": rng.randrange(1000) / 1000, "inference_time": instant(ms)}
        live.send(to, "signals", name, json.dumps(row), timestamp=ms)
    last = BEGIN_MS + 86400000
    for p in range(N_PARTITIONS):
        row = transaction(rng, n_transactions + p, last) | {"transaction_id": f"last-transaction-{p}"}
        live.send(to, "transactions", row["transaction_id"], json.dumps(row), timestamp=last, partition=p)
        row = {"fraud_signal_id": f"last-{p}", "transaction_id": f"last-signal-{p}", "fraud_score": 0.5, "inference_time": instant(last)}
        live.send(to, "signals", row["transaction_id"], json.dumps(row), timestamp=last, partition=p)
    to.flush()


def has_ended(pid):
    """Without taking its end away from wait4, which tells what it has used."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def peak_memory(pid):
    """KiB. Not from wait4: that counts what this program held when it forked."""
    try:
        return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])
    except (OSError, TypeError):
        return 0


def measured(command, until=None, **environment):
    """Wall seconds from start to done, CPU seconds and peak memory of the process. until: done when true, then SIGTERM."""
    with tempfile.TemporaryFile() as errors:
        started = time.monotonic()
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=errors,
                                   env={**os.environ, "RECON_MASK_KEY": KEY, **environment})
        peak = 0
        while not has_ended(process.pid) and (until is None or not until()):
            peak = peak_memory(process.pid) or peak
            time.sleep(0.1)
        seconds = time.monotonic() - started
        if until is not None:
            process.terminate()
        output = process.stdout.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in ((0,) if until is None else (0, 143)):
            errors.seek(0)
            raise SystemExit(f"FAILED: exit {process.returncode}: {' '.join(map(str, command))}\n{output[-2000:]}\n{errors.read().decode()[-4000:]}")
    if until is None:
        seconds = time.monotonic() - started
    return {"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime, "peak_mib": peak / 1024, "output": output}


class Bench:
    def __init__(self, cluster, scratch, options):
        self.brokers, self.scratch, self.n = cluster.bootstrap, pathlib.Path(scratch), 0
        self.classes = self.scratch / "classes"
        self.copy_loop = self.scratch / "copy_loop"
        self.rows = {}
        self.n_records = dict(zip(("transactions", "signals"), SIZES[options.size]))

    def compile(self):
        subprocess.run(["javac", "-nowarn", "-cp", f"{JARS}/*", "-d", self.classes, PEER / "StreamsPeer.java"], check=True)
        subprocess.run(["cc", "-O2", "-std=c11", "-D_DEFAULT_SOURCE", ROOT / "bench/peers/copy_loop/copy_loop.c", "-o", self.copy_loop, "-lrdkafka"], check=True)

    def topic(self, name):
        self.n += 1
        name = f"{name}-{self.n}"
        live.make_topics(self.brokers, [name], N_PARTITIONS)
        return name

    def all_committed(self, group, topics):
        """Whether the group has committed everything: control records and the last ones' own count for none."""
        return lambda: all(at >= end for at, end in live.progress(self.brokers, group, topics).values())

    def ours(self, job, backend):
        out = self.topic(f"ours-{job}")
        state = self.scratch / out
        state.mkdir()
        result = measured([BIN / "streamctl", "run", ROOT / f"bench/live/{job}.yaml", "--live", "--until-end", "--threads", "1", "--state-dir", state,
                           "--set", f"application_id={out}", "--set", f"output_topic={out}", *(("--set", f"backend={backend}") if job == "join" else ()),
                           "--output-format", "json", "--quiet"], KAFKA_BROKERS=self.brokers)
        return result, out

    def streams(self, job):
        out = self.topic(f"streams-{job}")
        topics = ("transactions", "signals") if job == "join" else ("transactions",)
        result = measured(["java", *STREAMS_JAVA, "-cp", f"{JARS}/*:{self.classes}", "StreamsPeer", job, self.brokers, out, self.scratch / out],
                          until=self.all_committed(out, topics), PEER_OUTPUT=out)
        return result, out

    def copy(self, topic):
        out = self.topic("copy")
        return measured([self.copy_loop, "copy", self.brokers, topic, out, N_PARTITIONS, 100, 512]), out

    def rows_of(self, topic):
        """The committed rows as a multiset; numbers are compared as numbers, and instants without the zeros at their end."""
        rows = collections.Counter()
        for _, _, key, value, _ in live.committed(self.brokers, topic):
            row = json.loads(value)
            row["event_time"] = row["event_time"].removesuffix("Z").ljust(20, ".").ljust(26, "0")
            rows[key, json.dumps(row, sort_keys=True)] += 1
        return rows


def report(name, runs, n_records, peer=None):
    seconds, cpu = statistics.median(r["seconds"] for r in runs), statistics.median(r["cpu"] for r in runs)
    peak = max(r["peak_mib"] for r in runs)
    line = {"seconds": seconds, "cpu_seconds": cpu, "us_per_record": cpu / n_records * 1e6, "records_per_second": n_records / seconds, "peak_mib": peak}
    text = f"{name:28} {seconds:7.1f} s {line['records_per_second']:10,.0f} records/s {cpu:8.2f} CPU s {line['us_per_record']:7.2f} us/record {peak:7.0f} MiB"
    if peer:
        line |= {"records_per_cpu_second_ratio": peer["us_per_record"] / line["us_per_record"], "memory_ratio": peak / peer["peak_mib"]}
        text += f"   {line['records_per_cpu_second_ratio']:5.1f} x Kafka Streams' records per CPU second, {line['memory_ratio']:.2f} of its memory"
    print(text, flush=True)
    return line


def check_equal(job, ours, streams):
    if ours != streams or not ours:
        differences = list((ours - streams).items())[:3], list((streams - ours).items())[:3]
        raise SystemExit(f"FAILED: {job}: the rows differ: {ours.total()} ours, {streams.total()} of Kafka Streams: {differences}")


def run_job(bench, job, backends, n_runs, results):
    """Kafka Streams with its stores on RocksDB: its join stores in memory look at every time of a window, and are slower."""
    n = sum(bench.n_records.values()) if job == "join" else bench.n_records["transactions"]
    sides = {side: [] for side in ("streams", *(backends if job == "join" else ("ours",)))}
    for _ in range(n_runs):
        result, out = bench.streams(job)
        sides["streams"].append(result)
        expected = bench.rows_of(out)
        for side in list(sides)[1:]:
            result, out = bench.ours(job, side)
            sides[side].append(result)
            check_equal(f"{job} {side}", bench.rows_of(out), expected)
    print(f"{job}: {expected.total():,} rows, equal")
    peer = report(f"{job}: Kafka Streams", sides.pop("streams"), n)
    results[job] = {"kafka_streams": peer}
    for side, runs in sides.items():
        name = "libstream" if side == "ours" else f"libstream, {side}"
        results[job][name] = report(f"{job}: {name}", runs, n, peer)


def main():
    options = parse_options()
    if not kafka_server.find() or not (JARS / "complete").exists():
        raise SystemExit("Kafka or Kafka Streams is not installed: tools/install.sh test")
    results = {"size": options.size}
    with tempfile.TemporaryDirectory() as scratch, kafka_server.running(java_options=BROKER_JAVA) as cluster:
        bench = Bench(cluster, scratch, options)
        bench.compile()
        live.make_topics(bench.brokers, ["transactions", "signals", "merchants", "policies"], N_PARTITIONS)
        load(bench.brokers, *SIZES[options.size])
        print(f"{bench.n_records['transactions']:,} transactions, {bench.n_records['signals']:,} signals", flush=True)
        copies = [bench.copy("transactions")[0] for _ in range(options.runs)]
        results["copy"] = report("copy: librdkafka alone", copies, bench.n_records["transactions"])
        for job in options.jobs.split(","):
            run_job(bench, job, options.backends.split(","), options.runs, results)
    print(json.dumps(results))


if __name__ == "__main__":
    sys.exit(main())
