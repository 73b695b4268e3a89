#!/usr/bin/env bash
# Install what some tests drive, a PostgreSQL server and a browser, where that is ours to do: as root
# on a system with Debian's packages. Elsewhere, or if it fails, those tests skip and say why.
set -euo pipefail

missing=()
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || missing+=(postgresql)
command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "not installed here: ${missing[*]}; the tests that need them skip"
  exit 0
fi

export DEBIAN_FRONTEND=noninteractive
apt=(apt-get -q -y -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0)
log=$(mktemp)
for attempt in 1 2 3; do
  if timeout 120 "${apt[@]}" update >"$log" 2>&1 &&
    timeout 300 "${apt[@]}" install --no-install-recommends "${missing[@]}" >>"$log" 2>&1; then
    rm -f "$log"
    echo "installed: ${missing[*]}"
    exit 0
  fi
  sleep $((5 * attempt))
done
tail -n 20 "$log"
echo "could not install ${missing[*]}; the tests that need them skip"
