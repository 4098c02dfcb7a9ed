#!/usr/bin/env bash
# The symbols that libstream.so shows are those of symbols.txt: one that goes breaks programs, one that comes is a promise.
# LS_UPDATE=1 writes the list anew; read the difference before it is committed.
set -euo pipefail

list=$(dirname "${BASH_SOURCE[0]}")/symbols.txt
shown=$(nm -D --defined-only --format=posix "$BUILD_DIR/lib/libstream.so" | awk '{ print $1 }' | LC_ALL=C sort)
[ -n "$shown" ] || { echo "nm found no symbols in $BUILD_DIR/lib/libstream.so" >&2; exit 1; }

if [ "${LS_UPDATE:-0}" = 1 ]; then
  printf '%s\n' "$shown" >"$list"
  exit 0
fi
if ! diff -u --label symbols.txt "$list" --label libstream.so <(printf '%s\n' "$shown"); then
  echo "the exported symbols have changed; if this is meant: LS_UPDATE=1 ./dev test -R abi_symbols" >&2
  exit 1
fi
