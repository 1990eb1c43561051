# Everything a fresh machine needs beyond Python 3.11 (or newer) and make is set up here.
PYTHON ?= python3
BIN = .venv/bin
DEMO_BIN = .venv-demo/bin

.PHONY: install demo test torture image-test destination-test audit lint lock clean

install: .venv/installed

demo: .venv-demo/installed
	$(DEMO_BIN)/python -m integration_tests.demo

test: .venv/installed
	$(BIN)/pytest

# The convergence property, thousands of times: about a second an example.
torture: .venv/installed
	TORTURE_EXAMPLES=$${TORTURE_EXAMPLES:-2000} $(BIN)/pytest integration_tests/test_convergence.py --timeout 0

# The image, built and run by a container engine that the tests start: root, and Debian's docker.io and debootstrap.
image-test: .venv/installed .venv-demo/installed
	$(BIN)/pytest -m image_tests integration_tests/image -rsx --timeout 900

# Two syncs into a PostgreSQL that the tests start: Debian's postgresql.
destination-test: .venv/installed .venv-demo/installed
	$(BIN)/pytest -m destination_tests integration_tests/destination -rs

# Known vulnerabilities of everything that is locked. Exits with an error if the advisory service cannot be asked.
audit: .venv/installed
	$(BIN)/python scripts/audit.py requirements/*.txt

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Two environments: PyAirbyte, which only the demo uses, pins some of the connector's dependencies otherwise.
.venv/installed: requirements/tools.txt requirements/dev.txt pyproject.toml
	$(PYTHON) scripts/make_venv.py .venv requirements/dev.txt
	touch $@

.venv-demo/installed: requirements/tools.txt requirements/demo.txt pyproject.toml
	$(PYTHON) scripts/make_venv.py .venv-demo requirements/demo.txt
	touch $@

# Writes the locks anew from pyproject.toml and requirements/*.in; for maintainers.
LOCK = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-strip-extras \
	--no-header --no-emit-index-url --no-annotate
lock: .venv/installed
	$(LOCK) requirements/tools.in -o requirements/tools.txt
	$(LOCK) pyproject.toml -o requirements/run.txt
	$(LOCK) pyproject.toml --extra dev -o requirements/dev.txt
	$(LOCK) requirements/demo.in -o requirements/demo.txt
	$(LOCK) requirements/sbom.in -o requirements/sbom.txt

clean:
	rm -rf .venv .venv-demo demo_output build dist *.egg-info
