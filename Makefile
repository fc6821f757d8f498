# Each target builds .venv first, if it is missing or older than what it was built from.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DATA ?= ../shared/data

.DEFAULT_GOAL := help
.PHONY: help demo test lint acceptance benchmark benchmark-quantization benchmark-pruning benchmark-data benchmark-training clean

help:
	@echo "make demo        see the whole chain work: photos -> trained -> int8 -> benchmarked -> live (about 10 minutes)"
	@echo "make test        run the tests"
	@echo "make lint        ruff and mypy --strict"
	@echo "make acceptance  the slow suites on real input (up to an hour)"
	@echo "make benchmark   this project's own benchmarks; MODEL=FILE [LABELS=FILE] adds the frame path of that model"
	@echo "make benchmark-quantization [ROWS=1,5] [DATA=FOLDER]  int8 files against float and against others' int8 (two hours)"
	@echo "make benchmark-pruning [ROWS=1,2] [DATA=FOLDER]  pruned networks against others of their latency (two hours)"
	@echo "make benchmark-data [ROWS=1,2] [DATA=FOLDER]  how fast pictures come, and what checking them finds (half an hour)"
	@echo "make benchmark-training [ROWS=1,3] [DATA=FOLDER]  accuracy, time and speed against torchvision's recipe (two hours)"
	@echo "make clean       remove the environment and everything built"

demo: $(READY)
	$(BIN)/hawklet demo

test: $(READY)
	$(BIN)/python -m pytest -n 2 -m "not acceptance"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

acceptance: $(READY)
	$(BIN)/python -m pytest -m acceptance tests/acceptance --durations=20

benchmark: $(READY)
	$(BIN)/python benchmarks/suites/startup.py
	$(if $(MODEL),$(BIN)/python benchmarks/suites/frame_path.py --model $(MODEL) $(if $(LABELS),--labels $(LABELS)))

benchmark-quantization: $(READY)
	$(BIN)/python benchmarks/suites/quantization.py --data $(DATA) $(if $(ROWS),--rows $(ROWS)) \
		-o benchmarks/results/quantization.json --page docs/quantization-results.md

benchmark-pruning: $(READY)
	$(BIN)/python benchmarks/suites/pruning.py --work .cache/pruning --data $(DATA) $(if $(ROWS),--rows $(ROWS)) \
		-o benchmarks/results/pruning.json --page docs/pruning-results.md

benchmark-data: $(READY)
	$(BIN)/python benchmarks/suites/data_figures.py --work .cache/data --data $(DATA) $(if $(ROWS),--rows $(ROWS)) \
		-o benchmarks/results/data.json --page docs/data-results.md

benchmark-training: $(READY)
	$(BIN)/python benchmarks/suites/training.py --work .cache/training --data $(DATA) $(if $(ROWS),--rows $(ROWS)) \
		-o benchmarks/results/training.json --page docs/training-results.md

clean:
	rm -rf $(VENV) build dist demo runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 10) <= v[:2] <= (3, 13) else f"hawklet needs Python 3.10 to 3.13, got {v[0]}.{v[1]}; name another with: make PYTHON=python3.12 ...")'
	@echo "hawklet: building $(VENV) (once; PyTorch and the converters take about 7 GB of disk and some minutes)"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || \
		{ echo "hawklet: $(PYTHON) cannot make environments; on Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' --constraint constraints.txt
	@touch $@
	@echo "hawklet: $(VENV) is ready"
