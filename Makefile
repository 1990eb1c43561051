# Everything a fresh machine needs beyond Python 3.11 (or newer) and make is set up here.
PYTHON ?= python3
.DEFAULT_GOAL = help
# Many tests start processes; where no compiled code is kept, each of them compiles the CDK anew for seconds.
unexport PYTHONDONTWRITEBYTECODE
BIN = .venv/bin
DEMO_BIN = .venv-demo/bin

# A worker a core, each with sandboxes, ports and folders of its own; one that is through takes over what others have left.
# A single test: .venv/bin/pytest -k NAME
PARALLEL = -n auto --dist worksteal

.PHONY: help install demo test test-fast test-slow test-installed test-lowest mutants snapshots dist site registry-tree release-check \
	image-name house hooks pyairbyte pages-test torture fuzz attacks long resume image-test destination-test statements statements-test statements-ci statements-torture audit bench docs lint lock clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: .venv/installed ## Set up .venv: everything that the tests and the linters need

demo: .venv-demo/installed ## A made-up company, from a local Sage double through PyAirbyte into DuckDB
	$(DEMO_BIN)/python -m integration_tests.demo

test: .venv/installed ## All tests: units, and the connector against the sandbox over HTTP (minutes)
	$(BIN)/pytest $(PARALLEL)

# What of them is left out above: full size where a smaller one tells the same, and further combinations.
test-slow: .venv/installed ## Those tests at full size and in all combinations (ten minutes)
	$(BIN)/pytest $(PARALLEL) -m slow

# The unit tests, and all streams read once.
test-fast: .venv/installed ## The unit tests, and all streams read once (a minute)
	$(BIN)/pytest $(PARALLEL) unit_tests integration_tests/test_streams.py

# As a user has it: the sdist, and the wheel that is made of it, with the source folder out of the way. Branch coverage is
# measured meanwhile and held. Other tests: make test-installed TESTS=unit_tests (coverage is then only told).
TESTS ?=
test-installed: .venv/installed ## Build sdist and wheel, run the tests against what was installed, hold the branch coverage
	$(BIN)/python scripts/test_installed.py $(TESTS)

# The oldest versions of the direct dependencies that pyproject.toml allows.
test-lowest: .venv-lowest/installed ## The quick tests with the lowest versions that are allowed (a minute)
	.venv-lowest/bin/pytest $(PARALLEL) unit_tests integration_tests/test_streams.py

# The modules whose faults lose data, broken in every small way. Some of them: make mutants MODULES="pages rows"
MODULES ?=
mutants: .venv-mutation/installed ## Mutation tests of the modules whose faults lose data, floor held: MODULES (an hour)
	.venv-mutation/bin/python scripts/mutants.py $(MODULES)

snapshots: .venv/installed ## Write anew what users' connections rest on: contract/*.json
	$(BIN)/python -m scripts.contract

dist: .venv/installed ## Build sdist and wheel from locked parts, into dist/
	$(BIN)/uv build --quiet --clear --build-constraints requirements/build.txt --require-hashes --out-dir dist

site: .venv-site/installed ## The documentation as a website, strict, into build/site (needs npm)
	.venv-site/bin/python scripts/make_site.py

registry-tree: .venv/installed ## The folder that a pull request to Airbyte's repository needs, into build/registry
	$(BIN)/python -m scripts.make_registry_tree

release-check: .venv/installed .venv-house/installed ## What would block a release of this commit: TAG
	$(BIN)/python -m scripts.release check $(TAG)

image-name: .venv/installed ## Give the image another name, everywhere: IMAGE
	$(BIN)/python -m scripts.release image $(IMAGE)

# What pull requests are looked at with besides lint; --offline: nothing is asked of GitHub.
house: .venv-house/installed ## Workflows (actionlint, shellcheck, zizmor) and changelog fragments
	PATH="$(CURDIR)/.venv-house/bin:$$PATH" .venv-house/bin/actionlint
	.venv-house/bin/zizmor --offline --quiet .github
	.venv-house/bin/towncrier build --draft --version next > /dev/null

hooks: .venv/installed .venv-house/installed ## Run lint and house before each commit of yours
	.venv-house/bin/pre-commit install

pyairbyte: .venv/installed .venv-demo/installed ## Through PyAirbyte into DuckDB (minutes)
	$(BIN)/pytest -n 2 --dist loadgroup integration_tests/test_pyairbyte.py integration_tests/test_sync.py -m pyairbyte

# Every block of README and docs/sage.md, copied and pasted into a fresh folder, twice.
pages-test: .venv/installed .venv-demo/installed ## Run the blocks of README and docs/sage.md as a reader does (minutes)
	$(BIN)/pytest integration_tests/test_pages_work.py -m pyairbyte

# The convergence property, thousands of times: about a second an example.
torture: .venv/installed ## Random changes, faults and kills, 2,000 times: TORTURE_EXAMPLES (half an hour)
	TORTURE_EXAMPLES=$${TORTURE_EXAMPLES:-2000} $(BIN)/pytest $(PARALLEL) integration_tests/test_convergence.py -m "slow or not slow" --timeout 0

# Whatever comes from outside, in ways that nobody thought of; `make test` does the same with a hundred examples each.
fuzz: .venv/installed ## Whatever comes from outside, in ways nobody thought of: FUZZ_EXAMPLES (half an hour)
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-10000} $(BIN)/pytest unit_tests/test_fuzz.py --timeout 0

# Every attack on the reading of long lists; `make test` has the scenarios that sank earlier cores, and a few lives.
# More lives: make attacks LIVES=500
attacks: .venv/installed ## Long lists that move, lie, refuse and are killed: LIVES (half an hour)
	LIVES=$${LIVES:-100} $(BIN)/pytest integration_tests/test_long_lists_attacks.py integration_tests/test_long_lists_lives.py integration_tests/test_limits.py \
		-m "attacks or not attacks" --timeout 120

# Memory and time of lists of millions. An hour.
long: .venv/installed ## Memory and time of lists of millions (an hour)
	$(BIN)/pytest -m long integration_tests/test_long_lists_large.py --timeout 0 -rxX

# A first read of 200,000 rows, killed at random moments; `make test` does the same with fewer. A few minutes.
resume: .venv/installed ## A first read of 200,000 rows, killed again and again (minutes)
	RESUME_FULL=1 $(BIN)/pytest integration_tests/test_resume.py -s

# This source beside its peers; writes docs/performance.md. A quick try: make bench ROUNDS=1 SCALE=0.1
# Beside another commit too: git worktree add /tmp/other COMMIT && make -C /tmp/other install && make bench BESIDE=/tmp/other
ROUNDS ?= 5
SCALE ?= 1
BESIDE ?=
bench: .venv/installed .venv-bench-chart/installed .venv-bench-dlt/installed .venv-bench-singer/installed ## Speed beside other readers; writes docs/performance.md: ROUNDS SCALE BESIDE (20 minutes)
	.venv-bench-chart/bin/python -m benchmarks --rounds $(ROUNDS) --scale $(SCALE) $(if $(BESIDE),--beside $(BESIDE))

# Schemas and rights of docs/sage-lists.json and the manifest; tables and diagrams of docs/ of these.
docs: .venv/installed ## Make schemas, rights, tables and diagrams from the manifest and docs/sage-lists.json
	$(BIN)/python -m scripts.make_schemas
	$(BIN)/python -m scripts.make_docs
	$(BIN)/python scripts/make_lineage.py

# The image, built and run by a container engine that the tests start: root, and Debian's docker.io and debootstrap.
image-test: .venv/installed .venv-demo/installed ## Build the image and run it (root, docker.io, debootstrap; minutes)
	$(BIN)/pytest -m image_tests integration_tests/image -rsx --timeout 900

# Two syncs into a PostgreSQL that the tests start: Debian's postgresql.
destination-test: .venv/installed .venv-demo/installed .venv-dbt/installed ## Two syncs into a PostgreSQL of its own (a minute)
	$(BIN)/pytest -n 2 --dist loadfile -m destination_tests integration_tests/destination -rs

# A profit and loss account and a balance sheet of a made-up company, in the terminal and as a page; see docs/statements.md.
statements: .venv-demo/installed .venv-dbt/installed ## A made-up company's profit and loss account and balance sheet, proven (minutes)
	$(DEMO_BIN)/python -m integration_tests.statements

# The dbt package on random companies, on books written by hand, and on books in which one thing is wrong; its SQL in the
# grammars of the warehouses that are not run here.
statements-test: .venv/installed .venv-dbt/installed .venv-dialects/installed ## The dbt package on random companies and on wrong books (minutes)
	$(BIN)/pytest -n 2 --dist loadfile -m statements integration_tests/statements -rs --timeout 1800

# What of it every change must pass.
statements-ci: .venv/installed .venv-dbt/installed ## The heart of statements-test, as CI does it (minutes)
	$(BIN)/pytest -n 2 --dist loadfile -m statements -rs --timeout 1800 \
		$(addprefix integration_tests/statements/test_,companies.py mutations.py scenarios.py)

# The same with 300 companies.
statements-torture: .venv/installed .venv-dbt/installed ## The same with 300 companies: STATEMENTS_BATCHES (half an hour)
	STATEMENTS_BATCHES=$${STATEMENTS_BATCHES:-12} $(BIN)/pytest -m statements integration_tests/statements/test_companies.py --timeout 0

# Known vulnerabilities of everything that is locked. Exits with an error if the advisory service cannot be asked.
audit: .venv/installed ## Known vulnerabilities of what is locked (seconds)
	$(BIN)/python scripts/audit.py requirements/*.txt

lint: .venv/installed ## ruff and mypy (seconds)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Two environments: PyAirbyte, for the demo and `make pyairbyte`, pins some of the connector's dependencies otherwise.
.venv/installed: requirements/tools.txt requirements/build.txt requirements/dev.txt pyproject.toml
	$(PYTHON) scripts/make_venv.py .venv requirements/dev.txt
	touch $@

.venv-demo/installed: requirements/tools.txt requirements/build.txt requirements/sync.txt pyproject.toml
	$(PYTHON) scripts/make_venv.py .venv-demo requirements/sync.txt
	touch $@

# Each of these is apart from what a release is made of.
.venv-%/installed: requirements/%.txt requirements/tools.txt requirements/build.txt pyproject.toml
	$(PYTHON) scripts/make_venv.py .venv-$* $<
	touch $@

.venv-lowest/installed: requirements/lowest/dev.txt requirements/tools.txt requirements/build.txt pyproject.toml
	$(PYTHON) scripts/make_venv.py .venv-lowest $<
	touch $@

# dbt, and what draws the plots; dbt for the warehouses that are not run here, and what knows their grammars.
.venv-dbt/installed .venv-dialects/installed: .venv-%/installed: requirements/%.txt requirements/dbt-without.in requirements/tools.txt requirements/build.txt pyproject.toml
	UV_OVERRIDE=requirements/dbt-without.in $(PYTHON) scripts/make_venv.py .venv-$* $<
	touch $@

# The peers and the chart each have an environment of their own.
.venv-bench-%/installed: benchmarks/requirements/%.txt requirements/tools.txt requirements/build.txt
	$(PYTHON) scripts/make_venv.py .venv-bench-$* $<
	touch $@

# Writes the locks anew from pyproject.toml and the *.in files; for maintainers.
LOCK = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-strip-extras \
	--no-header --no-emit-index-url --no-annotate $(if $(UPGRADE),--upgrade)
lock: .venv/installed ## Write the locks anew; UPGRADE=1 takes newer versions
	$(LOCK) requirements/tools.in -o requirements/tools.txt
	$(LOCK) requirements/build.in -o requirements/build.txt
	$(LOCK) pyproject.toml -o requirements/run.txt
	$(LOCK) pyproject.toml --extra dev -o requirements/dev.txt
	$(LOCK) pyproject.toml --extra sync -o requirements/sync.txt
	for name in dbt dialects; do UV_OVERRIDE=requirements/dbt-without.in $(LOCK) requirements/$$name.in -o requirements/$$name.txt || exit; done
	for name in chart dlt singer; do $(LOCK) benchmarks/requirements/$$name.in -o benchmarks/requirements/$$name.txt || exit; done
	$(LOCK) requirements/sbom.in -o requirements/sbom.txt
	for name in house site; do $(LOCK) requirements/$$name.in -o requirements/$$name.txt || exit; done
	$(LOCK) pyproject.toml requirements/mutation.in --extra dev -c requirements/dev.txt -o requirements/mutation.txt
	$(LOCK) pyproject.toml --resolution lowest-direct --upgrade -o requirements/lowest/run.txt
	$(LOCK) pyproject.toml --extra dev -c requirements/lowest/run.txt -o requirements/lowest/dev.txt

clean: ## Remove environments and what was built
	rm -rf .venv .venv-* demo_output statements_output bench_output build dist *.egg-info
