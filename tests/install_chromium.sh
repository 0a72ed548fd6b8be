#!/bin/sh
# Makes sure that the browser tests find a Chromium: quick when there is one, installs Debian's when
# that needs no question, and otherwise says how. In CI, where nobody reads, a missing one fails.
set -u

# The same names as in tests/browser.py.
for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
    if [ -n "$name" ] && command -v "$name" >/dev/null 2>&1; then
        exit 0
    fi
done

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing Chromium for the browser tests."
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    if apt-get update >"$log" 2>&1 \
        && apt-get install --yes --no-install-recommends chromium >>"$log" 2>&1 \
        && command -v chromium >/dev/null 2>&1; then
        rm -f "$log"
        exit 0
    fi
    tail -n 20 "$log"
    rm -f "$log"
fi

echo "There is no Chromium, so browser tests cannot run."
echo "On Debian: sudo apt-get install chromium. Elsewhere: CHROMIUM=/path/to/chromium make test."
[ "${CI:-}" != true ]
