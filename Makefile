.DEFAULT_GOAL := help
.PHONY: help demo test long lint bench reference clean

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1 \t/p' $(MAKEFILE_LIST) | expand -t 18

demo: ## Run the whole story on a cloud on this machine
	@scripts/bootstrap.sh && .venv/bin/invoke sandbox.demo

test: ## Set everything up, and run all checks and tests
	@scripts/bootstrap.sh --dev && scripts/test.sh

long: ## Run only the long tests: three hosts, Debian 12, pretalx
	@scripts/bootstrap.sh --dev && scripts/test.sh --long

lint: ## Run the linters and the type checker alone
	@scripts/bootstrap.sh --dev --no-engine && scripts/lint.sh

bench: ## Measure a deploy beside its peers, in one run
	@scripts/bootstrap.sh --dev && .venv/bin/python -m bench.deploy

reference: ## Write docs/reference.md from the code
	@.venv/bin/python -m slipway.reference >.state/reference.md && mv .state/reference.md docs/reference.md

clean: ## Remove sandbox, local site and .venv; ./data stays
	@scripts/clean.sh

.DEFAULT:
	@echo "there is no 'make $@'; take one of these:" >&2; $(MAKE) --no-print-directory help >&2; exit 2
