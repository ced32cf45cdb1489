#!/usr/bin/env bash
# Remove what demo and tests have made: sandbox, local site, the engine that was started for
# them, .venv and caches. ./data and env/*.env stay.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -x .venv/bin/invoke ] && docker info >/dev/null 2>&1; then
    .venv/bin/invoke local.down
    .venv/bin/invoke sandbox.down --yes
fi
scripts/bootstrap.sh --stop-engine
rm -rf .venv .state .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
