#!/usr/bin/env python3
"""The reconciliation on a lake in S3 publishes the same bytes as on a local one, a re-run too, and leaves nothing in its work
directory. A real S3 server on loopback (versitygw); exit 77, skipped, where there is none."""

import pathlib
import shutil
import sys
import tempfile

import recon
import s3_server


def reconcile(lake, **options):
    recon.index(lake, **options)
    for date in recon.dates(2):
        recon.batch(lake, date, **options)


def attempts(lake, expected, work, reach):
    """How many of a first run and a re-run go wrong."""
    failed = 0
    for attempt in ("a first run", "a re-run"):
        reconcile(f"s3://{s3_server.BUCKET}/lakes/recon", env=recon.environment(**reach, TMPDIR=str(work)))
        wrong, left = recon.differences(expected, recon.published(lake)), list(work.glob("*"))
        print(f"{attempt}: {len(expected)} files,", f"different: {wrong[:5]}" if wrong else "the same,",
              f"left behind: {left}" if left else "nothing left behind")
        failed += bool(wrong or left)
    return failed


def main():
    program = s3_server.find()
    if program is None:
        print("skipped: versitygw is not installed (tools/install.sh)")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as scratch:
        raw, local, work, store = (pathlib.Path(scratch, name) for name in ("raw", "local", "work", "store"))
        recon.make_lake(raw, 4000, 2, 7)
        shutil.copytree(raw, local)
        reconcile(local)
        lake = store / s3_server.BUCKET / "lakes/recon"
        shutil.copytree(raw, lake)
        with s3_server.running(program, str(store)) as reach:
            failed = attempts(lake, recon.published(local), work, reach)
    print(f"{2 - failed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
