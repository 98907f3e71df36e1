# `make demo` does the main job and `make test` runs the tests. Each makes .venv
# and installs the package there, once; again when setup.py has changed.

PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo "$$python" && break; done)
VENV := .venv
PY := $(VENV)/bin/python

# Pythons for which there is no TensorFlow Privacy, and what is tested there: each
# room that touches Keras, TensorFlow or dp_accounting.
NEWER := python3.12 python3.13
OLDEST := "keras==3.12.*" "tensorflow==2.20.*" "tf_keras==2.20.*"
SHORT := tests/clipping/test_engines.py tests/clipping/test_row_operations.py \
	tests/test_tensorflow_internals.py tests/dpgan/test_arguments.py \
	tests/dpgan/test_keras_methods.py tests/dpgan/test_saving.py \
	tests/dpgan/test_update.py tests/export/test_saved_model.py tests/mechanisms \
	tests/optimizers tests/privacy/test_accountant.py tests/test_keras_internals.py \
	tests/test_packaging.py

.PHONY: demo test test-all test-short test-pythons test-installs types lint format package bench-peers \
	bench bench-check bench-scale bench-tables quality federated-demo bench-federated docs clean

demo: $(VENV)/with-plots
	$(PY) examples/digits/train.py --output_dir=out/digits

test: $(VENV)/with-test
	$(PY) -m pytest -n 2 --dist loadfile --durations=10

test-all: $(VENV)/with-test
	HYPOTHESIS_PROFILE=new $(PY) -m pytest -n 2 --dist loadfile --durations=20 -m ""

test-short: $(VENV)/with-test
	$(PY) -m pytest -n 2 --dist loadfile $(SHORT)

test-pythons:
	@for python in $(NEWER); do \
		"$$python" -c "" 2>/dev/null || { echo "No $$python: left out."; continue; }; \
		$(MAKE) PYTHON=$$python VENV=.venv-$$python test-short || exit 1; \
	done
	$(MAKE) VENV=.venv-oldest .venv-oldest/with-test
	.venv-oldest/bin/python -m pip install -qq $(OLDEST)
	$(MAKE) VENV=.venv-oldest test-short

# Every install command of the documentation, each in a fresh environment.
test-installs:
	"$(PYTHON)" tools/try_installs.py

types: $(VENV)/with-test
	$(PY) -m mypy

package: $(VENV)/with-dev
	rm -rf dist
	$(PY) -m build
	$(PY) -m twine check --strict dist/*
	$(VENV)/bin/check-wheel-contents dist/*.whl

lint: $(VENV)/with-test
	$(PY) -m ruff check
	$(PY) -m ruff format --check

format: $(VENV)/with-test
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

TABLE_PEERS := $(foreach peer,mbi dpmm smartnoise,benchmarks/.venv-$(peer)/installed)

bench-peers: benchmarks/.venv-opacus/installed benchmarks/.venv-jax/installed $(TABLE_PEERS)

bench: $(VENV)/with-test
	$(PY) benchmarks/speed.py

# A peer that cannot be installed is named in the table with its error.
bench-tables: $(VENV)/with-test
	-$(MAKE) --keep-going $(TABLE_PEERS)
	$(PY) benchmarks/tables/bench.py $(if $(CSV),--csv=$(CSV))

bench-scale: $(VENV)/with-test
	$(PY) benchmarks/scale.py

bench-check: $(VENV)/with-test
	$(PY) benchmarks/speed.py --check

federated-demo: $(VENV)/with-federated $(VENV)/with-plots
	$(PY) examples/federated/demo.py

bench-federated: $(VENV)/with-test $(VENV)/with-federated
	$(PY) benchmarks/federated.py
	$(PY) benchmarks/joint_releases.py

quality: $(VENV)/with-test
	$(PY) benchmarks/quality.py --seed=0 --seed=1 --seed=2
	$(PY) benchmarks/quality.py --epsilon=1e7 --options='{"components": 64, "rank": 256}'

docs: $(VENV)/with-docs
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict
	$(PY) tools/check_site.py build/site

clean:
	rm -rf $(VENV) .venv-* benchmarks/.venv-* build dist out *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# One stamp for each set of extras, as in `pip install --editable .[test]`.
$(VENV)/with-%: setup.py | $(VENV)/bin/pip
	@echo "Installing keras-dpgan[$*] in $(VENV): a few minutes the first time."
	@$(PY) -m pip install -qq --disable-pip-version-check --editable ".[$*]"
	@touch $@

$(VENV)/bin/pip:
	@test -n "$(PYTHON)" || { echo "keras-dpgan needs Python 3.11 or later:" \
		"install it, or run make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -m venv $(VENV)

benchmarks/.venv-%/installed: benchmarks/peers/%-requirements.txt
	"$(PYTHON)" -m venv $(@D)
	$(@D)/bin/python -m pip install -qq --disable-pip-version-check -r $<
	@touch $@
