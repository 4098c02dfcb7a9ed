#!/usr/bin/env python3
"""Chaos: several processes index live what a generator sends, while at random moments, from a printed seed, something happens to a
process, a broker or the network between them (EVENTS). In the end everything that was committed is there exactly once, in the topics
and in the lake that the processes share, and the Streaming Index is the oracle's, every version of it in order.

usage: it_stream_chaos.py [--transactions N] [--processes N] [--brokers 1|3] [--seconds S] [--runs N] [--seed N]
                          [--events a,b] [--backend memory|rocksdb] [--standby 0|1] [--keep DIR]

Backend, standbys, static membership and threads of a run come from its seed unless they are given, and whether commits fail now and then.
"""

import argparse
import collections
import contextlib
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import threading
import time

import confluent_kafka
import kafka_server
import live
import live_check
import network
import recon

SESSION_MS = 3000
# In some runs shorter than most failures: that nothing comes must not be taken for silence. Then no broker is away for the feeder as
# well, whose records would indeed be late.
IDLE_AFTER = ("3s", "60s", "60s", "60s")
FAULTS = ("stream.flushed:31:fail", "stream.offsets:31:fail")  # in some runs every 31st commit is aborted
LAKE_SEED = 7  # the input of all runs: seeds are of what happens
N_PARTITIONS = 6
RESTORE_BYTES_PER_SECOND = 30000  # of each connection of a process whose restore is to be disturbed
TAKE_OVER_S = 30
SOURCES = ("transactions_topic", "fraud_signals_topic")


class Feeder(threading.Thread):
    """Sends both inputs merged by event time, spread over the seconds given."""

    def __init__(self, bootstrap, lake, seconds):
        super().__init__(daemon=True)
        self.bootstrap, self.seconds, self.records = bootstrap, seconds, []
        for topic in SOURCES:
            self.records += [(at, topic, key, line) for at, key, line in live.records_of(lake, *live.INPUTS[topic])]
        self.records.sort(key=lambda record: record[0])
        self.failed = None

    def run(self):
        try:
            self.feed()
        except confluent_kafka.KafkaException as error:
            self.failed = f"the input could not be sent: {error}"

    def feed(self):
        to, begin = live.producer(self.bootstrap), time.monotonic()
        for i, (_, topic, key, line) in enumerate(self.records):
            live.send(to, topic, key, line)
            if i % 500 == 0:
                time.sleep(max(0.0, begin + self.seconds * i / len(self.records) - time.monotonic()))
        if to.flush(120) != 0:
            self.failed = "not all of the input could be sent"


class Worker:
    """A process of the group and its log."""

    def __init__(self, bootstrap, scratch, name, options, fault):
        self.fault = fault
        self.bootstrap, self.state, self.name, self.options = bootstrap, pathlib.Path(scratch, f"state-{name}"), name, options
        self.log = live.Log(pathlib.Path(scratch, f"worker-{name}.log"))
        self.events = self.log.events  # of all its lives
        self.start()

    def start(self, *more):
        self.process = live.start(self.bootstrap, self.state, *self.options, *more, LS_FAULT=self.fault)
        self.log.follow(self.process.stderr)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """In order: it commits and leaves. Its summary."""
        self.process.send_signal(signal.SIGTERM)
        return self.finish(90)

    def finish(self, seconds):
        out, _ = self.process.stdout.read(), self.process.wait(seconds)
        self.log.close()
        if self.process.returncode == -signal.SIGTERM:  # it had no time to set its handler
            return {}
        if self.process.returncode != 0:
            raise SystemExit(f"FAILED: process {self.name} ended with {self.process.returncode}")
        return live.json.loads(out.splitlines()[-1])

    def wait_for(self, what, seconds, condition):
        """Until the condition holds of the events since now; whether it came to that."""
        begin, until = len(self.events), time.monotonic() + seconds
        while time.monotonic() < until:
            if condition(self.events[begin:]):
                return True
            time.sleep(0.02)
        print(f"    {self.name}: {what}: not within {seconds} s", flush=True)
        return False


def restoring(events):
    """thread -> tasks that it is restoring, after these events of a process."""
    tasks = collections.defaultdict(set)
    for _, event, fields in events:
        if event == "started":
            tasks.clear()
        elif event == "restoring":
            tasks[fields["thread"]].add(fields["task"])
        elif event == "task_running":
            for of_thread in tasks.values():
                of_thread.discard(fields["task"])
        elif event in ("revoked", "joins_again"):
            tasks.pop(fields["thread"], None)
    return {thread: of_thread for thread, of_thread in tasks.items() if of_thread}


def running(events):
    """Tasks that a process runs, after these events of it."""
    tasks = {}
    for _, event, fields in events:
        if event == "started":
            tasks.clear()
        elif event == "task_running":
            tasks[fields["task"]] = fields["thread"]
        elif event in ("revoked", "joins_again"):
            tasks = {task: thread for task, thread in tasks.items() if thread != fields["thread"]}
    return set(tasks)


def disturbed_restores(events):
    """How often partitions were taken from a thread while it restored some of them."""
    return sum(event == "revoked" and fields["thread"] in restoring(events[:i]) for i, (_, event, fields) in enumerate(events))


def gave_up(events):
    """Whether a zombie has let go of its tasks: it was told that it had lost them or failed to commit for them ("fenced"), or it had
    nothing open when it woke up and gave them back ("let go"); None: not yet."""
    for _, event, fields in events:
        if event == "joins_again" or (event == "revoked" and fields.get("lost") == "1"):
            return "fenced"
    return "let go" if any(event == "revoked" for _, event, _ in events) else None


class Run:
    """The cluster, the network, the processes, and what happens to them."""

    def __init__(self, args, seed, scratch, cluster, net):
        self.chance, self.scratch, self.cluster, self.net = random.Random(seed), scratch, cluster, net
        backend, standby = self.chance.choice(("memory", "rocksdb")), self.chance.choice((0, 1))
        self.backend, self.standby = args.backend or backend, standby if args.standby is None else args.standby
        self.static, self.threads = self.chance.random() < 0.6, self.chance.choice((1, 1, 2))
        self.idle_after = self.chance.choice(IDLE_AFTER)
        self.lake = pathlib.Path(scratch, "live") if self.chance.random() < 0.7 else None
        self.fault = self.chance.choice(("", "", *FAULTS))
        self.workers = [self.worker(f"p{i}") for i in range(args.processes)]
        self.happened = collections.Counter()

    def __str__(self):
        return (f"{self.backend}, {self.standby} standbys, {'static' if self.static else 'dynamic'} members, {self.threads} threads, "
                f"idle after {self.idle_after}, {'a' if self.lake else 'no'} lake, "
                f"commits fail: {self.fault or 'no'}")

    def worker(self, name):
        return Worker(self.net.bootstrap(name), self.scratch, name, self.options(name), self.fault)

    def options(self, name):
        settings = {"backend": self.backend, "standby_replicas": self.standby, "application_id": "chaos", "output_topic": "chaos",
                    "commit_interval": "50ms", "instance_id": name if self.static else "none", "idle_after": self.idle_after,
                    "session_timeout_ms": SESSION_MS, "roll_every": "500ms", "roll_size": "256KiB"}
        return ("--threads", self.threads, *(("--lake", self.lake) if self.lake else ()), *(part for setting, value in settings.items() for part in ("--set", f"{setting}={value}")))

    def some(self):
        return self.workers[self.chance.randrange(len(self.workers))]

    def others(self, worker):
        return [other for other in self.workers if other is not worker]

    def pause(self, low, high):
        time.sleep(self.chance.uniform(low, high))

    # ---- what happens ----

    def kill_process(self):
        worker, away = self.some(), self.chance.choice((0.0, 0.2, SESSION_MS / 1000 + 1))
        worker.kill()
        time.sleep(away)
        worker.start()
        return f"{worker.name} killed, started again after {away} s"

    def stop_process(self):
        worker = self.some()
        worker.stop()
        worker.start()
        return f"{worker.name} stopped and started again"

    def freeze_process(self):
        """Past its session: others have its partitions when it wakes up, and it must be fenced."""
        worker = self.some()
        if not worker.wait_for("no tasks to be frozen with", TAKE_OVER_S, lambda _: running(worker.events)):
            return f"{worker.name} not frozen, it has nothing"
        mark = len(worker.events)
        worker.process.send_signal(signal.SIGSTOP)
        tasks, marks = running(worker.events), {other: len(other.events) for other in self.others(worker)}
        until = time.monotonic() + TAKE_OVER_S
        taken = False
        while not taken and time.monotonic() < until:
            time.sleep(0.1)
            taken = any(event == "task_running" and fields["task"] in tasks for other, at in marks.items() for _, event, fields in other.events[at:])
        self.pause(0, 1)
        worker.process.send_signal(signal.SIGCONT)
        if not taken:
            return f"{worker.name} frozen, nobody took its partitions"
        until = time.monotonic() + TAKE_OVER_S
        while not gave_up(worker.events[mark:]):
            if time.monotonic() > until:
                raise SystemExit(f"FAILED: {worker.name} woke up as a zombie and went on")
            time.sleep(0.05)
        end = gave_up(worker.events[mark:])
        self.happened[f"zombies {end}"] += 1
        return f"{worker.name} frozen until others had its partitions, woken, {end}"

    def restart_broker(self):
        broker = self.chance.choice(list(self.cluster.ids))
        self.cluster.kill(broker)
        self.pause(0.2, 2)
        self.cluster.start(broker)
        return f"broker {broker} killed and started again"

    def hang_broker(self):
        """Cut off from everybody, the other brokers included, and back with what it knew before."""
        broker = self.chance.choice(list(self.cluster.ids))
        self.cluster.send(broker, signal.SIGSTOP)
        self.pause(0.5, 6)
        self.cluster.send(broker, signal.SIGCONT)
        return f"broker {broker} hung"

    def cut(self, what, low, high, **link):
        ways, reset = self.chance.choice((network.BOTH, network.BOTH, network.ANSWERS)), self.chance.random() < 0.5
        seconds = self.chance.uniform(low, high)
        self.net.cut(**link, ways=ways)
        time.sleep(seconds)
        self.net.heal(**link, reset=reset)
        return f"{what} cut off for {seconds:.1f} s, {ways}, {'connections lost' if reset else 'what was on its way arrived late'}"

    def cut_process(self):
        worker = self.some()
        return self.cut(f"{worker.name}", 0.2, 2.5 * SESSION_MS / 1000, client=worker.name)

    def cut_broker(self):
        broker = self.chance.choice(list(self.cluster.ids))
        return self.cut(f"broker {broker}", 0.2, 2 * SESSION_MS / 1000, broker=broker)

    def kill_while_cut(self):
        """Whoever takes over can't come to it at once."""
        cut, killed = self.chance.sample(self.workers, 2)
        self.net.cut(client=cut.name)
        killed.kill()
        self.pause(0.2, SESSION_MS / 1000 + 2)
        self.net.heal(client=cut.name)
        killed.start()
        return f"{killed.name} killed while {cut.name} was cut off"

    def rebalance_in_restore(self):
        """A process that has lost its disk restores everything over a slow network; meanwhile another comes, and goes."""
        worker = self.some()
        worker.kill()
        shutil.rmtree(worker.state, ignore_errors=True)
        self.net.slow(worker.name, RESTORE_BYTES_PER_SECOND)
        before = disturbed_restores(worker.events)
        worker.start()
        mark = len(worker.events)
        begun = worker.wait_for("nothing to restore", 10, lambda _: restoring(worker.events[mark:]))
        extra = self.worker("extra")
        worker.wait_for("no rebalance", 20, lambda _: disturbed_restores(worker.events) > before) if begun else None
        self.net.slow(worker.name, 0)
        if self.chance.random() < 0.5:
            extra.kill()
        else:
            extra.stop()
        n = disturbed_restores(worker.events) - before
        self.happened["restores disturbed"] += n
        return f"{worker.name} started without state, another came and went: {n} rebalances while it restored"

    STOP_FEEDER = ("restart_broker", "hang_broker")
    EVENTS = ("kill_process", "stop_process", "freeze_process", "restart_broker", "hang_broker", "cut_process", "cut_broker", "kill_while_cut",
              "rebalance_in_restore")

    def disturb(self, feeder, names):
        if self.idle_after != IDLE_AFTER[-1]:
            names = [name for name in names if name not in self.STOP_FEEDER]
        first = list(names)  # each at least once if there is time
        self.chance.shuffle(first)
        if first[-1] == "rebalance_in_restore":  # there must be something to restore
            first.reverse()
        while feeder.is_alive() or first and self.happened.total() == 0:
            self.pause(0.5, 3)
            name = first.pop() if first else self.chance.choice(names)
            print(f"  {getattr(self, name)()}", flush=True)
            self.happened[name] += 1
            for worker in self.workers:
                if worker.process.poll() is not None:
                    raise SystemExit(f"FAILED: {worker.name} ended by itself: {worker.process.returncode}")

    def settle(self):
        """All stop in order; then one goes on until nothing is left."""
        threads, summaries = [], {}
        for worker in self.workers:
            threads.append(threading.Thread(target=lambda worker=worker: summaries.update({worker.name: worker.stop()})))
            threads[-1].start()
        for thread in threads:
            thread.join()
        if len(summaries) < len(self.workers):
            raise SystemExit("FAILED: not all processes stopped in order")
        print("  rejoins", [s.get("rejoins") for s in summaries.values()], "aborts", [s.get("aborts") for s in summaries.values()])
        time.sleep(SESSION_MS / 1000 + 1)  # static members that are gone keep their partitions for so long
        last = self.workers[0]
        last.start("--until-end")
        print("  last", {k: v for k, v in last.finish(600).items() if k in ("records", "restored_records", "commits", "rejoins")})


def one_run(args, seed, scratch, lake, expected):
    names = [f"p{i}" for i in range(args.processes)] + ["extra"]
    with network.Network(names, args.brokers) as net, kafka_server.running(args.brokers, listeners=net.listeners()) as cluster, contextlib.ExitStack() as stack:
        replication = 3 if args.brokers == 3 else 1
        live.make_topics(cluster.bootstrap, [*live.INPUTS, "chaos"], N_PARTITIONS, replication)
        live.feed(cluster.bootstrap, lake, ("merchants_topic", "policies_topic"))
        feeder = Feeder(cluster.bootstrap, lake, args.seconds)
        run = Run(args, seed, scratch, cluster, net)
        stack.callback(lambda: [worker.process.kill() for worker in run.workers])
        print(f"  {run}", flush=True)
        feeder.start()
        begin = time.monotonic()
        run.disturb(feeder, args.events)
        feeder.join()
        if feeder.failed:
            raise SystemExit(f"FAILED: {feeder.failed}")
        print(f"  {sum(n for name, n in run.happened.items() if name in run.EVENTS)} events in {time.monotonic() - begin:.0f} s:",
              ", ".join(f"{name} {n}" for name, n in sorted(run.happened.items())), flush=True)
        run.settle()
        for (topic, p), (at, end) in live.progress(cluster.bootstrap, "chaos", SOURCES).items():
            if at != end:
                print(f"  {topic} {p}: committed {at}, end {end}")
        return live_check.check(expected, cluster.bootstrap, "chaos", scratch, run.lake)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--transactions", type=int, default=6000)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=3)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--events", type=lambda text: text.split(","), default=list(Run.EVENTS))
    parser.add_argument("--backend", choices=("memory", "rocksdb"))
    parser.add_argument("--standby", type=int, choices=(0, 1))
    parser.add_argument("--keep", type=pathlib.Path, help="where the logs go")
    args = parser.parse_args()
    kafka_server.need()
    good = 0
    with tempfile.TemporaryDirectory() as shared:
        lake = pathlib.Path(shared, "lake")
        recon.make_lake(lake, args.transactions, 1, LAKE_SEED)
        expected = live_check.Expected(lake, pathlib.Path(shared, "oracle"))
        for seed in range(args.seed, args.seed + args.runs):
            print(f"seed {seed}", flush=True)
            good += guarded_run(args, seed, lake, expected)
    print(f"{good} of {args.runs} runs: everything exactly once, and equal to the oracle", "" if good == args.runs else "FAILED")
    return 0 if good == args.runs else 1


def guarded_run(args, seed, lake, expected):
    with tempfile.TemporaryDirectory() as scratch:
        try:
            good = one_run(args, seed, scratch, lake, expected)
        except SystemExit as error:
            if not str(error).startswith("FAILED"):  # the test is ended
                raise
            print(f"  {error}", flush=True)
            good = False
        for log in sorted(pathlib.Path(scratch).glob("*.log")):
            if not good:
                print(f"--- {log.name}\n{log.read_text()[-2500:]}")
            if args.keep:
                args.keep.mkdir(parents=True, exist_ok=True)
                shutil.copy(log, args.keep / f"{seed}-{log.name}")
        return good


if __name__ == "__main__":
    sys.exit(main())
