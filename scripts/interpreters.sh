#!/usr/bin/env bash
# Import Keelmark and run the fast core tests on every other supported interpreter found here.
# One that is absent, or whose packages cannot be had, is named and skipped; a failing test is not.
set -euo pipefail
cd "$(dirname "$0")/.."
export UV_PYTHON_DOWNLOADS=never
uv=$(command -v uv || echo .venv/bin/uv)
current=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')

find_version() {
  local candidate
  for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
    "$candidate" -c 'import sys; print(sys.executable)' 2>/dev/null && return
  done
  return 1
}

for version in 3.11 3.12 3.13 3.14; do
  [ "$version" != "$current" ] || continue
  python=$(find_version "$version") || { echo "python $version: not found, skipped"; continue; }
  environment=.venvs/$version
  if ! UV_PROJECT_ENVIRONMENT=$environment timeout 240 \
    "$uv" sync --frozen --quiet --no-default-groups --group test --python "$python"; then
    echo "python $version: packages not available, skipped"
    continue
  fi
  echo "python $version"
  "$environment/bin/python" -c 'import keelmark'
  if [ -n "$(find tests/core -name 'test_*.py' 2>/dev/null)" ]; then
    KEELMARK_HYPOTHESIS=check "$environment/bin/pytest" -q -n 2 --dist worksteal tests/core -m "not slow and not real_data and not nightly"
  fi
done
