#!/usr/bin/env bash
# Run every linter: Python, types, Ansible, Dockerfiles, shell scripts.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PWD/.venv/bin:$PATH

run() {
    echo "lint: $*"
    "$@"
}

mapfile -t dockerfiles < <(git ls-files --cached --others --exclude-standard '*Dockerfile')
mapfile -t scripts < <(git grep --untracked -lE '^#!(/usr/bin/env bash|/bin/bash|/bin/sh)' -- ':!*.md')
run ruff check --quiet
run ruff format --quiet --check
run mypy --no-error-summary
run shellcheck --external-sources "${scripts[@]}"
run hadolint "${dockerfiles[@]}"
cd ansible
run ansible-lint --offline -q --profile production
