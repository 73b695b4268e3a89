#!/usr/bin/env bash
# Bring .venv to exactly what uv.lock names: with the uv on PATH, else with a pinned uv kept in .venv.
set -euo pipefail
cd "$(dirname "$0")/.."
export UV_PYTHON_DOWNLOADS=never
readonly uv_pinned="uv==0.13.8"

stop() {
  printf 'keelmark setup: %s\n' "$@" >&2
  exit 1
}

# Print the first interpreter the lock file has packages for; a venv's own python gives its base.
find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.14 python; do
    "$candidate" - 2>/dev/null <<'PYTHON' && return
import sys
if not (3, 11) <= sys.version_info[:2] <= (3, 14):
    raise SystemExit(1)
print(getattr(sys, "_base_executable", sys.executable))
PYTHON
  done
  return 1
}

python=$(find_python) || stop \
  "no Python from 3.11 to 3.14 found (python3 is: $(python3 --version 2>/dev/null || echo absent))" \
  "install one, for instance 'sudo apt install python3 python3-venv', or name it: make PYTHON=/path/to/python3.12"

if uv --version >/dev/null 2>&1; then
  uv=uv
else
  uv=.venv/bin/uv
  if ! "$uv" --version >/dev/null 2>&1; then
    "$python" -c 'import ensurepip, venv' 2>/dev/null || stop \
      "$python comes without venv and ensurepip, so no environment can be made" \
      "on Debian and Ubuntu: 'sudo apt install python3-venv' (or python3.x-venv, x as above); or install uv: https://docs.astral.sh/uv"
    "$python" -m venv --clear .venv
    .venv/bin/python -m pip install --quiet "$uv_pinned" || stop \
      "pip could not install $uv_pinned; is the package index reachable?"
  fi
  python=.venv/bin/python
fi

"$uv" sync --frozen --quiet --python "$python"
