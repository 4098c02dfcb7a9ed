#!/usr/bin/env python3
"""Crash matrix: the live Streaming Index is killed at every fault point of streaming that the binary lists, and started again.

What readers of committed records see is what a run without a crash gives: each row once, in order, none missing; readers of the
lake see each row in one file; the state continues where the last commit left it. usage: it_stream_crash.py [--rounds N] [--seed N] [--points a,b]
"""

import argparse
import os
import pathlib
import random
import signal
import sys
import tempfile

import it_stream
import kafka_server
import live
import recon


FAILING = ("stream.commit_begin", "stream.changelogs", "stream.flushed", "stream.offsets")  # where a commit may fail, too


def points():
    listed = recon.run(recon.BIN / "streamctl", "faults").stdout.split()
    return [name for name in listed if name.startswith("stream.") or name == "store.commit"]


def some_points(chance):
    """All of them; where programs are slow (LS_TEST_SHARE), one in so many."""
    names, share = points(), int(os.environ.get("LS_TEST_SHARE", "1"))
    return names if share == 1 else chance.sample(names, -(-len(names) // share))


def options_of(scratch, name, backend, threads):
    return ("--threads", threads, "--set", f"backend={backend}", "--set", f"application_id={name}",
               "--set", f"output_topic={name}", "--set", f"late_topic={name}-late",
               "--set", "commit_interval=10ms", "--set", "instance_id=one", "--batch-rows", 256,
               "--lake", pathlib.Path(scratch, f"{name}.lake"), "--set", "roll_every=100ms", "--set", "roll_size=64KiB")


def is_same(bootstrap, expected, name, options):
    good = it_stream.compare(expected, live.committed(bootstrap, name), quiet=True)
    return it_stream.compare_lake(expected, live.committed(bootstrap, f"{name}-late"), options[options.index("--lake") + 1], quiet=True) and good


def one_case(bootstrap, scratch, expected, point, nth, backend, threads):
    """Crash at the nth passing, start again, compare. True: equal, and the crash came."""
    name = f"crash-{point.replace('.', '-')}-{nth}-{backend}"
    live.make_topics(bootstrap, [name], it_stream.N_PARTITIONS)
    options, state = options_of(scratch, name, backend, threads), pathlib.Path(scratch, name)
    process = live.start(bootstrap, state, "--until-end", *options, LS_FAULT=f"{point}:{nth}")
    _, errors = process.communicate(timeout=120)
    if process.returncode != -signal.SIGKILL:
        print(f"{point}:{nth} {backend}: the crash did not come (exit {process.returncode})\n{errors[-1500:]}")
        return False
    summary = live.run(bootstrap, state, *options)
    good = is_same(bootstrap, expected, name, options) and summary["conservation"]
    print(f"{point}:{nth} {backend}, {threads} threads: {'same' if good else 'DIFFERENT'}; after it {summary['records']} records, "
          f"{summary['restored_records']} restored, {summary['commits']} commits")
    return good


def aborted(bootstrap, scratch, expected, point, backend, threads):
    """Every second commit fails at the point and is aborted; the process goes on. True: equal in the end, and there were aborts."""
    name = f"abort-{point.replace('.', '-')}-{backend}"
    live.make_topics(bootstrap, [name], it_stream.N_PARTITIONS)
    options = options_of(scratch, name, backend, threads)
    summary = live.run(bootstrap, pathlib.Path(scratch, name), *options, LS_FAULT=f"{point}:2:fail")
    good = is_same(bootstrap, expected, name, options)
    print(f"{point} {backend}, {threads} threads: {'same' if good else 'DIFFERENT'}; {summary['commits']} commits, {summary['aborts']} aborts")
    return good and summary["aborts"] > 0


def main():
    kafka_server.need()
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--points", default=None)
    args = parser.parse_args()
    print(f"seed {args.seed}")
    chance, failed = random.Random(args.seed), 0
    with tempfile.TemporaryDirectory() as scratch, kafka_server.running() as cluster:
        lake = pathlib.Path(scratch, "lake")
        recon.make_lake(lake, 3000, 1, 7)
        live.make_topics(cluster.bootstrap, live.INPUTS, it_stream.N_PARTITIONS)
        live.feed(cluster.bootstrap, lake)
        expected = it_stream.replayed(lake)
        for round_number in range(args.rounds):
            for point in args.points.split(",") if args.points else some_points(chance):
                backend = chance.choice(("memory", "rocksdb")) if point != "store.commit" else "rocksdb"
                nth = 1 if round_number == 0 else chance.randrange(2, 6)
                if point in FAILING:
                    failed += not aborted(cluster.bootstrap, scratch, expected, point, chance.choice(("memory", "rocksdb")), chance.choice((1, 2)))
                failed += not one_case(cluster.bootstrap, scratch, expected, point, nth, backend, chance.choice((1, 2)))
    print("FAILED" if failed else "passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
