#!/usr/bin/env python3
"""Chaos: several processes index live what a generator sends, while at random moments, from a printed seed, a process is killed
and started again, frozen until others have its partitions and then woken (a zombie, which must be fenced), or a broker is killed
and started again. In the end every row is committed exactly once, in order, and in one file of the lake that they share, and equals
a replay of the same input.

usage: it_stream_chaos.py [--transactions N] [--processes N] [--brokers 1|3] [--seconds S] [--runs N] [--seed N]
"""

import argparse
import pathlib
import random
import signal
import sys
import tempfile
import threading
import time

import it_stream
import kafka_server
import live
import recon

SESSION_MS = 3000


class Feeder(threading.Thread):
    """Sends both inputs merged by event time, spread over the seconds given."""

    def __init__(self, bootstrap, lake, seconds):
        super().__init__(daemon=True)
        self.bootstrap, self.seconds, self.records = bootstrap, seconds, []
        for topic in ("transactions_topic", "fraud_signals_topic"):
            self.records += [(at, topic, key, line) for at, key, line in live.records_of(lake, *live.INPUTS[topic])]
        self.records.sort(key=lambda record: record[0])

    def run(self):
        to, begin = live.producer(self.bootstrap), time.monotonic()
        for i, (_, topic, key, line) in enumerate(self.records):
            live.send(to, topic, key, line)
            if i % 500 == 0:
                time.sleep(max(0.0, begin + self.seconds * i / len(self.records) - time.monotonic()))
        assert to.flush(60) == 0


class Workers:
    def __init__(self, bootstrap, scratch, n, name):
        self.bootstrap, self.scratch, self.name = bootstrap, scratch, name
        self.processes = [self.start(i) for i in range(n)]

    def options(self, i):
        return ("--threads", 1, "--set", "backend=rocksdb", "--set", f"application_id={self.name}", "--set", f"output_topic={self.name}",
                "--set", "commit_interval=50ms", "--set", f"instance_id=p{i}", "--set", "idle_after=60s",
                "--set", f"session_timeout_ms={SESSION_MS}", "--lake", pathlib.Path(self.scratch, "live"),
                "--set", "roll_every=500ms", "--set", "roll_size=64KiB")

    def start(self, i, *more):
        log = open(pathlib.Path(self.scratch, f"worker-{i}.log"), "a")  # noqa: SIM115 - handed to the process
        return live.start(self.bootstrap, pathlib.Path(self.scratch, f"state-{i}"), *self.options(i), *more, stderr=log)

    def restart(self, i):
        self.processes[i].kill()
        self.processes[i].wait()
        self.processes[i] = self.start(i)

    def stop(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(60)
            if process.returncode == -signal.SIGTERM:  # it had no time to set its handler
                process.returncode = 0
        return [summary for summary in (live.finish(process, 60) for process in self.processes) if summary]


def kill_process(chance, workers, cluster):
    i = chance.randrange(len(workers.processes))
    workers.restart(i)
    return f"process {i} killed and started again"


def freeze_process(chance, workers, cluster):
    i = chance.randrange(len(workers.processes))
    workers.processes[i].send_signal(signal.SIGSTOP)
    time.sleep(SESSION_MS / 1000 + 1.5)
    workers.processes[i].send_signal(signal.SIGCONT)
    return f"process {i} frozen past its session, woken"


def restart_broker(chance, workers, cluster):
    broker = chance.choice(list(cluster.ids))
    cluster.kill(broker)
    time.sleep(chance.uniform(0.2, 2.0))
    cluster.start(broker)
    return f"broker {broker} killed and started again"


EVENTS = (kill_process, freeze_process, restart_broker)


def disturb(chance, feeder, workers, cluster):
    while feeder.is_alive():
        time.sleep(chance.uniform(0.5, 3.0))
        event = EVENTS[chance.randrange(len(EVENTS))]
        print(f"  {event(chance, workers, cluster)}", flush=True)
        dead = [i for i, process in enumerate(workers.processes) if process.poll() is not None]
        if dead:
            raise SystemExit(f"FAILED: process {dead[0]} ended by itself: {workers.processes[dead[0]].returncode}")


def one_run(args, seed, scratch):
    chance = random.Random(seed)
    lake = pathlib.Path(scratch, "lake")
    recon.make_lake(lake, args.transactions, 1, seed)
    with kafka_server.running(args.brokers) as cluster:
        replication = 3 if args.brokers == 3 else 1
        live.make_topics(cluster.bootstrap, [*live.INPUTS, "chaos"], 6, replication)
        live.feed(cluster.bootstrap, lake, ("merchants_topic", "policies_topic"))
        feeder = Feeder(cluster.bootstrap, lake, args.seconds)
        workers = Workers(cluster.bootstrap, scratch, args.processes, "chaos")
        feeder.start()
        try:
            disturb(chance, feeder, workers, cluster)
        except BaseException:
            for process in workers.processes:
                process.kill()
            raise
        feeder.join()
        summaries = workers.stop()
        print("  rejoins", [s["rejoins"] for s in summaries], "aborts", [s["aborts"] for s in summaries])
        time.sleep(SESSION_MS / 1000 + 1)  # static members that are gone keep their partitions for so long
        last = workers.start(0, "--until-end")
        print("  last", {k: v for k, v in live.finish(last, 180).items() if k in ("records", "restored_records", "commits", "rejoins")})
        for (topic, p), (at, end) in live.progress(cluster.bootstrap, "chaos", ("transactions_topic", "fraud_signals_topic")).items():
            if at != end:
                print(f"  {topic} {p}: committed {at}, end {end}")
        expected = it_stream.replayed(lake)
        good = it_stream.compare(expected, live.committed(cluster.bootstrap, "chaos"))
        return it_stream.compare_lake(expected, live.committed(cluster.bootstrap, "late_signals"), pathlib.Path(scratch, "live")) and good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--transactions", type=int, default=6000)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    args = parser.parse_args()
    if not kafka_server.find():
        print("skipped: Kafka or Java is not installed (tools/install.sh test)")
        return 77
    failed = 0
    for i in range(args.runs):
        print(f"run {i + 1}: seed {args.seed + i}", flush=True)
        with tempfile.TemporaryDirectory() as scratch:
            good = one_run(args, args.seed + i, scratch)
            failed += not good
            if not good:
                for log in pathlib.Path(scratch).glob("*.log"):
                    print(f"--- {log.name}\n{log.read_text()[-3000:]}")
    print(f"{args.runs - failed} of {args.runs} runs: each row exactly once" if not failed else "FAILED")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
