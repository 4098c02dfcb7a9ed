#!/usr/bin/env python3
"""The Streaming Index live on a real broker, with a load generator beside it: what comes out, how late, and whether it is right.

    ./dev demo --kafka [--transactions N] [--rate R] [--seed S] [--brokers 1|3]

  --transactions N   transactions, plus their signals (default 60000)
  --rate R           records a second the generator sends (default 3000)
  --seed S           another seed, other records (default 1)
  --brokers N        brokers of the cluster (default 1)

Starts a Kafka cluster of its own on loopback, and stops all it has started. At the end the rows on the topic are compared with
those of a replay of the same records from files.
"""
import argparse
import collections
import contextlib
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/integration"))
import confluent_kafka  # noqa: E402
import it_stream  # noqa: E402
import kafka_server  # noqa: E402
import live  # noqa: E402
import recon  # noqa: E402

N_PARTITIONS = 4
TRACKED_MAX = 200000  # sending times that are kept for the latency


def parse_options():
    parser = argparse.ArgumentParser(prog="./dev demo --kafka", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--transactions", type=int, default=60000)
    parser.add_argument("--rate", type=int, default=3000, help="records a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1)
    options = parser.parse_args()
    if options.transactions < 1 or options.rate < 1:
        parser.error("--transactions and --rate want at least 1")
    return options


class Watch:
    """What goes in and comes out, counted by the threads that see it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.n_sent = self.n_rows = self.n_dead = 0
        self.sent_at = collections.OrderedDict()
        self.latencies = []
        self.stop = threading.Event()

    def sent(self, name):
        with self.lock:
            self.n_sent += 1
            if name is not None:
                self.sent_at[name] = time.monotonic()
                if len(self.sent_at) > TRACKED_MAX:
                    self.sent_at.popitem(last=False)

    def came(self, topic, key):
        now = time.monotonic()
        with self.lock:
            if topic.endswith(".dlq"):
                self.n_dead += 1
                return
            self.n_rows += 1
            began = self.sent_at.get(key.decode() if key else None)
            if began is not None:
                self.latencies.append(now - began)

    def line(self, begun):
        with self.lock:
            recent = sorted(self.latencies[-5000:])
        text = f"{time.monotonic() - begun:5.0f} s  sent {self.n_sent:8,}  rows {self.n_rows:8,}  dead letters {self.n_dead:5,}"
        if recent:
            text += f"  latency p50 {recent[len(recent) // 2] * 1000:5.0f} ms  p99 {recent[len(recent) * 99 // 100] * 1000:5.0f} ms"
        return text


def generate(watch, brokers, lake, rate):
    """Transactions and signals in the order of their times, at the rate. Latency is that of transactions: from the send to the row."""
    records = []
    for topic in ("transactions_topic", "fraud_signals_topic"):
        folder, key, field = live.INPUTS[topic]
        records += [(when, topic, name, line) for when, name, line in live.records_of(lake, folder, key, field)]
    records.sort(key=lambda record: record[0])
    to, begun = live.producer(brokers, **{"linger.ms": 1}), time.monotonic()
    for n, (_, topic, name, line) in enumerate(records):
        ahead = n / rate - (time.monotonic() - begun)
        if ahead > 0:
            time.sleep(ahead)
        if watch.stop.is_set():
            break
        watch.sent(name if topic == "transactions_topic" else None)
        live.send(to, topic, name, line)
    to.flush()


def listen(watch, brokers, topics):
    reader = confluent_kafka.Consumer({"bootstrap.servers": brokers, "group.id": "demo-reader", "auto.offset.reset": "earliest",
                                       "isolation.level": "read_committed", "topic.metadata.refresh.interval.ms": 1000, "log_level": 2,
                                       "allow.auto.create.topics": False})
    reader.subscribe(topics)
    while not watch.stop.is_set():
        for message in reader.consume(2000, 0.2):
            if message.error() is None:
                watch.came(message.topic(), message.key())
    reader.close()


def lag_of(brokers):
    topics = ("transactions_topic", "fraud_signals_topic")
    return sum(end - max(at, 0) for at, end in live.progress(brokers, "streaming-index", topics).values())


def show(watch, process, feeder, brokers):
    """A moving line on a terminal, a line each ten seconds elsewhere, until all that was sent is committed."""
    begun, last, moving = time.monotonic(), 0.0, sys.stdout.isatty()
    while process.poll() is None:
        time.sleep(1 if moving else 0.5)
        done = not feeder.is_alive() and lag_of(brokers) == 0
        if moving:
            print("\r\033[K" + watch.line(begun), end="", flush=True)
        elif time.monotonic() - last >= 10 or done:
            print(watch.line(begun), flush=True)
            last = time.monotonic()
        if done:
            break
    if moving:
        print()


def start(brokers, work):
    command = [recon.BIN / "streaming_index", "--config", ROOT / "configs/streaming_index.yaml", "--live", "--lake", work / "live",
               "--state-dir", work / "state", "--set", "backend=rocksdb", "--output-format", "json", "--quiet"]
    log = (work / "streaming_index.log").open("w")
    return subprocess.Popen([str(part) for part in command], env=recon.environment(KAFKA_BROKERS=brokers), stdout=subprocess.PIPE, stderr=log, text=True)


def wait_until_running(process, work):
    until = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < until:
        if (work / "streaming_index.log").read_text().count("event=task_running") >= N_PARTITIONS:
            return
        time.sleep(0.1)


def summarise(watch, summary, expected, brokers, work, rate):
    print(f"\nThe Streaming Index ran live, exactly once: {summary['records']:,} records, {summary['bad_records']:,} of them dead letters, "
          f"{summary['commits']:,} transactions, {summary['peak_memory_bytes'] >> 20} MiB")
    latencies = sorted(watch.latencies)
    if latencies:
        at = {name: latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1000 for name, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))}
        print(f"Latency from send to committed row at {rate:,} records/s: " + ", ".join(f"{name} {ms:.0f} ms" for name, ms in at.items()))
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        same = it_stream.compare(expected, live.committed(brokers, "streaming_index"))
    print("Compared with a replay of the same records from files: " + ("equal" if same else "DIFFERENT") + f" ({told.getvalue().splitlines()[0]})")
    print(f"The rows in the lake: {work / 'live/curated/streaming_index'}")
    return same


def main():
    options = parse_options()
    if not kafka_server.find():
        raise SystemExit("demo: Kafka or Java is not installed: tools/install.sh test")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    work = ROOT / ".demo/kafka"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    os.environ.setdefault("SOURCE_DIR", str(ROOT))
    print(f"making {options.transactions:,} transactions, and what a replay says of them", flush=True)
    recon.make_lake(work / "lake", options.transactions, 1, options.seed)
    expected = it_stream.replayed(work / "lake")
    print(f"starting Kafka, {options.brokers} broker{'s' * (options.brokers > 1)} on loopback", flush=True)
    watch = Watch()
    with kafka_server.running(n_brokers=options.brokers) as cluster:
        brokers = cluster.bootstrap
        live.make_topics(brokers, live.INPUTS, N_PARTITIONS)
        live.make_topics(brokers, ["streaming_index"], N_PARTITIONS)  # not compacted: every version is looked at
        live.feed(brokers, work / "lake", ("merchants_topic", "policies_topic"))
        process = start(brokers, work)
        threads = [threading.Thread(target=generate, args=(watch, brokers, work / "lake", options.rate), daemon=True),
                   threading.Thread(target=listen, args=(watch, brokers, ["streaming_index", "^.*[.]dlq$"]), daemon=True)]
        wait_until_running(process, work)
        for thread in threads:
            thread.start()
        try:
            show(watch, process, threads[0], brokers)
            time.sleep(1)
            process.terminate()
            out, _ = process.communicate(timeout=60)
        finally:
            watch.stop.set()
            process.kill()
            for thread in threads:
                thread.join(10)
        if process.returncode != 0:
            raise SystemExit(f"demo: streaming_index ended with {process.returncode}; its log: {work / 'streaming_index.log'}")
        same = summarise(watch, json.loads(out.splitlines()[-1]), expected, brokers, work, options.rate)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
