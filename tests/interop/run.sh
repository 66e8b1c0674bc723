#!/bin/sh
# Run one interoperability check (opencti, misp or taxii), or all of them, each in its own environment from its lock.
set -eu
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}

check() {
  home=.venv-interop/$1
  if ! cmp -s "requirements/interop-$1.lock" "$home/installed.lock"; then
    rm -rf "$home"
    "$python" -m venv "$home"
    "$home/bin/python" -m pip install --quiet --require-hashes -r "requirements/interop-$1.lock"
    cp "requirements/interop-$1.lock" "$home/installed.lock"
  fi
  bundles=$(mktemp -d)
  "$python" tests/interop/bundles.py "$1" "$bundles"
  "$home/bin/python" "tests/interop/$1.py" "$bundles"
  rm -rf "$bundles"
}

case ${1:-all} in
  all) for name in opencti misp taxii; do check "$name"; done ;;
  opencti | misp | taxii) check "$1" ;;
  *) echo "usage: $0 [opencti|misp|taxii|all]" >&2; exit 2 ;;
esac
