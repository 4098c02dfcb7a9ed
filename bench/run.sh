#!/usr/bin/env bash
# The reconciliation and its peers doing the same job, side by side in one run: seconds, CPU seconds and peak memory.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: ./dev bench [--transactions N] [--days D] [--runs R] [--lake DIR] [--check]

  --transactions N   transactions in the lake (default 1000000), plus their signals and statements
  --days D           days they are spread over (default 3)
  --runs R           runs of each side, taken in turn; the median counts (default 3)
  --lake DIR         keep the lake there (default: a temporary directory)
  --check            also compare the rows of both sides

   or: ./dev bench --live --help      live jobs on a real broker beside Kafka Streams and bare librdkafka
   or: ./dev bench --long --help      a long live run on a real broker, with restarts: memory, descriptors, latency
   or: ./dev bench --restart --help   a live process is lost, with many keys in its state: how long until it is made up for
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
case ${1:-} in
  --live) exec "$root/.venv/bin/python" "$root/bench/live.py" "${@:2}" ;;
  --long) exec "$root/.venv/bin/python" "$root/bench/long_run.py" "${@:2}" ;;
  --restart) exec "$root/.venv/bin/python" "$root/bench/restart.py" "${@:2}" ;;
esac
for argument in "$@"; do
  [[ $argument != --help && $argument != -h ]] || { usage && exit 0; }
done
exec "$root/.venv/bin/python" "$root/bench/bench.py" "$@"
