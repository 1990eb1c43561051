# Everything a fresh machine needs beyond Python 3.11 (or newer) and make is set up here.
PYTHON ?= python3
BIN = .venv/bin
DEMO_BIN = .venv-demo/bin

# A worker a core, each with sandboxes, ports and folders of its own; one that is through takes over what others have left.
# A single test: .venv/bin/pytest -k NAME
PARALLEL = -n auto --dist worksteal

.PHONY: install demo test test-fast pyairbyte torture fuzz attacks long resume image-test destination-test statements statements-test statements-torture audit bench docs lint lock clean

install: .venv/installed

demo: .venv-demo/installed
	$(DEMO_BIN)/python -m integration_tests.demo

test: .venv/installed
	$(BIN)/pytest $(PARALLEL)

# The unit tests, and all streams read once.
test-fast: .venv/installed
	$(BIN)/pytest $(PARALLEL) unit_tests integration_tests/test_streams.py

pyairbyte: .venv/installed .venv-demo/installed
	$(BIN)/pytest integration_tests/test_pyairbyte.py -m pyairbyte

# The convergence property, thousands of times: about a second an example.
torture: .venv/installed
	TORTURE_EXAMPLES=$${TORTURE_EXAMPLES:-2000} $(BIN)/pytest $(PARALLEL) integration_tests/test_convergence.py --timeout 0

# Whatever comes from outside, in ways that nobody thought of; `make test` does the same with a hundred examples each.
fuzz: .venv/installed
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-10000} $(BIN)/pytest unit_tests/test_fuzz.py --timeout 0

# Every attack on the reading of long lists; `make test` has the scenarios that sank earlier cores, and a few lives.
# More lives: make attacks LIVES=500
attacks: .venv/installed
	LIVES=$${LIVES:-100} $(BIN)/pytest integration_tests/test_long_lists_attacks.py integration_tests/test_long_lists_lives.py integration_tests/test_limits.py \
		-m "attacks or not attacks" --timeout 120

# Memory and time of lists of millions. An hour.
long: .venv/installed
	$(BIN)/pytest -m long integration_tests/test_long_lists_large.py --timeout 0 -rxX

# A first read of 200,000 rows, killed at random moments; `make test` does the same with fewer. A few minutes.
resume: .venv/installed
	RESUME_FULL=1 $(BIN)/pytest integration_tests/test_resume.py -s

# This source beside its peers; writes docs/performance.md. A quick try: make bench ROUNDS=1 SCALE=0.1
ROUNDS ?= 5
SCALE ?= 1
bench: .venv/installed .venv-bench-chart/installed .venv-bench-dlt/installed .venv-bench-singer/installed
	.venv-bench-chart/bin/python -m benchmarks --rounds $(ROUNDS) --scale $(SCALE)

# Tables and diagrams of docs/, from the manifest and the schemas.
docs: .venv/installed
	$(BIN)/python scripts/make_docs.py
	$(BIN)/python scripts/make_lineage.py

# The image, built and run by a container engine that the tests start: root, and Debian's docker.io and debootstrap.
image-test: .venv/installed .venv-demo/installed
	$(BIN)/pytest -m image_tests integration_tests/image -rsx --timeout 900

# Two syncs into a PostgreSQL that the tests start: Debian's postgresql.
destination-test: .venv/installed .venv-demo/installed .venv-dbt/installed
	$(BIN)/pytest -m destination_tests integration_tests/destination -rs

# A profit and loss account and a balance sheet of a made-up company, in the terminal and as a page; see docs/statements.md.
statements: .venv-demo/installed .venv-dbt/installed
	$(DEMO_BIN)/python -m integration_tests.statements

# The dbt package on random companies, and on books in which one thing is wrong.
statements-test: .venv/installed .venv-dbt/installed
	$(BIN)/pytest -n 2 --dist loadfile -m statements integration_tests/statements -rs --timeout 1800

# The same with 300 companies.
statements-torture: .venv/installed .venv-dbt/installed
	STATEMENTS_BATCHES=$${STATEMENTS_BATCHES:-12} $(BIN)/pytest -m statements integration_tests/statements/test_companies.py --timeout 0

# Known vulnerabilities of everything that is locked. Exits with an error if the advisory service cannot be asked.
audit: .venv/installed
	$(BIN)/python scripts/audit.py requirements/*.txt

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Two environments: PyAirbyte, for the demo and `make pyairbyte`, pins some of the connector's dependencies otherwise.
.venv/installed: requirements/tools.txt requirements/build.txt requirements/dev.txt pyproject.toml
	$(PYTHON) scripts/make_venv.py .venv requirements/dev.txt
	touch $@

.venv-demo/installed: requirements/tools.txt requirements/build.txt requirements/demo.txt pyproject.toml
	$(PYTHON) scripts/make_venv.py .venv-demo requirements/demo.txt
	touch $@

# dbt, and what draws the plots.
.venv-dbt/installed: requirements/tools.txt requirements/build.txt requirements/dbt.txt requirements/dbt-without.in pyproject.toml
	UV_OVERRIDE=requirements/dbt-without.in $(PYTHON) scripts/make_venv.py .venv-dbt requirements/dbt.txt
	touch $@

# The peers and the chart each have an environment of their own.
.venv-bench-%/installed: benchmarks/requirements/%.txt requirements/tools.txt requirements/build.txt
	$(PYTHON) scripts/make_venv.py .venv-bench-$* $<
	touch $@

# Writes the locks anew from pyproject.toml and the *.in files; for maintainers.
LOCK = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-strip-extras \
	--no-header --no-emit-index-url --no-annotate
lock: .venv/installed
	$(LOCK) requirements/tools.in -o requirements/tools.txt
	$(LOCK) requirements/build.in -o requirements/build.txt
	$(LOCK) pyproject.toml -o requirements/run.txt
	$(LOCK) pyproject.toml --extra dev -o requirements/dev.txt
	$(LOCK) requirements/demo.in -o requirements/demo.txt
	UV_OVERRIDE=requirements/dbt-without.in $(LOCK) requirements/dbt.in -o requirements/dbt.txt
	for name in chart dlt singer; do $(LOCK) benchmarks/requirements/$$name.in -o benchmarks/requirements/$$name.txt || exit; done
	$(LOCK) requirements/sbom.in -o requirements/sbom.txt

clean:
	rm -rf .venv .venv-demo .venv-dbt .venv-bench-* demo_output statements_output bench_output build dist *.egg-info
