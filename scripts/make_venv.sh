#!/usr/bin/env bash
# Make a virtual environment with the first Python that Pumice runs on.
# usage: make_venv.sh FOLDER [PYTHON]
set -euo pipefail

folder=$1
wanted=${2:-}

suits() {
  "$1" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null
}

found=
for candidate in ${wanted:-python3.13 python3.12 python3.11 python3}; do
  if suits "$candidate"; then
    found=$candidate
    break
  fi
done

if [ -z "$found" ]; then
  echo "error: no Python 3.11 or later among: ${wanted:-python3.13 python3.12 python3.11 python3}" >&2
  echo "  install one (Debian 12: apt-get install python3 python3-venv), or name one: make PYTHON=/path/to/python3" >&2
  exit 1
fi

if ! "$found" -c 'import ensurepip, venv' 2>/dev/null; then
  echo "error: $("$found" --version) cannot make virtual environments" >&2
  echo "  install its venv module (Debian 12: apt-get install python3-venv)" >&2
  exit 1
fi

echo "making $folder with $("$found" --version)"
"$found" -m venv "$folder"
