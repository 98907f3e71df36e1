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


@pytest.fixture(autouse=True, scope="module")
def _no_origins_of_other_files():
    """Lets each file begin in a process that has made no private weights.

    Seeded models of two tests may begin with the same weights.
    """
    yield
    if "keras_dpgan.privacy.origins" in sys.modules:
        sys.modules["keras_dpgan.privacy.origins"].forget()


@pytest.fixture(autouse=True)
def _no_walks_over_the_past():
    """Hides from Python's collector what tests have left for good.

    Each `fit` leaves its graph, thousands of objects, with TensorFlow. After a few
    hundred tests the collector would walk over millions of them again and again.
    """
    yield
    gc.collect()
    gc.freeze()
