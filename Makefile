# The front door. `make` alone lists what there is. Every target first checks its set-up (in well under two seconds
# when nothing changed), so nothing has to be installed by hand.

PYTHON ?= python3
VENV := .venv/bin
SPEC ?= images/quickstart.yml
ARGS ?=
TIERS ?=
# Baking needs root. Without sudo the command itself says so.
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)
KEEP_ENV := --preserve-env=GPUFORGE_WORK_DIR,SOURCE_DATE_EPOCH,NO_COLOR,http_proxy,https_proxy,no_proxy

.DEFAULT_GOAL := help
.PHONY: help setup setup-bake setup-slow bake test test-slow lint format docs bench gpuforge-node collection requirements clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  make bake SPEC=images/quickstart.yml ARGS="--json"       another spec, options of the command'
	@echo '  make test TIERS="unit wrapper"                           some tiers only'

setup: ## Install everything that `make test` needs
	@$(PYTHON) scripts/setup.py test

setup-bake: # what `make bake` needs
	@$(PYTHON) scripts/setup.py bake

setup-slow: # what `make test-slow` needs
	@$(PYTHON) scripts/setup.py slow

bake: setup-bake ## Bake, boot and check the image of SPEC
	@$(if $(SUDO),$(SUDO) $(KEEP_ENV)) $(VENV)/gpuforge bake $(SPEC) $(ARGS)

test: setup ## Every tier: lint, unit, wrapper, integration, molecule, image
	@$(VENV)/python scripts/test.py $(TIERS)

test-slow: setup-slow ## The slow tier: Debian 13's module, the comparison with Packer, two cold bakes
	@$(VENV)/python scripts/test.py slow

lint: setup ## Every linter, all findings
	@$(VENV)/python scripts/lint.py

format: setup ## Let ruff lay out the Python files
	@$(VENV)/ruff check --fix --quiet . ; $(VENV)/ruff format .

docs: setup ## Write docs/modules and the roles' README.md from their own specs
	@$(VENV)/python scripts/docs.py

bench: setup-slow ## Measure bakes, as in docs/numbers.md: ARGS=times, packer, twice or help
	@$(if $(SUDO),$(SUDO) $(KEEP_ENV)) $(VENV)/python tests/bench/bake.py $(ARGS)

gpuforge-node: ## Write the on-node program dist/gpuforge-node (needs nothing but Python)
	@$(PYTHON) scripts/gpuforge_node.py dist/gpuforge-node

collection: setup-bake ## Build the collection's artifact into dist/
	@$(VENV)/ansible-galaxy collection build --force --output-path dist

requirements: setup ## Pin requirements/*.in again, with hashes
	@$(VENV)/python scripts/pin.py

clean: ## Remove what can be made again in minutes; names the caches it leaves
	@rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .ansible
	@find . -path ./.venv -prune -o -path ./.gpuforge -prune -o -name __pycache__ -type d -print0 | xargs -0 -r rm -rf
	@for kept in .venv .gpuforge; do \
	  if [ -e "$$kept" ]; then echo "kept: $$kept ($$(du -sh "$$kept" 2>/dev/null | cut -f1)); remove it yourself if you mean it"; fi; \
	done
