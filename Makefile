# Python 3.11 or newer and make are all that is needed; everything else is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# ONNX Runtime comes from exactly one of two extras, by whether an NVIDIA driver is present.
ORT ?= $(shell if nvidia-smi -L >/dev/null 2>&1; then echo gpu; else echo cpu; fi)

# Bytecode is left to the first import: compiling all of torch takes longer than the demo needs.
PIP := $(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable

.PHONY: install demo studio test browser bench docs lint types links release clean

install: $(VENV)/.test
demo: $(VENV)/.demo
	$(BIN)/hebbstream demo

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "hebbstream needs Python 3.11 or newer; set PYTHON=/path/to/it (found: $$($(PYTHON) --version 2>&1))"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# Each brings what its name needs, so that a first picture does not wait for the tools of the tests.
$(VENV)/.demo: EXTRAS := plot,$(ORT)
$(VENV)/.studio: EXTRAS := studio,$(ORT)
$(VENV)/.test: EXTRAS := test,$(ORT)
$(VENV)/.docs: EXTRAS := docs,$(ORT)
$(VENV)/.release: EXTRAS := release
$(VENV)/.demo $(VENV)/.studio $(VENV)/.test $(VENV)/.docs $(VENV)/.release: pyproject.toml constraints.txt | $(VENV)/.python
	$(PIP) '.[$(EXTRAS)]'
	@touch $@

# SOURCE=0 takes the first webcam; without one a bundled clip is shown.
studio: $(VENV)/.studio
	$(BIN)/hebbstream studio $(SOURCE)

# A worker takes whole files, whose tests share fixtures. One thread each: of more, the late ones keep the others waiting.
test: install browser lint types
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile

# For tests/export/test_browser.py, where npm is there and Debian's packages can be installed; it is skipped elsewhere.
browser:
	@scripts/install_browser.sh

# Writes benchmarks/results/speed/, of committed code only, and the tables that show it; about half an hour.
# PEER=path/to/clone adds the authors' demo to the comparison.
bench: install
	$(BIN)/python -m benchmarks.speed.step $(if $(PEER),--peer $(PEER))
	for name in breakdown scaling video pipeline threads; do $(BIN)/python -m benchmarks.speed.$$name || exit 1; done
	$(BIN)/python -m benchmarks.page

# The site, in docs/_build/html: it runs the tutorials, and every warning is an error. One process: torch does not bear a fork.
docs: $(VENV)/.docs
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs docs/_build/html
	$(BIN)/python scripts/check_links.py docs/_build/html
	@echo "open docs/_build/html/index.html"

# Builds wheel and sdist in dist/, checks them, and runs the tests of the wheel; see RELEASE.md.
release: $(VENV)/.release
	$(BIN)/python scripts/check_release.py

lint: install links
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/python scripts/lint_prose.py
	cd .typing && PYTHONPATH=. $(CURDIR)/$(BIN)/lint-imports --cache-dir .import_linter_cache ../pyproject.toml

types: install links
	$(BIN)/mypy

# mypy and import-linter cannot follow the two folders that the build maps into the package: they get a tree of links.
links:
	@mkdir -p .typing/hebbstream
	@find .typing -xtype l -delete
	@ln -sfn $(CURDIR)/adapters .typing/hebbstream/adapters
	@ln -sfn $(CURDIR)/export .typing/hebbstream/export
	@for file in hebbstream/*; do case $$file in *__pycache__) ;; *) ln -sfn $(CURDIR)/$$file .typing/$$file ;; esac; done

clean:
	rm -rf $(VENV) .typing build dist docs/_build docs/start docs/api/reference docs/api/modules *.egg-info .mypy_cache .pytest_cache .ruff_cache
