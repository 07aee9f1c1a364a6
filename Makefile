# Hands Without Labels. `make book` and `make test` are all the set-up there is; `make help` lists the rest.

PROFILE ?= laptop
PYTHON  ?= python3
VENV    ?= .venv
PORT    ?= 8888
# Options for installing torch alone, such as --index-url for a build of your choice (pytorch.org lists them).
TORCH_ARGS ?=

BIN   := $(VENV)/bin
READY := $(VENV)/.ready
export PYTHONNOUSERSITE := 1

.PHONY: help book html env test smoke lab serve browser clean distclean
.DELETE_ON_ERROR:

help:  ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

book: $(READY)  ## environment, execution of every notebook, HTML in book/_build/html (PROFILE=smoke|laptop|full)
	$(BIN)/handlib reproduce --profile $(PROFILE)
	$(BIN)/handlib book build

html: $(READY)  ## the HTML alone, from notebooks that were executed before
	$(BIN)/handlib book build

env: $(READY)  ## the virtual environment .venv with the exact versions of requirements.lock

# torch first and by itself: asked for as somebody's dependency, pip would take the newest build there is.
$(READY): requirements.lock requirements-detect.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, and $(PYTHON) is `$(PYTHON) --version 2>&1`; try: make env PYTHON=python3.11" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH_ARGS) "$$(grep -E '^torch==' requirements.lock)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-detect.lock || \
	  echo "mediapipe cannot be installed here: photographs will need 2D keypoints of your own; nothing else does"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

test: $(READY)  ## the tests
	$(BIN)/python -m pytest -n auto

smoke: $(READY)  ## a book from runs of seconds, opened page by page in a browser with the network cut
	$(MAKE) book PROFILE=smoke
	$(MAKE) browser

browser: $(READY)  ## open every page of the built book in headless Chromium and look for maths, figures and errors
	HANDLIB_REQUIRE_BROWSER=1 $(BIN)/python -m pytest -m browser

lab: $(READY)  ## JupyterLab on the notebooks
	$(BIN)/jupyter lab --notebook-dir book --port $(PORT)

serve: $(READY)  ## the built book at http://127.0.0.1:8000
	$(BIN)/handlib book serve

clean:  ## remove the built book and executed notebooks, keep the environment and the stored results
	rm -rf book/_build .pytest_cache .ruff_cache .hypothesis

distclean: clean  ## remove the environment too
	rm -rf $(VENV)
