# Two commands do everything on a machine with Python and make: `make demo` and `make test`.
# Nothing is written outside this folder.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

export PIP_CACHE_DIR := $(CURDIR)/.cache/pip
export XDG_CACHE_HOME := $(CURDIR)/.cache
export MPLCONFIGDIR := $(CURDIR)/.cache/matplotlib
export HF_HOME := $(CURDIR)/.cache/huggingface
export TORCH_HOME := $(CURDIR)/.cache/torch
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: install demo example test test-long lint clean

install: $(STAMP)

$(STAMP): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 10) or sys.version_info[:2] > (3, 13))' \
		|| { echo "carpus needs Python 3.10 to 3.13; name one: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[all]'
	@touch $@

demo: install
	@sh docs/demo.sh

# one thread a worker: two workers whose networks each take every core wait for one another most of the time
test test-long: export OMP_NUM_THREADS := 1

test: install lint
	@mkdir -p .cache
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup -m "not long" --durations=12 --basetemp=.cache/pytest

test-long: export HYPOTHESIS_PROFILE := search
test-long: install
	@mkdir -p .cache
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup --basetemp=.cache/pytest

lint: install
	@$(BIN)/python -m ruff check --quiet .

clean:
	rm -rf $(VENV) .cache build *.egg-info

# For maintainers: the committed manifest anew, after a change of the phantom, a detector or an operator.
example: install
	rm -rf phantom derived runs data_manifest data_manifest.yaml
	@sh docs/demo.sh
