#!/bin/sh
# What docs/SDK.md promises, from an installed library: a plugin of a user's own built with find_package and with
# plain gcc, a program of a user's own linked with find_package and with pkg-config, and the two together.
set -eu
: "${BUILD_DIR:?}" "${SOURCE_DIR:?}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
plugin=$SOURCE_DIR/tests/sdk/plugin
program=$SOURCE_DIR/tests/sdk/program

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# A sanitised library needs programs built the same way.
sanitize=$(sed -n 's/^LS_SANITIZE:[A-Z]*=//p' "$BUILD_DIR/CMakeCache.txt")
flags=${sanitize:+-fsanitize=$sanitize}
CFLAGS=$flags
LDFLAGS=$flags
export CFLAGS LDFLAGS

cmake --install "$BUILD_DIR" --prefix "$prefix" >"$work/install.log" || fail "install: $(tail -5 "$work/install.log")"
cmp "$SOURCE_DIR/configs/libstream.schema.json" "$prefix/share/libstream/libstream.schema.json" || fail "the JSON Schema is not installed"
libdir=$(dirname "$(find "$prefix" -name libstream.pc)")/..
PKG_CONFIG_PATH=$libdir/pkgconfig
export PKG_CONFIG_PATH

build() { # source directory, build directory: as docs/SDK.md says
  cmake -S "$1" -B "$2" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release >"$2.log" 2>&1 &&
    cmake --build "$2" >>"$2.log" 2>&1 || fail "$1: $(tail -20 "$2.log")"
}
exports() { # no other symbol gets out; a sanitizer adds some of its own
  nm -D --defined-only "$1" | awk '{ print $3 }' | grep -v -E '^(__asan|__odr_asan|__ubsan|__tsan)' || true
}

# 1. the plugin, by CMake; its own unit test
build "$plugin" "$work/plugin"
so=$work/plugin/lib/libstream/udf/fx.so
[ -f "$so" ] || fail "libstream_add_udf made no $so"
[ "$(exports "$so")" = ls_udf_entry_v1 ] || fail "fx.so exports: $(exports "$so")"
ctest --test-dir "$work/plugin" --output-on-failure >"$work/ctest.log" || fail "$(cat "$work/ctest.log")"

# 2. the plugin, by hand
mkdir -p "$work/by_hand"
# shellcheck disable=SC2046,SC2086 # lists of flags
gcc -std=c11 -O2 -Wall -Wextra -Werror -fPIC -shared -fvisibility=hidden $flags $(pkg-config --cflags libstream) \
  "$plugin/fx.c" -o "$work/by_hand/fx.so"
[ "$(exports "$work/by_hand/fx.so")" = ls_udf_entry_v1 ] || fail "by hand, fx.so exports too much"

# 3. a program, both ways
version=$(pkg-config --modversion libstream)
build "$program" "$work/program"
# shellcheck disable=SC2046,SC2086
gcc -std=c11 -O2 -Wall -Wextra -Werror $flags $(pkg-config --cflags libstream) "$program/program.c" \
  $(pkg-config --libs libstream) -Wl,-rpath,"$libdir" -o "$work/by_pkg_config"
for run in "$work/program/program" "$work/by_pkg_config"; do
  [ "$("$run")" = "$version" ] || fail "$run does not print $version"
done

# 4. together: the program replays a topology that calls the plugin, built one way and the other
orders() {
  echo '{"order_id":"a","amount":"10.00","rate":"1.0825","ordered_at":"2026-03-01T00:00:00Z"}'
  echo '{"order_id":"b","amount":"-3.33","rate":"0.5","ordered_at":"2026-03-01T00:00:01Z"}'
}
want='{"order_id":"a","euro":"10.82"}
{"order_id":"b","euro":"-1.66"}'
for dir in "$work/plugin/lib/libstream/udf" "$work/by_hand"; do
  lake=$work/lake
  rm -rf "$lake"
  mkdir -p "$lake/orders"
  orders >"$lake/orders/1.jsonl"
  "$work/program/program" "$plugin/fx.yaml" "$dir" "$lake" || fail "the replay with $dir"
  got=$(cat "$lake"/euro/*.jsonl)
  [ "$got" = "$want" ] || fail "the replay with $dir gave: $got"
done

# 5. the guide shows what was built here
"$SOURCE_DIR/tests/sdk/guide_shows.py" "$SOURCE_DIR/docs/SDK.md" "$plugin/fx.c" "$plugin/test_fx.c" \
  "$plugin/CMakeLists.txt" "$plugin/fx.yaml" "$program/program.c" "$program/CMakeLists.txt"
echo "it_sdk_plugin: ok"
