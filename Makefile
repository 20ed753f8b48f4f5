# Everything needs only Python 3.11 or later, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SPARK_READY := $(VENV)/.spark-ready
BAYES_READY := $(VENV)/.bayes-ready
DEMO_OUT ?= demo

.PHONY: help demo test test-slow test-spark test-bayes notebooks docs reference check axe format lock clean

help:
	@echo "make demo       synthetic claims, four measures, reports (in $(DEMO_OUT)/)"
	@echo "make test       the tests"
	@echo "make test-slow  the tests that take minutes"
	@echo "make test-spark the same claims on Spark and DuckDB, hash for hash (needs Java 17; three minutes)"
	@echo "make test-bayes the Bayesian cross-check (installs PyMC; minutes)"
	@echo "make notebooks  all notebooks in full, with plots, in notebooks/html"
	@echo "make docs       the documentation site, in .make/site; make reference: its generated pages"
	@echo "make bench      the model against its peers, on simulated data (half an hour); bench-quick: two minutes"
	@echo "make bench-coverage  how often interval estimates hold the true rate, on simulated data (five minutes)"
	@echo "make bench-report  facility reports a minute, and where the time goes (two minutes)"
	@echo "make bench-claims  reading and claims steps against bare scans, pandas and polars (half an hour; needs 5 GB of disk)"
	@echo "make bench-nation  five million people from nothing to reports (two hours, 40 GB of disk)"
	@echo "make bench-evidence  bias, coverage, flags and power on simulated years of the four measures (two hours)"
	@echo "make bench-implementations  the same model by lme4, glmmTMB, GPBoost and glmmPQL, on published and simulated data (half an hour)"
	@echo "make bench-peers  install the peers of the benchmark in an environment of their own"
	@echo "make axe        axe-core from npm, for the accessibility test"
	@echo "make check      ruff, pyright, import rules, definitions"
	@echo "make format     format the code"
	@echo "make lock       renew requirements.lock from pyproject.toml (needs uv)"

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || (echo "Python 3.11 or later is needed; set PYTHON=" >&2; exit 1)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

demo: $(READY)
	$(BIN)/riskstd demo --out $(DEMO_OUT) --overwrite

include bench/peers.mk

test: $(READY)
	$(BIN)/python -m pytest -n auto -m "not slow and not spark"

$(SPARK_READY): $(READY) requirements-spark.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-spark.lock
	@touch $(SPARK_READY)

test-spark: $(SPARK_READY)
	JDK_JAVA_OPTIONS=-XX:TieredStopAtLevel=1 RISKSTD_REQUIRE_SPARK=1 $(BIN)/python -m pytest tests/spark -m spark

$(BAYES_READY): $(READY) requirements-bayes.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-bayes.lock
	@touch $(BAYES_READY)

test-bayes: $(BAYES_READY)
	RISKSTD_REQUIRE_BAYES=1 $(BIN)/python -m pytest tests/bayes

notebooks: $(READY)
	$(BIN)/python notebooks/run.py --out notebooks/html

docs: $(READY)
	$(BIN)/python docs/generate --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

reference: $(READY)
	$(BIN)/python docs/generate

test-slow: $(READY)
	$(BIN)/python -m pytest -n auto -m slow

axe: .make/axe/node_modules/axe-core/axe.min.js

.make/axe/node_modules/axe-core/axe.min.js:
	npm install --silent --no-audit --no-fund --prefix .make/axe axe-core@4.10.3

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright
	$(BIN)/riskstd spec check

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:
	uv pip compile --universal --generate-hashes --python-version 3.11 --group dev pyproject.toml -o requirements.lock --no-header

clean:
	rm -rf $(VENV) $(DEMO_OUT) .pytest_cache .ruff_cache .hypothesis .import_linter_cache
