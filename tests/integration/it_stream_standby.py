#!/usr/bin/env python3
"""Standby replicas on a real broker: of two processes one is killed (kill -9), and the other goes on from the copies it kept:
it reads nothing of the lost process's state anew. Without standbys it reads all of it. The rows are those of a replay."""

import pathlib
import re
import signal
import sys
import tempfile
import time

import it_stream
import kafka_server
import live
import recon

N_PARTITIONS = 4
SESSION_MS = 6000


class Member:
    """A process of the group, its log in a file."""

    def __init__(self, brokers, scratch, name, options):
        self.path = pathlib.Path(scratch, f"{name}.log")
        self.process = live.start(brokers, pathlib.Path(scratch, f"state-{name}"), "--threads", "1", "--set", f"session_timeout_ms={SESSION_MS}", *options, stderr=self.path.open("w"))

    def events(self, name):
        """The fields of each event of this name."""
        found = []
        for line in self.path.read_text().splitlines():
            if re.search(rf"event={name}\b", line):
                found.append(dict(re.findall(r"(\w+)=(\S+)", line)))
        return found

    def running(self):
        return {event["task"] for event in self.events("task_running")}

    def assigned(self):
        """How many tasks the last rebalance gave it."""
        events = self.events("assigned")
        return int(events[-1]["tasks"]) if events else 0

    def wait(self, what, condition, seconds=60):
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until or self.process.poll() is not None:
                raise SystemExit(f"FAILED: {what}\n{self.path.read_text()[-3000:]}")
            time.sleep(0.1)


def all_committed(brokers, group):
    return all(committed >= end - 1 for (committed, end) in live.progress(brokers, group, ("transactions_topic", "fraud_signals_topic")).values())


def run_pair(brokers, scratch, backend, n_standby, expected):
    """Feeds nothing: the topics are full. Returns how many records the survivor restored, and whether the rows are right."""
    group = f"standby-{backend}-{n_standby}"
    live.make_topics(brokers, [group], N_PARTITIONS)
    options = ("--set", f"backend={backend}", "--set", f"application_id={group}", "--set", f"output_topic={group}",
               "--set", f"standby_replicas={n_standby}")
    first = Member(brokers, scratch, f"{group}-a", options)
    first.wait("the first has not all tasks", lambda: len(first.running()) == N_PARTITIONS)
    second = Member(brokers, scratch, f"{group}-b", options)
    second.wait("the second has no tasks", lambda: 0 < second.assigned() == len(second.events("task_running")))
    mine = len(second.events("task_running"))
    second.wait("not all was read", lambda: all_committed(brokers, group), 120)
    if n_standby > 0:
        others = first.running() - second.running()
        second.wait("no copies", lambda: others <= {event["task"] for event in second.events("standby_ready")})
        time.sleep(1)  # the last commits come to the copies
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    second.wait("it did not take over", lambda: len(second.events("task_running")) == mine + N_PARTITIONS)
    restored = sum(int(event["restored_records"]) for event in second.events("task_running")[mine:])
    second.process.terminate()
    summary = live.finish(second.process)
    good = it_stream.compare(expected, live.committed(brokers, group))
    print(f"{backend}, {n_standby} standbys: restored after the kill {restored}, followed {summary['standby_records']}")
    return restored, summary["standby_records"], good


def main():
    kafka_server.need()
    failed = 0
    with tempfile.TemporaryDirectory() as scratch, kafka_server.running() as cluster:
        brokers = cluster.bootstrap
        lake = pathlib.Path(scratch, "lake")
        recon.make_lake(lake, 8000, 1, 11)
        live.make_topics(brokers, live.INPUTS, N_PARTITIONS)
        print("fed", live.feed(brokers, lake))
        expected = it_stream.replayed(lake)
        for backend in ("memory", "rocksdb"):
            restored, followed, good = run_pair(brokers, scratch, backend, 1, expected)
            failed += restored != 0 or followed == 0 or not good
        restored, followed, good = run_pair(brokers, scratch, "memory", 0, expected)
        failed += restored == 0 or followed != 0 or not good
    print("FAILED" if failed else "passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
