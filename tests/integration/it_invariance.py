#!/usr/bin/env python3
"""The published bytes do not depend on threads, batch size, store backend, memory budget or where the lake's files came from."""

import pathlib
import shutil
import sys
import tempfile

import recon

CASES = [
    ("--threads", 1, "--batch-rows", 1),
    ("--threads", 1, "--batch-rows", 1024),
    ("--threads", 2, "--batch-rows", 7),
    ("--threads", 7, "--batch-rows", 1),
    ("--threads", 7, "--batch-rows", 1024),
    ("--threads", 3, "--set", "backend=rocksdb"),
]


def results(raw, scratch, options):
    lake = pathlib.Path(scratch, "lake")
    shutil.copytree(raw, lake)
    try:
        recon.index(lake, *options)
        for date in recon.dates(3):
            recon.batch(lake, date, *options)
        return recon.published(lake)
    finally:
        shutil.rmtree(lake)


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        raw = pathlib.Path(scratch, "raw")
        recon.make_lake(raw, 6000, 3, 11)
        expected = results(raw, scratch, ("--threads", 2))
        assert len(expected) >= 10, expected
        for case in CASES:
            wrong = recon.differences(expected, results(raw, scratch, case))
            print("differs:" if wrong else "same:", *case, *wrong[:5])
            failed += bool(wrong)
    print(f"{len(CASES) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
