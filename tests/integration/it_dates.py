#!/usr/bin/env python3
"""Runs of given dates and runs of all dates publish the same bytes: an index of one date reads the history that it needs and the
day after, and publishes its own partitions only. So does a lake to which the days come one by one."""

import pathlib
import shutil
import sys
import tempfile

import recon

DAYS = recon.dates(4)


def say(name, wrong):
    print(f"{name}: {f'different: {wrong[:6]}' if wrong else 'the same'}")
    return bool(wrong)


def dated(files):
    """Without the dead letters of reference data, which has no date: they are those of the run's last one."""
    return {path: digest for path, digest in files.items() if not path.startswith(("dlq/merchants/", "dlq/policies/"))}


def of(files, *parts):
    return {path: digest for path, digest in dated(files).items() if any(part in path for part in parts)}


def index_each(lake):
    for day in DAYS:
        recon.index(lake, "--date", day)


def reconcile(lake):
    for day in DAYS:
        recon.batch(lake, day)


def check_again(raw, whole, scratch):
    """Over what an undated run published, each date again changes nothing."""
    lake = pathlib.Path(scratch, "again")
    shutil.copytree(whole, lake)
    before = recon.published(lake)
    index_each(lake)
    return say("each date again", recon.differences(dated(before), dated(recon.published(lake))))


def check_each(raw, whole, scratch):
    """From nothing, each date, index and batch, as an operator does it when all files are there."""
    lake = pathlib.Path(scratch, "each")
    shutil.copytree(raw, lake)
    for day in DAYS:
        recon.index(lake, "--date", day)
        recon.batch(lake, day)
    ours = tuple(f"={day}" for day in DAYS)
    return say("date by date", recon.differences(of(recon.published(whole), *ours), of(recon.published(lake), *ours)))


def check_as_they_come(raw, whole, scratch):
    """The files come day by day; the index takes the day and again the one before it. Each day's tables are what an undated index of
    the files so far and a batch give; in the end the index is that of all files."""
    lake, failed = pathlib.Path(scratch, "coming"), False
    shutil.copytree(raw / "reference", lake / "reference")
    for n, day in enumerate(DAYS):
        for kind in ("transactions", "fraud_signals", "statements"):
            shutil.copytree(raw / f"raw/{kind}/dt={day}", lake / f"raw/{kind}/dt={day}")
        recon.index(lake, "--date", f"{DAYS[max(n - 1, 0)]}..{day}")
        recon.batch(lake, day)
        other = pathlib.Path(scratch, f"so_far_{n}")
        shutil.copytree(lake / "reference", other / "reference")
        shutil.copytree(lake / "raw", other / "raw")
        recon.index(other)
        recon.batch(other, day)
        tables = (f"batch_index/month={day[:7]}/day={day}", f"aggregate_index/month={day[:7]}/day={day}", f"merchant_kpis/month={day[:7]}/day={day}")
        failed |= say(f"{day} as it came", recon.differences(of(recon.published(other), *tables), of(recon.published(lake), *tables)))
    index = tuple(f"streaming_index/dt={day}" for day in DAYS)
    return say("index as it came", recon.differences(of(recon.published(whole), *index), of(recon.published(lake), *index))) or failed


def main():
    failed = 0
    checks = (check_again, check_each, check_as_they_come)
    with tempfile.TemporaryDirectory() as scratch:
        raw, whole = pathlib.Path(scratch, "raw"), pathlib.Path(scratch, "whole")
        recon.make_lake(raw, 20000, len(DAYS), 11)
        shutil.copytree(raw, whole)
        recon.index(whole)
        reconcile(whole)
        for check in checks:
            failed += check(raw, whole, scratch)
    print(f"{len(checks) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
