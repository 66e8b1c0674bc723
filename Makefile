# Every task of the project; each works on a fresh clone with Python 3.11 and make.
PYTHON ?= python3.11
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: install demo test check prove format lint types contract bench interop cassettes clean

install: $(STAMP)

$(STAMP): requirements/dev.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(STAMP)

demo: install  ## the main job end to end, against an appliance that it starts and stops
	$(BIN)/spectra demo

test: install  ## all tests
	$(BIN)/pytest --numprocesses 3 --dist loadfile --quiet -m "not alone"
	$(BIN)/pytest --quiet -m alone

format: install
	$(BIN)/ruff format .

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: install
	$(BIN)/mypy

contract: install  ## schemas, manifest and action pages are what the actions say
	$(BIN)/spectra contract --check

check: lint types contract test  ## what continuous integration runs

PROVE_STAMP := .venv-prove/.installed

$(PROVE_STAMP): requirements/prove.lock
	$(PYTHON) -m venv .venv-prove
	.venv-prove/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/prove.lock
	touch $(PROVE_STAMP)

prove: install $(PROVE_STAMP)  ## faults, crashes, fuzz, planted defects and mutants, written to docs/proof.md
	$(BIN)/python -m tests.prove.run

bench: install  ## ratios against the vendor's SDK, stock httpx and curl, written to benchmarks/results.md
	$(BIN)/python -m benchmarks.run

interop:  ## the STIX bundles through the importers of OpenCTI, MISP and a TAXII server, each in its own environment
	PYTHON=$(PYTHON) tests/interop/run.sh

cassettes: install  ## record the emulated conversations anew
	$(BIN)/python tests/cassette_tools.py record

clean:
	rm -rf .venv .venv-interop .venv-prove .mypy_cache .ruff_cache .pytest_cache
