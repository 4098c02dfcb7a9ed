#!/usr/bin/env bash
# The reconciliation and DuckDB doing the same job, side by side in one run: seconds, CPU seconds and peak memory.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: ./dev bench [--transactions N] [--days D] [--runs R] [--lake DIR] [--check]

  --transactions N   transactions in the lake (default 1000000), plus their signals and statements
  --days D           days they are spread over (default 3)
  --runs R           runs of each side, taken in turn; the median counts (default 3)
  --lake DIR         keep the lake there (default: a temporary directory)
  --check            also compare the rows of both sides
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
for argument in "$@"; do
  [[ $argument != --help && $argument != -h ]] || { usage && exit 0; }
done
exec "$root/.venv/bin/python" "$root/bench/bench.py" "$@"
