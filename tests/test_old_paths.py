"""Where modules have been before."""

import importlib
import subprocess
import sys

import numpy as np
import pytest

import keras_dpgan
from keras_dpgan._utils import old_paths


@pytest.mark.parametrize("name", old_paths.MOVED)
def test_a_module_is_found_where_it_was(name):
    new = importlib.import_module(f"keras_dpgan.{old_paths.MOVED[name]}")
    sys.modules.pop(f"keras_dpgan.{name}", None)
    with pytest.warns(DeprecationWarning, match=f"keras_dpgan.{name}` has moved to"):
        assert importlib.import_module(f"keras_dpgan.{name}") is new


def test_an_old_module_is_an_attribute_of_the_package_too():
    vars(keras_dpgan).pop("workers", None)
    with pytest.warns(DeprecationWarning, match="keras_dpgan.distribution.workers"):
        assert keras_dpgan.workers.is_chief is keras_dpgan.distribution.is_chief


def test_names_of_an_old_module_are_there():
    with pytest.warns(DeprecationWarning, match="keras_dpgan.losses"):
        sys.modules.pop("keras_dpgan.lipschitz", None)
        from keras_dpgan.lipschitz import WeightClipping
    assert WeightClipping is keras_dpgan.WeightClipping


def test_a_module_that_never_was_is_missing():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("keras_dpgan.nothing")


@pytest.mark.parametrize("command", old_paths.COMMANDS)
def test_a_command_runs_by_its_old_path(command):
    run = subprocess.run(
        [sys.executable, "-m", f"keras_dpgan.{command}", "--help"],
        capture_output=True,
        text=True,
    )
    assert f"keras_dpgan.{command}" in run.stdout, run.stderr
    assert "has moved" not in run.stderr


def test_names_in_british_spelling_work_and_name_the_american_ones():
    evaluation = keras_dpgan.evaluation
    rows = np.random.default_rng(0).normal(size=(3, 20, 2))
    with pytest.warns(DeprecationWarning, match="`memorisation` is called `memoriz"):
        found = evaluation.memorisation(*rows)
    with pytest.warns(DeprecationWarning, match="`Memorisation` is called `Memoriz"):
        assert isinstance(found, evaluation.Memorisation)
    with pytest.warns(DeprecationWarning, match="`memorised` is called `memorized`"):
        assert found.memorised is found.memorized
    with pytest.warns(DeprecationWarning, match="`neighbours` is called `neighbors`"):
        assert found.neighbours is found.neighbors
    result = evaluation.evaluate(*rows, classifiers=[])
    with pytest.warns(DeprecationWarning, match="`memorisation` is called `memoriz"):
        assert result.memorisation is result.memorization


def test_the_old_name_of_privatize_works():
    pytest.importorskip("cryptography")
    update = [np.ones((2, 3), np.float32)]
    for mechanism in (
        keras_dpgan.federated.GaussianUpdate(1.0, 6.0),
        keras_dpgan.federated.LaplaceUpdate(1.0, 6.0),
    ):
        with pytest.warns(DeprecationWarning, match="`privatise` is called"):
            assert mechanism.privatise(update)[0].shape == (2, 3)
