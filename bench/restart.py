#!/usr/bin/env python3
"""How long it takes until a process that was lost is made up for, with many keys in its state: killed by kill -9 and started again,
with its directory and without, or another process takes over, with standbys and without. On a real broker, under a light load whose
first committed row tells that processing goes on. Text, and JSON in the last line.
"""

import argparse
import json
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/integration"))
import confluent_kafka
import kafka_server
import live
import long_run
import recon

N_PARTITIONS = 6
SESSION_MS = 6000
TOPIC = "restart"
FIRST_US = 1772323200000000  # 2026-03-01
BUILD_DAYS = 1  # event time of the keys that are there before: a few in each window
LOAD_TICK_S, LOAD_PER_TICK = 0.05, 25  # 500 transactions a second
PATIENCE_S = 300
STARTED = []  # processes, to be ended whatever happens


def parse_options():
    parser = argparse.ArgumentParser(prog="./dev bench --restart", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=1000000)
    parser.add_argument("--memory", default="2GiB", help="budget of a process")
    parser.add_argument("--logs", type=pathlib.Path, help="where the logs of the processes go")
    return parser.parse_args()


def send_transaction(to, i, us):
    """An event and its signal."""
    live.send(to, "transactions_topic", f"t{i}", long_run.event(i, long_run.instant(us), "PENDING"))
    live.send(to, "fraud_signals_topic", f"t{i}", long_run.fraud_signal(i, long_run.instant(us + 10000)))


def fill(brokers, n_keys):
    """The keys of the state; returns the event time that is reached."""
    to, step_us = live.producer(brokers), BUILD_DAYS * 86400 * 1000000 // n_keys
    for i in range(n_keys):
        send_transaction(to, i, FIRST_US + i * step_us)
    if to.flush(300) != 0:
        raise SystemExit("FAILED: the keys could not be sent")
    return FIRST_US + n_keys * step_us


class Load(threading.Thread):
    """New transactions, a few a second, until it is stopped."""

    def __init__(self, brokers, first, us):
        super().__init__(daemon=True)
        self.to, self.first, self.us, self.stopping = live.producer(brokers), first, us, threading.Event()

    def run(self):
        while not self.stopping.wait(LOAD_TICK_S):
            for i in range(self.first, self.first + LOAD_PER_TICK):
                self.us += 2000
                send_transaction(self.to, i, self.us)
            self.first += LOAD_PER_TICK
        self.to.flush(30)


class Rows(threading.Thread):
    """When committed rows came, by partition."""

    def __init__(self, brokers):
        super().__init__(daemon=True)
        self.reader = confluent_kafka.Consumer({"bootstrap.servers": brokers, "group.id": "restart-reader", "isolation.level": "read_committed",
                                                "enable.auto.commit": False, "fetch.wait.max.ms": 20})
        self.reader.assign([confluent_kafka.TopicPartition(TOPIC, p, confluent_kafka.OFFSET_END) for p in range(N_PARTITIONS)])
        self.came, self.stopping = [], threading.Event()  # (monotonic, partition)

    def run(self):
        while not self.stopping.is_set():
            partitions = {message.partition() for message in self.reader.consume(10000, 0.02) if message.error() is None}
            self.came += [(time.monotonic(), p) for p in partitions]
        self.reader.close()

    def first_after(self, begin, partitions):
        """Of each of the partitions the first row after begin; waits for the last of them: (first, last)."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            firsts = {}
            for at, p in self.came:
                if at > begin and p in partitions:
                    firsts.setdefault(p, at)
            if firsts.keys() == partitions:
                return min(firsts.values()), max(firsts.values())
            time.sleep(0.02)
        raise SystemExit(f"FAILED: no rows of all of {sorted(partitions)} within {PATIENCE_S} s")


class Indexer:
    def __init__(self, options, brokers, scratch, name, backend, standby=0):
        self.brokers, self.state = brokers, pathlib.Path(scratch, f"state-{name}")
        settings = {"backend": backend, "memory": options.memory, "application_id": "restart", "output_topic": TOPIC, "instance_id": name,
                    "session_timeout_ms": SESSION_MS, "standby_replicas": standby}
        self.arguments = ("--threads", 1, *(part for setting, value in settings.items() for part in ("--set", f"{setting}={value}")))
        self.log = live.Log((options.logs or pathlib.Path(scratch)) / f"{name}.log")
        self.process = None

    def start(self, *more):
        self.process = live.start(self.brokers, self.state, *self.arguments, *more)
        STARTED.append(self.process)
        self.log.follow(self.process.stderr)
        return time.monotonic()

    def end(self, number):
        self.process.send_signal(number)
        self.process.stdout.read()
        self.process.wait(120)
        self.log.close()

    def since(self, begin, name):
        return [(at, fields) for at, event, fields in self.log.events if at >= begin and event == name]

    def running(self, begin=0):
        return {fields["task"] for _, fields in self.since(begin, "task_running")}

    def wait(self, what, condition):
        until = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > until or self.process.poll() is not None:
                raise SystemExit(f"FAILED: {what} (exit {self.process.poll()})")
            time.sleep(0.05)

    def resident_mib(self):
        text = pathlib.Path("/proc", str(self.process.pid), "status").read_text()
        return round(int(re.search(r"VmHWM:\s+(\d+)", text)[1]) / 1024)


def partitions_of(tasks):
    return {int(task.split("_")[1]) for task in tasks}


def measured(indexer, begin, tasks, rows, lost=None):
    """From begin until all the tasks process again. lost: when their process died, if that was not the beginning."""
    first, last = rows.first_after(lost or begin, partitions_of(tasks))
    running = [(at, fields) for at, fields in indexer.since(begin, "task_running") if fields["task"] in tasks]
    restoring = [at for at, fields in indexer.since(begin, "restoring") if fields["task"] in tasks]
    restored = sum(int(fields["restored_records"]) for _, fields in running)
    seconds = max(at for at, _ in running) - min(restoring) if restoring else 0.0
    return {"first_row_s": round(first - begin, 2), "all_tasks_rows_s": round(last - begin, 2), "restored_records": restored,
            "restore_s": round(seconds, 2), "restored_per_s": round(restored / seconds) if restored > 100000 else None, "peak_mib": indexer.resident_mib()}


class Bench:
    def __init__(self, options, scratch, cluster):
        self.options, self.scratch, self.brokers, self.report = options, scratch, cluster.bootstrap, {}

    def indexer(self, name, *more):
        return Indexer(self.options, self.brokers, self.scratch, name, *more)

    def tell(self, name, result):
        self.report[name] = result
        rate = f"{result['restored_per_s']:,} records/s" if result["restored_per_s"] else ""
        print(f"{name:44} first row {result['first_row_s']:7.2f} s, all tasks {result['all_tasks_rows_s']:7.2f} s; restored {result['restored_records']:>9,} "
              f"in {result['restore_s']:6.2f} s {rate}; peak {result['peak_mib']} MiB", flush=True)

    def build(self, n_keys):
        begin = time.monotonic()
        us = fill(self.brokers, n_keys)
        print(f"{n_keys} keys sent in {time.monotonic() - begin:.0f} s", flush=True)
        one = self.indexer("one", "rocksdb")
        begin = one.start("--until-end")
        out = one.process.stdout.read()
        if one.process.wait(60) != 0:
            raise SystemExit("FAILED: the state could not be built")
        print(f"{json.loads(out.splitlines()[-1])['records']} records processed in {time.monotonic() - begin:.0f} s", flush=True)
        return us

    def restarts(self, backend, rows):
        """Alone in the group: it comes back at once, under its name."""
        one = self.indexer("one", backend)
        one.start()
        one.wait("not all tasks run", lambda: len(one.running()) == N_PARTITIONS)
        for name in ("restart, directory kept", "restart, directory deleted") if backend == "rocksdb" else ("restart",):
            time.sleep(5)
            tasks = one.running()
            one.end(signal.SIGKILL)
            if "deleted" in name:
                shutil.rmtree(one.state)
            time.sleep(1)
            self.tell(f"{backend}: {name}", measured(one, one.start(), tasks, rows))
        one.end(signal.SIGTERM)
        time.sleep(SESSION_MS / 1000 + 1)  # its name is free for other settings at once, its partitions for others after the session

    def take_over(self, backend, standby, rows):
        """Of two processes one is killed; the other hears of it when the session of the first has run out."""
        one, two = (self.indexer(name, backend, standby) for name in ("one", "two"))
        one.start()
        one.wait("not all tasks run", lambda: len(one.running()) == N_PARTITIONS)
        begin = two.start()
        two.wait("the second has no tasks", lambda: len(two.running(begin)) == N_PARTITIONS // 2)
        tasks = {f"0_{p}" for p in range(N_PARTITIONS)} - two.running(begin)
        if standby:
            two.wait("no copies", lambda: tasks <= {fields["task"] for _, fields in two.since(begin, "standby_ready")})
        time.sleep(5)
        one.end(signal.SIGKILL)
        lost = time.monotonic()
        two.wait("nobody takes over", lambda: tasks <= two.running(lost))
        assigned = two.since(lost, "revoked")[-1][0]
        result = measured(two, assigned, tasks, rows, assigned)
        self.tell(f"{backend}: taken over, {standby} standbys", {**result, "session_s": round(assigned - lost, 2)})
        two.end(signal.SIGTERM)
        for indexer in (one, two):
            shutil.rmtree(indexer.state, ignore_errors=True)
        time.sleep(SESSION_MS / 1000 + 1)

    def run(self):
        lake = pathlib.Path(self.scratch, "lake")
        recon.make_lake(lake, 1000, 1, 1)  # for its merchants and policies
        live.make_topics(self.brokers, [*live.INPUTS, TOPIC], N_PARTITIONS)
        live.feed(self.brokers, lake, ("merchants_topic", "policies_topic"))
        us = self.build(self.options.keys)
        load, rows = Load(self.brokers, self.options.keys, us), Rows(self.brokers)
        load.start()
        rows.start()
        for backend in ("rocksdb", "memory"):
            self.restarts(backend, rows)
        for backend in ("rocksdb", "memory"):
            for standby in (0, 1):
                self.take_over(backend, standby, rows)
        for thread in (load, rows):
            thread.stopping.set()
            thread.join()
        return {"keys": self.options.keys, "memory": self.options.memory, "session_ms": SESSION_MS, "cases": self.report}


def main():
    options = parse_options()
    if not kafka_server.find():
        sys.exit("Kafka or Java is not installed (tools/install.sh test)")
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, kafka_server.running() as cluster:
        try:
            print(json.dumps(Bench(options, scratch, cluster).run()))
        finally:
            for process in STARTED:
                process.kill()


if __name__ == "__main__":
    main()
