# Two commands do all the set-up: `make demo` and `make test`. Neither needs more than python3 and make;
# what else is missing is installed, and said.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OUT ?= runs/demo

.PHONY: help demo test check bench samples lock format clean environment

help:
	@echo "make demo     verify the sample cases, write the cohort report of protocol 1, all to $(OUT)"
	@echo "make test     run every test, the viewer under Xvfb included"
	@echo "make check    style, types and import contracts"
	@echo "make bench    measure time and memory, write docs/benchmarks.md"
	@echo "make samples  regenerate sample_dicom/ and compare it byte for byte"
	@echo "make lock     resolve requirements.lock anew (versions and hashes, no index addresses)"
	@echo "make clean    remove the environment and all results"

environment: $(STAMP)

$(STAMP): requirements.lock pyproject.toml plugins/napari-fluorospread/pyproject.toml .ci/make_environment
	@.ci/make_environment $(VENV)
	@touch $@

demo: $(STAMP)
	@$(BIN)/python -m fluorospread evaluate sample_dicom --out $(OUT)
	@echo
	@echo "The five cases of protocol 1 as a cohort, each with its QA report:"
	@$(BIN)/python -m fluorospread cohort sample_dicom/protocol_1.toml --out $(OUT)/protocol_1

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# pytest runs last and its exit code is the target's, so that its summary ends the output.
test: $(STAMP)
	@.ci/install_system_packages
	@OMP_NUM_THREADS=1 xvfb-run -a -s "-screen 0 1600x1200x24" $(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

bench: $(STAMP)
	@PYTHONPATH=benchmarks $(BIN)/python -m harness --out runs/bench --page docs/benchmarks.md $(BENCH_ARGS)

samples: $(STAMP)
	@$(BIN)/python -m fluorospread simulate --samples --check --out sample_dicom

lock:
	@python3 -m venv $(VENV) && $(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-annotate --custom-compile-command "make lock" --no-emit-package fluorospread \
	  --group dev pyproject.toml plugins/napari-fluorospread/pyproject.toml -o requirements.lock

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) runs
