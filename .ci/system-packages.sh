#!/bin/sh
# Installs the Debian packages that building and testing need, where they are missing and we may.
set -eu

missing=
need() {
    command -v "$1" > /dev/null 2>&1 || missing="$missing $2"
}
need chromium chromium
need dockerd docker.io
need gcc "gcc libc6-dev"
need git git
need node nodejs
need npm npm

[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null 2>&1; then
    echo "Installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086  # a list of packages
    apt-get install -y -qq --no-install-recommends $missing > /dev/null
else
    echo "Not installed here:$missing. What needs them will be skipped or fail by name." >&2
fi
