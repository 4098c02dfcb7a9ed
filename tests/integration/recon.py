"""What the reconciliation's integration tests share: making a lake, running the two applications, hashing what they publish."""

import hashlib
import os
import pathlib
import subprocess
import sys

SOURCE = pathlib.Path(os.environ.get("SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("BUILD_DIR", SOURCE / "build"))
BIN = BUILD / "bin"
KEY = "0123456789abcdef0123456789abcdef"
TABLES = ("curated/streaming_index", "curated/batch_index", "final/aggregate_index", "final/merchant_kpis", "late", "dlq")


def environment(**extra):
    return {**os.environ, "RECON_MASK_KEY": KEY, **extra}


def run(*command, check=True, env=None, **options):
    done = subprocess.run([str(part) for part in command], env=env or environment(), capture_output=True, text=True, **options)
    if check and done.returncode != 0:
        sys.exit(f"exit {done.returncode}: {' '.join(map(str, command))}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done


def make_lake(directory, transactions, days=3, seed=1, *options):
    run(BIN / "lakegen", "--lake", directory, "--transactions", transactions, "--days", days, "--seed", seed, *options)


def dates(days, first="2026-03-01"):
    import datetime

    start = datetime.date.fromisoformat(first)
    return [str(start + datetime.timedelta(n)) for n in range(days)]


def as_of(date):
    import datetime

    return f"{datetime.date.fromisoformat(date) + datetime.timedelta(1)}T06:00:00Z"


def index(lake, *options, **named):
    return run(BIN / "streaming_index", "--config", SOURCE / "configs/streaming_index.yaml", "--lake", lake,
               "--as-of", "2026-04-01T00:00:00Z", "--output-format", "json", "--quiet", *options, **named)


def batch(lake, date, *options, **named):
    return run(BIN / "batch_recon", "--config", SOURCE / "configs/batch_recon.yaml", "--lake", lake, "--date", date,
               "--as-of", as_of(date), "--output-format", "json", "--quiet", *options, **named)


def published(lake):
    """Relative path -> digest of every data file that a reader can see."""
    found = {}
    for table in TABLES:
        for path in sorted((pathlib.Path(lake) / table).glob("**/*")):
            if path.is_file() and not path.name.startswith(("_", ".")):
                found[str(path.relative_to(lake))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def differences(a, b):
    return sorted(path for path in a.keys() | b.keys() if a.get(path) != b.get(path))
