# make run · make test · make check · make fix · make bundled · make bundled-report · make screenshot
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export VENV
# where cores are shared, waiting OpenMP threads must not spin (measured 4 times slower otherwise)
export OMP_WAIT_POLICY ?= passive

.PHONY: run setup setup-dev test check fix pytest bundled bundled-report bench screenshot

run: setup
	@$(BIN)/python -m streamlit run app.py

setup:
	@$(PYTHON) scripts/setup.py

setup-dev:
	@$(PYTHON) scripts/setup.py --dev

test: setup-dev check pytest

check: setup-dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# two at a time, a file at one place: browser tests wait much of their time
pytest: setup-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

fix: setup-dev
	$(BIN)/ruff check --fix .

# everything that is derived from the bundled weights: dissections, pictures, rankings, benchmark (about an hour on 2 cores)
bundled: setup
	$(BIN)/python -m core.training bundle

# the figures of MODEL.md, measured anew
bundled-report: setup
	$(BIN)/python -m core.training report
	$(BIN)/python -m core.training inside

bench: setup-dev
	@for b in tests/bench/bench_*.py; do echo "== $$b"; $(BIN)/python $$b; done

screenshot: setup-dev
	$(BIN)/python scripts/screenshot.py --pages units,paint,causes
