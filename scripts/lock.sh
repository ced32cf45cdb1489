#!/usr/bin/env bash
# Write the locks anew, after a change of pyproject.toml or with --upgrade: versions and hashes
# for every platform, and no address, so that they hold behind any package index.
set -euo pipefail
cd "$(dirname "$0")/.."

# What this machine's uv is configured with may know packages that nobody else can get.
lock() {
    .venv/bin/uv pip compile --quiet --no-config --universal --generate-hashes \
        --no-emit-index-url --no-header --no-annotate "$@"
}

[ -x .venv/bin/uv ] || { echo 'lock: run scripts/bootstrap.sh first' >&2 && exit 1; }
lock "$@" pyproject.toml --output-file requirements.txt
lock "$@" pyproject.toml --group dev --constraint requirements.txt --output-file requirements-dev.txt
echo "$(grep -c == requirements.txt) packages, with development $(grep -c == requirements-dev.txt)"
