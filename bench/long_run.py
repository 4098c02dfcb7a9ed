#!/usr/bin/env python3
"""A long live run: two processes index a steady load on a real broker, one of them is restarted again and again, by SIGTERM and by
kill -9 in turn, the other one stays (--come-and-go: both stay, and a third one comes and goes instead). Sampled: memory, descriptors and threads. Measured: the time from the producing of a record to
the reading of the committed row that it caused. Checked: every row, each once, in order. Text, and JSON in the last line.

A transaction is three records: an event, 10 ms later its signal, 10 ms later its next event; each makes one version of its row. So
every row is known beforehand, and no more than one byte a transaction is kept to check them all.
"""

import argparse
import collections
import contextlib
import datetime
import json
import multiprocessing
import os
import pathlib
import re
import signal
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/integration"))
import confluent_kafka
import kafka_server
import live
import recon

TICK_S = 0.01
N_PARTITIONS = 6
SETTLED_S = 20        # so long after a restart its effects are over
SAMPLE_S = 2
SESSION_MS = 10000
TOPIC = "long_run"
KINDS = {"SIGTERM": "SIGTERM and a new start", "SIGKILL": "SIGKILL and a new start", "came": "a process came", "went": "a process went"}
SPARE_DESCRIPTORS = 16  # connections to brokers come and go


def parse_options():
    parser = argparse.ArgumentParser(prog="./dev bench --long", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=int, default=5000, help="records a second")
    parser.add_argument("--restart-every", type=float, default=120, help="seconds")
    parser.add_argument("--come-and-go", action="store_true", help="each time a third process comes, or leaves, instead: two rebalances")
    parser.add_argument("--memory", default="1536MiB", help="budget of a process; window buffers are held in memory: 11 minutes of the load")
    parser.add_argument("--backend", choices=("rocksdb", "memory"), default="rocksdb")
    parser.add_argument("--standby", type=int, choices=(0, 1), default=0)
    parser.add_argument("--commit-interval", default="100ms")
    parser.add_argument("--logs", type=pathlib.Path, help="where the logs of the processes go")
    return parser.parse_args()


# ---- the load ----

def score(i):
    return (i * 37 % 1000) / 1000


def amount(i):
    return f"{i % 9000}.{i % 100:02d}"


def instant(us):
    return datetime.datetime.fromtimestamp(us / 1e6, datetime.timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def event(i, at, status):
    return json.dumps({"transaction_id": f"t{i}", "merchant_id": f"m_{i % 100:05d}", "user_id": f"u{i % 5000}", "amount": amount(i),
                       "currency": "EUR", "status": status, "timestamp": at})


def fraud_signal(i, at):
    return json.dumps({"fraud_signal_id": f"f{i}", "transaction_id": f"t{i}", "fraud_score": score(i), "model_version": "long", "inference_time": at})


def generate(brokers, n_transactions, per_tick, progress):
    """Ticks of 10 ms: what began at a tick goes on at the next two. Late ticks are made up for; event times are those of the clock."""
    to, begin = live.producer(brokers), time.monotonic()
    steps = (lambda i, at: ("transactions_topic", event(i, at, "PENDING")), lambda i, at: ("fraud_signals_topic", fraud_signal(i, at)),
             lambda i, at: ("transactions_topic", event(i, at, "APPROVED")))
    first, tick, batches, last_us = 0, 0, collections.deque([range(0), range(0)]), 0
    while first < n_transactions or any(batches):
        after = min(n_transactions, round((tick + 1) * per_tick))
        batches.append(range(first, after))
        first, tick = after, tick + 1
        time.sleep(max(0.0, begin + tick * TICK_S - time.monotonic()))
        last_us = max(last_us + 10, time.time_ns() // 1000)
        for step, batch in zip(steps, reversed(batches)):
            for i in batch:
                topic, line = step(i, instant(last_us))
                live.send(to, topic, f"t{i}", line)
        batches.popleft()
        progress.value = first
    if to.flush(120) != 0:
        raise SystemExit("FAILED: not all of the load could be sent")


# ---- the rows ----

class Rows:
    """What has been read: version by transaction, latencies in ms by the second in which the record was produced."""

    def __init__(self, n_transactions):
        self.versions, self.n, self.faults = bytearray(n_transactions), 0, []
        self.latencies = collections.defaultdict(collections.Counter)

    def add(self, value, now_ms):
        row = json.loads(value)
        i = int(row["transaction_id"][1:])
        version = self.versions[i] + 1
        expected = (version, "APPROVED" if version == 3 else "PENDING", score(i) if version > 1 else None)
        if (row["version"], row["status"], row["fraud_score"]) != expected or float(row["amount"]) != float(amount(i)):
            self.faults.append(f"expected {expected}, came {row}")
        self.versions[i] = min(version, 255)
        self.n += 1
        produced_ms = datetime.datetime.fromisoformat(row["stream_ingest_time"].replace("Z", "+00:00")).timestamp() * 1000
        self.latencies[int(produced_ms // 1000)][round(now_ms - produced_ms)] += 1


def read_rows(brokers, n_transactions, seen, stop, results):
    """Reads committed rows until all are there (and a little longer, for those that are one too many) or it is stopped."""
    reader = confluent_kafka.Consumer({"bootstrap.servers": brokers, "group.id": "long-run-reader", "isolation.level": "read_committed",
                                       "enable.auto.commit": False, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 50})
    reader.assign([confluent_kafka.TopicPartition(TOPIC, p, 0) for p in range(N_PARTITIONS)])
    rows, complete = Rows(n_transactions), None
    while not stop.is_set() and (complete is None or time.monotonic() - complete < 3):
        messages = reader.consume(5000, 0.005)
        now_ms = time.time() * 1000
        for message in messages:
            if message.error() is None:
                rows.add(message.value(), now_ms)
        seen.value = rows.n
        if rows.n >= 3 * n_transactions and complete is None:
            complete = time.monotonic()
    reader.close()
    incomplete = sum(version != 3 for version in rows.versions)
    results.put({"rows": rows.n, "incomplete": incomplete, "faults": len(rows.faults), "first_faults": rows.faults[:3],
                 "latencies": {second: dict(counter) for second, counter in rows.latencies.items()}})


# ---- the processes ----

class Indexer:
    def __init__(self, brokers, scratch, name, options, is_static=True):
        self.brokers, self.state, self.name, self.options = brokers, pathlib.Path(scratch, f"state-{name}"), name, options
        settings = {"backend": options.backend, "memory": options.memory, "application_id": "long-run", "output_topic": TOPIC, **({"instance_id": name} if is_static else {}),
                    "commit_interval": options.commit_interval, "session_timeout_ms": SESSION_MS, "standby_replicas": options.standby}
        self.arguments = ("--threads", 1, *(part for setting, value in settings.items() for part in ("--set", f"{setting}={value}")))
        self.log = open((options.logs or pathlib.Path(scratch)) / f"{name}.log", "a")  # noqa: SIM115 - as long as the process
        self.samples = []  # of all its lives: (seconds, life, resident MiB, descriptors, threads, open files of the state)
        self.lives = 0
        self.start()

    def start(self):
        self.lives += 1
        self.process = live.start(self.brokers, self.state, *self.arguments, stderr=self.log)

    def sample(self, seconds):
        base = pathlib.Path("/proc", str(self.process.pid))
        try:
            status = (base / "status").read_text()
            descriptors, files = self.count_descriptors(base / "fd")
        except OSError:
            return
        fields = {name: int(value) for name, value in re.findall(r"^(VmRSS|Threads):\s+(\d+)", status, re.MULTILINE)}
        if "VmRSS" in fields:
            self.samples.append((seconds, self.lives, fields["VmRSS"] / 1024, descriptors, fields["Threads"], files))

    def count_descriptors(self, folder):
        """(descriptors, those of files of the state, whose number goes with its size up to RocksDB's bound, left out of the first)"""
        names = []
        for descriptor in os.listdir(folder):
            with contextlib.suppress(OSError):
                names.append(os.readlink(folder / descriptor))
        n_files = sum(name.startswith(str(self.state)) for name in names)
        return len(names) - n_files, n_files

    def end(self, number):
        self.process.send_signal(number)
        self.process.communicate(timeout=120)
        if self.process.returncode != (0 if number == signal.SIGTERM else -number):
            raise SystemExit(f"FAILED: {self.name} ended with {self.process.returncode}")

    def usage(self):
        """Peaks over all lives, and whether the last third of the samples is above the first of the settled ones."""
        settled = [s for s in self.samples if s[0] > SETTLED_S]
        third = max(1, len(settled) // 3)
        parts = settled[:third], settled[third:2 * third], settled[-third:]
        resident, descriptors, threads, files = ([[s[k] for s in part] for part in parts] for k in (2, 3, 4, 5))
        return {"lives": self.lives, "peak_resident_mib": round(max(s[2] for s in self.samples), 1),
                "resident_mib_by_third": [round(statistics.median(part), 1) for part in resident],
                "descriptors_by_third": [max(part) for part in descriptors], "threads_by_third": [max(part) for part in threads],
                "state_files_by_third": [max(part) for part in files]}


def mib(text):
    number, unit = re.fullmatch(r"(\d+)\s*([KMG]iB)", text).groups()
    return int(number) * {"KiB": 1 / 1024, "MiB": 1, "GiB": 1024}[unit]


# ---- the report ----

def quantiles(counters):
    """p50, p99, p99.9 and the largest, in ms, of Counters of ms."""
    total = collections.Counter()
    for counter in counters:
        total.update(counter)
    n, left, found = total.total(), [0.5, 0.99, 0.999, 1.0], {}
    passed = 0
    for ms in sorted(total):
        passed += total[ms]
        while left and passed >= left[0] * n:
            found[f"p{left.pop(0) * 100:g}_ms"] = ms
    return {"records": n, **found}


def latencies_of(result, restarts, begin):
    by_second = {second: collections.Counter({int(ms): n for ms, n in counter.items()}) for second, counter in result["latencies"].items()}
    disturbed = {second for at, _ in restarts for second in range(int(at), int(at + SETTLED_S))}
    start = {second for second in range(int(begin), int(begin + SETTLED_S))}
    report = {"all": quantiles([c for s, c in by_second.items() if s not in start]),
              "undisturbed": quantiles([c for s, c in by_second.items() if s not in disturbed | start])}
    for kind in KINDS:
        worst = [max((max(by_second[s]) for s in range(int(at), int(at + SETTLED_S)) if s in by_second), default=0) for at, name in restarts if name == kind]
        if worst:
            report[f"worst_after_{kind}_ms"] = {"median": round(statistics.median(worst)), "largest": max(worst), "restarts": len(worst)}
    return report


def faults_of(report, options):
    faults, rows = [], report["rows"]
    if rows["incomplete"] or rows["faults"] or rows["rows"] != rows["expected"]:
        faults.append(f"rows: {rows}")
    for name, usage in report["processes"].items():
        if usage["peak_resident_mib"] > mib(options.memory):
            faults.append(f"{name} took {usage['peak_resident_mib']} MiB of {options.memory}")
        for what in ("descriptors", "threads"):
            first, _, last = usage[f"{what}_by_third"]
            if last > first + SPARE_DESCRIPTORS:
                faults.append(f"{name}: {what} grew from {first} to {last}")
    return faults


def print_report(report, faults):
    rows, all_of, calm = report["rows"], report["latency"]["all"], report["latency"]["undisturbed"]
    print(f"{report['minutes']:g} minutes at {report['rate']} records/s, {report['restarts']} restarts: {rows['rows']} rows of {rows['expected']}, "
          f"{rows['faults']} wrong, {rows['incomplete']} transactions not complete")
    for name, values in (("all", all_of), ("undisturbed", calm)):
        print(f"  produced to committed, {name:11}  p50 {values['p50_ms']} ms  p99 {values['p99_ms']} ms  p99.9 {values['p99.9_ms']} ms  largest {values['p100_ms']} ms")
    for kind in KINDS:
        worst = report["latency"].get(f"worst_after_{kind}_ms")
        if worst:
            print(f"  longest wait after {KINDS[kind]}: median {worst['median']} ms, largest {worst['largest']} ms, of {worst['restarts']}")
    for name, usage in report["processes"].items():
        print(f"  {name:9} {usage['lives']} lives, resident MiB by third {usage['resident_mib_by_third']}, peak {usage['peak_resident_mib']}, "
              f"descriptors {usage['descriptors_by_third']}, threads {usage['threads_by_third']}, "
              f"open files of the state {usage['state_files_by_third']}")
    for fault in faults:
        print(f"  FAILED: {fault}")


def restart(indexer, n):
    number = (signal.SIGTERM, signal.SIGKILL)[n % 2]
    indexer.end(number)
    indexer.start()
    return number.name


def disturb(indexers, n, make_guest):
    """A third process comes, the next time it goes, then it comes again."""
    if n == 0:
        indexers.append(make_guest())
    elif n % 2 == 1:
        indexers[2].end(signal.SIGTERM)
    else:
        indexers[2].start()
    return ("came", "went")[n % 2]


def run(options, scratch, cluster, stack):
    brokers = cluster.bootstrap
    lake = pathlib.Path(scratch, "lake")
    recon.make_lake(lake, 1000, 1, 1)  # for its merchants and policies
    live.make_topics(brokers, [*live.INPUTS, TOPIC], N_PARTITIONS)
    live.feed(brokers, lake, ("merchants_topic", "policies_topic"))
    n_transactions = int(options.minutes * 60 * options.rate / 3)
    sent, seen, stop, results = multiprocessing.Value("q"), multiprocessing.Value("q"), multiprocessing.Event(), multiprocessing.Queue()
    reader = multiprocessing.Process(target=read_rows, args=(brokers, n_transactions, seen, stop, results), daemon=True)
    load = multiprocessing.Process(target=generate, args=(brokers, n_transactions, options.rate / 3 * TICK_S, sent), daemon=True)
    indexers = [Indexer(brokers, scratch, name, options) for name in ("stays", "restarts")]
    stack.callback(lambda: [indexer.process.kill() for indexer in indexers])
    reader.start()
    time.sleep(5)  # both have their tasks
    load.start()
    begin_clock, begin = time.time(), time.monotonic()
    restarts, next_restart, until = [], begin + options.restart_every, None
    while True:
        now = time.monotonic()
        for indexer in indexers:
            indexer.sample(now - begin)
        if load.is_alive() and now >= next_restart:
            what = disturb(indexers, len(restarts), lambda: Indexer(brokers, scratch, "guest", options, is_static=False)) if options.come_and_go \
                else restart(indexers[1], len(restarts))
            restarts.append((time.time() - (time.monotonic() - now), what))
            next_restart += options.restart_every
            print(f"  {now - begin:6.0f} s: {what}; sent {3 * sent.value}, committed {seen.value}, resident "
                  + ", ".join(f"{i.name} {i.samples[-1][2]:.0f} MiB" for i in indexers if i.samples), flush=True)
        if indexers[0].process.poll() is not None:
            raise SystemExit(f"FAILED: the process that stays has ended with {indexers[0].process.returncode}: its log says why (--logs)")
        if not load.is_alive():
            until = until or now + 120
            if not reader.is_alive() or not results.empty() or now > until:
                break
        time.sleep(SAMPLE_S)
    if load.exitcode != 0:
        raise SystemExit("FAILED: the load ended early")
    stop.set()
    result = results.get(timeout=60)
    for indexer in indexers:
        if indexer.process.poll() is None:
            indexer.end(signal.SIGTERM)
    return {"minutes": options.minutes, "rate": options.rate, "backend": options.backend, "memory": options.memory, "restarts": len(restarts),
            "rows": {"expected": 3 * n_transactions, **{k: v for k, v in result.items() if k != "latencies"}},
            "latency": latencies_of(result, restarts, begin_clock), "processes": {i.name: i.usage() for i in indexers}}


def main():
    options = parse_options()
    if not kafka_server.find():
        sys.exit("Kafka or Java is not installed (tools/install.sh test)")
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, kafka_server.running() as cluster, contextlib.ExitStack() as stack:
        report = run(options, scratch, cluster, stack)
    faults = faults_of(report, options)
    print_report(report, faults)
    print(json.dumps(report))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
