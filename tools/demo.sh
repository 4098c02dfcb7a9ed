#!/usr/bin/env bash
# The whole reconciliation on a generated lake: make it, index it, reconcile each day, show what was found.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tools/demo.sh [--transactions N] [--days D] [--seed S] [--lake DIR]

  --transactions N   transactions in the lake (default 100000)
  --days D           days they are spread over, and batch runs (default 3)
  --seed S           another seed, another lake (default 1)
  --lake DIR         where the lake goes (default .demo/lake); an earlier demo lake there is replaced

Wants the binaries in build/bin (cmake --build build) and .venv with pyarrow and duckdb for the report.
The mask key comes from RECON_MASK_KEY or RECON_MASK_KEY_FILE; without either a random one is kept in .demo/mask.key.
TEXT
}

fail() {
  echo "demo: $*" >&2
  exit "${code:-1}"
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bin=${RECON_BIN:-$root/build/bin}
transactions=100000 days=3 seed=1 lake=$root/.demo/lake first_day=2026-03-01

while (($#)); do
  case $1 in
    -h | --help) usage && exit 0 ;;
    --transactions | --days | --seed | --lake)
      (($# >= 2)) || code=2 fail "$1 wants a value"
      declare "${1#--}=$2"
      shift 2
      ;;
    *) usage >&2 && code=2 fail "unknown option $1" ;;
  esac
done
for option in transactions days seed; do
  [[ ${!option} =~ ^[0-9]{1,10}$ ]] || code=2 fail "--$option wants a whole number, not '${!option}'"
done
((10#$transactions > 0 && 10#$days > 0)) || code=2 fail "--transactions and --days want at least 1"

# step <what> <command...>: runs it quietly, then says in one line what it was and how long it took.
step() {
  local what=$1 log started
  shift
  started=$(date +%s%N)
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1; then
    printf '%-46s failed\n' "$what"
    cat "$log" >&2
    rm -f "$log"
    fail "this failed: ${*/#$root\//}"
  fi
  rm -f "$log"
  local ms=$((($(date +%s%N) - started) / 1000000))
  printf '%-46s %4d.%02d s\n' "$what" $((ms / 1000)) $((ms % 1000 / 10))
}

# Only a lake that lakegen made is replaced; anything else in the way is the user's.
clear_lake() {
  [[ -e $lake ]] || return 0
  [[ -f $lake/_lakegen.json || -z $(ls -A "$lake") ]] || fail "$lake holds something that is not a demo lake; give another --lake"
  rm -rf -- "$lake"
}

provide_key() {
  [[ -z ${RECON_MASK_KEY:-} && -z ${RECON_MASK_KEY_FILE:-} ]] || return 0
  local file=$root/.demo/mask.key
  mkdir -p "$root/.demo"
  [[ -s $file ]] || (umask 077 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$file")
  export RECON_MASK_KEY_FILE=$file
}

for tool in lakegen streaming_index batch_recon; do
  [[ -x $bin/$tool ]] || fail "$bin/$tool is missing; build first: cmake -S . -B build && cmake --build build"
done
python=$root/.venv/bin/python
[[ -x $python ]] || python=python3
"$python" -c 'import duckdb, pyarrow' 2>/dev/null || fail "the report wants duckdb and pyarrow: python3 -m venv .venv && .venv/bin/pip install -r requirements.txt"

cd "$root"
clear_lake
provide_key
step "lake: $transactions transactions, $days days" \
  "$bin/lakegen" --lake "$lake" --transactions "$transactions" --days "$days" --seed "$seed" --start "$first_day"
step "streaming index" \
  "$bin/streaming_index" --config "$root/configs/streaming_index.yaml" --lake "$lake"
for ((day = 0; day < days; day++)); do
  date=$(date -u -d "$first_day + $day days" +%F)
  as_of=$(date -u -d "$date + 1 day" +%FT06:00:00Z)
  step "reconciliation of $date" \
    "$bin/batch_recon" --config "$root/configs/batch_recon.yaml" --lake "$lake" --date "$date" --as-of "$as_of"
done
"$python" "$root/tools/report.py" --lake "$lake"
