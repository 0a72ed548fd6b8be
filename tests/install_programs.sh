#!/bin/sh
# Makes sure that tests find the programs that no package of Python has: quick when they are there,
# installs Debian's when that needs no question, and otherwise says how. In CI, where nobody reads, a
# missing one fails.
set -u

missing=""

has() {
    command -v "$1" >/dev/null 2>&1
}

# The same names as in tests/browser.py.
is_browser_there() {
    for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
        [ -n "$name" ] && has "$name" && return 0
    done
    return 1
}

is_browser_there || missing="$missing chromium"
has curl || missing="$missing curl"
has php && php -r 'exit(extension_loaded("curl") ? 0 : 1);' || missing="$missing php-cli php-curl"
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ] && has apt-get; then
    echo "Installing for the tests:$missing."
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    # shellcheck disable=SC2086 # a list of names
    if apt-get update >"$log" 2>&1 \
        && apt-get install --yes --no-install-recommends $missing >>"$log" 2>&1; then
        rm -f "$log"
        exit 0
    fi
    tail -n 20 "$log"
    rm -f "$log"
fi

echo "Some tests cannot run without:$missing."
echo "On Debian: sudo apt-get install$missing. Elsewhere: install the like; CHROMIUM=/path/to/chromium names one."
[ "${CI:-}" != true ]
