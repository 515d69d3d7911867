#!/bin/sh
# Writes src/api.ts, or the file named as $1, from the OpenAPI document of the Python package.
set -eu
cd "$(dirname "$0")/.."
document="$(mktemp)"
trap 'rm -f "$document"' EXIT
(cd .. && "${PYTHON:-python}" -m jupyter_gpuctl.routes) >"$document"
openapi-typescript "$document" --output "${1:-src/api.ts}"
