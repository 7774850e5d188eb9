# The first two targets are all a newcomer needs: `make quickstart` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BIND ?= 127.0.0.1:8000
# a third of the time tests wait for servers, browsers and processes of their own: three fill two cores
WORKERS ?= 3
PYTEST_OPTIONS ?=

.PHONY: quickstart test lint bench screenshots soak clean

# Compiled once: where PYTHONDONTWRITEBYTECODE is set, or for a user who may not write here, each command would compile
# what it imports anew.
COMPILE := $(BIN)/python -m compileall -q backups backupsite destinations

quickstart: $(VENV)/.runtime
	@$(COMPILE)
	@$(BIN)/python manage.py quickstart --bind $(BIND)

# pytest compiles the tests in a way of its own, and would do so in each of its processes
test: $(VENV)/.dev
	@$(COMPILE)
	@$(BIN)/python -m compileall -q -x '/test_[^/]*$$' tests
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(PYTEST_OPTIONS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	HTTPS=true $(BIN)/python manage.py check --deploy --fail-level ERROR

# QUICK=1: small sizes and one round, for use while developing
bench: $(VENV)/.runtime
	$(BIN)/python scripts/bench.py $(if $(QUICK),--quick)

screenshots: $(VENV)/.dev
	$(BIN)/python scripts/screenshots.py

soak: $(VENV)/.dev
	$(BIN)/python scripts/soak.py
	$(BIN)/python scripts/soak_schedules.py
	$(BIN)/python scripts/soak_schedules.py --postgres
	$(BIN)/python scripts/soak_retention.py
	$(BIN)/python scripts/soak_cadence.py
	BACKUPSITE_SOAK=20 $(BIN)/python -m pytest -m soak

$(VENV)/.runtime: requirements.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.dev: $(wildcard requirements*.txt)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/.runtime

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
