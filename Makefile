# Needs Python 3.11 to 3.13, pip and make; nothing else. Another interpreter: make demo PYTHON=python3.12
# Which package index is used is a matter of your own pip configuration: no file here names one.

PYTHON ?= python3
VENV ?= .venv
UV ?= uv
UPGRADE ?=
# Processes that share the tests, file by file; WORKERS=0 runs them in this one, for a debugger.
WORKERS ?= auto

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# The lock is the whole closure, so pip resolves nothing: before 23.3 it takes an extra of a locked package (coverage[toml])
# for an unpinned requirement as soon as the index holds a newer version. `pip check` says if the closure had a hole.
INSTALL_LOCKED := pip --disable-pip-version-check install --quiet --no-deps --require-hashes --only-binary :all:
LOCKED := $(BIN)/python -m $(INSTALL_LOCKED)
TESTS := python -m pytest -q -n $(WORKERS) --dist loadfile -m "not slow and not service and not browser"

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo check test test-services test-browser test-wheel test-lowest proof mutants bench docs reference samples lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' $(firstword $(MAKEFILE_LIST)) | expand -t 24

setup: $(VENV)/.stamp-dev ## environment with everything that make check and make test need

demo: $(VENV)/.stamp-runtime ## simulate, train and evaluate on 100,000 synthetic sessions
	$(BIN)/cpz demo

check: $(VENV)/.stamp-dev ## style, types and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/basedpyright --warnings
	$(BIN)/lint-imports

# A missing server or browser skips its tests; with CPZ_REQUIRE_SERVICES=1 it fails them.
test: $(VENV)/.stamp-dev ## every test that needs no server and no browser and is no slow proof
	$(BIN)/$(TESTS)

test-services: $(VENV)/.stamp-dev ## tests that start a server of their own: redis-server
	$(BIN)/python -m pytest -q -m "service and not slow" tests

test-browser: $(VENV)/.stamp-dev ## report pages in a headless Chromium
	$(BIN)/python -m pytest -q -m "browser and not slow" tests

# No test tool, no editable install, and a folder without the sources.
test-wheel: $(VENV)/.stamp-dev ## the wheel in a bare environment: cpz demo
	rm -rf build/wheel
	$(BIN)/python -m hatchling build --target wheel --directory build/wheel
	$(PYTHON) -m venv build/wheel/venv
	build/wheel/venv/bin/python -m $(INSTALL_LOCKED) -r requirements/runtime.txt
	build/wheel/venv/bin/python -m pip install --quiet --no-index --no-deps build/wheel/*.whl
	build/wheel/venv/bin/python -m pip check --quiet
	cd build/wheel && env -u PYTHONPATH venv/bin/cpz demo --sessions 5000

# lowest.txt holds Python 3.11's: older NumPy and SciPy have no wheels for 3.13.
test-lowest: requirements/dev.txt requirements/lowest.txt ## make test on the least versions that pyproject.toml declares; on Python 3.11
	$(PYTHON) -m venv --clear $(VENV)-lowest
	$(VENV)-lowest/bin/python -m $(INSTALL_LOCKED) -r requirements/dev.txt
	$(VENV)-lowest/bin/python -m $(INSTALL_LOCKED) -r requirements/lowest.txt
	$(VENV)-lowest/bin/python -m pip install --quiet --no-index --no-deps --no-build-isolation --editable .
	$(VENV)-lowest/bin/$(TESTS)

proof: $(VENV)/.stamp-dev ## the slow statistical proofs
	$(BIN)/python -m pytest -q -m slow

mutants: $(VENV)/.stamp-mutants ## do the fast tests notice broken code? a sample a folder, tests/mutation/; hours
	$(BIN)/python -m tools.mutation

bench: $(VENV)/.stamp-dev ## slower than the baseline? then every benchmark, one JSON document each
	$(BIN)/cpz bench --suite smoke --baseline benchmarks/baseline-smoke.json
	@set -e; for script in benchmarks/[a-z]*.py; do echo "== $$script" >&2; $(BIN)/python $$script; done

docs: $(VENV)/.stamp-docs ## the documentation as a site in site/; a warning is an error
	$(BIN)/zensical build --clean --strict

reference: $(VENV)/.stamp-dev ## option tables and JSON schemas in docs/, from the code
	$(BIN)/python tools/reference.py

samples: $(VENV)/.stamp-dev ## each command's real output in README.md and docs/; some three minutes
	$(BIN)/python tools/sample_outputs.py

# One version of each package on all three Pythons (fork-strategy fewest). dev.txt and docs.txt are held
# to what runtime.txt chose, so that tests run on what users run.
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-header --no-annotate --no-emit-index-url

lock: ## write requirements/*.txt; UPGRADE=--upgrade takes the newest versions (needs uv)
	@command -v $(UV) >/dev/null || { echo "make lock needs uv: pip install uv, or make lock UV=path/to/uv" >&2; exit 1; }
	$(LOCK) $(UPGRADE) pyproject.toml --extra serve --group build --output-file requirements/runtime.txt
	$(LOCK) $(UPGRADE) pyproject.toml --extra serve --group dev --constraints requirements/runtime.txt --output-file requirements/dev.txt
	$(LOCK) $(UPGRADE) --resolution lowest-direct pyproject.toml --all-extras --output-file requirements/lowest.txt
	$(LOCK) $(UPGRADE) --group docs --constraints requirements/dev.txt --output-file requirements/docs.txt
	$(LOCK) $(UPGRADE) --group mutants --constraints requirements/dev.txt --output-file requirements/mutants.txt

clean: ## remove the environment and everything that was generated
	rm -rf $(VENV) $(VENV)-lowest site dist build .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage

# --- environment; a stamp is newer than all it was made from, so repeats cost nothing ---

$(VENV)/.stamp-python:
	@$(PYTHON) -c "" 2>/dev/null || { echo "$(PYTHON) is not there. Install Python 3.11 to 3.13, or name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))" || { echo "cpz needs Python 3.11 to 3.13, but $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c "import venv, ensurepip" 2>/dev/null || { echo "$(PYTHON) has no venv module. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.stamp-runtime: $(VENV)/.stamp-python requirements/runtime.txt pyproject.toml
	$(LOCKED) -r requirements/runtime.txt
	$(INSTALL_CPZ)
	@touch $@

$(VENV)/.stamp-dev: $(VENV)/.stamp-python requirements/dev.txt pyproject.toml
	$(LOCKED) -r requirements/dev.txt
	$(INSTALL_CPZ)
	@touch $@

$(VENV)/.stamp-mutants: $(VENV)/.stamp-dev requirements/mutants.txt
	$(LOCKED) --no-binary yattag -r requirements/mutants.txt # which has no wheel
	@touch $@

$(VENV)/.stamp-docs: $(VENV)/.stamp-python requirements/docs.txt
	$(LOCKED) -r requirements/docs.txt
	@$(PIP) check --quiet
	@touch $@

# The build backend is in the lock, so this step needs no index.
define INSTALL_CPZ
$(PIP) install --quiet --no-index --no-deps --no-build-isolation --editable .
@$(PIP) check --quiet
@$(BIN)/python -c "import lightgbm" || { echo "LightGBM needs the OpenMP runtime. Debian, Ubuntu: apt-get install libgomp1; macOS: brew install libomp" >&2; exit 1; }
endef
