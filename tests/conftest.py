"""Settings that have to stand before TensorFlow is loaded, and for hypothesis."""

import gc
import os
import sys

import hypothesis
import pytest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# The same examples each time: a change that broke nothing must not turn red by
# chance. `make test-all` draws new ones.
hypothesis.settings.register_profile("same", derandomize=True)
hypothesis.settings.register_profile("new", print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.fixture(scope="module", autouse=True)
def _no_growth():
    """Forgets what a file's models leave behind.

    Keras and TensorFlow keep millions of objects alive. Python's collector goes
    over all of them again and again, which takes up half a minute each time in a
    process that has run a few hundred tests.
    """
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].utils.clear_session()
    gc.collect()
    gc.freeze()
