"""What a client keeps is readable by its owner alone, and bounded where it is read."""

import os
import stat

import h5py
import helpers
import numpy as np
import pytest

from keras_dpgan import federated
from keras_dpgan.federated.run_directory import RunDirectory
from keras_dpgan.privacy.ledger.file import LedgerFile

MECHANISM = federated.GaussianUpdate(1.0, noise_multiplier=10.0)


@pytest.fixture(autouse=True)
def open_to_all():
    """A umask that lets everybody read what says nothing of its mode."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def weights_of(gan):
    d_weights = [v.numpy() for v in gan.discriminator.trainable_variables]
    return d_weights, gan.generator.get_weights()


def test_budgets_logs_and_kept_models_are_their_owners_alone(tmp_path):
    assert federated.RoundBudget(tmp_path / "rounds", MECHANISM, 8.0, 1e-5).pay()
    budget = federated.ClientBudget(tmp_path / "client", "mine", 8.0, 1e-5)
    assert budget.pay(MECHANISM.entry)
    federated.RoundLog(tmp_path / "log", MECHANISM.entry).close()
    gan = helpers.make_gan()
    kept = federated.KeptModel(gan, tmp_path / "kept", lambda gan: 1.0)
    assert kept.offer(*weights_of(gan))
    for name in ("rounds", "client", "log", "kept/kept.weights.h5"):
        assert mode_of(tmp_path / name) == 0o600, name
    assert mode_of(tmp_path / "kept") == 0o700


def test_a_run_directory_is_its_owners_alone_and_its_lengths_are_bounded(tmp_path):
    gan = helpers.make_gan()
    entry = MECHANISM.entry
    with RunDirectory(tmp_path / "run", gan, entry) as run:
        run.end(run.begin(), {"opened": True, "g_loss": 0.5})
    path = tmp_path / "run" / "checkpoint.weights.h5"
    assert mode_of(tmp_path / "run") == 0o700
    assert mode_of(path) == mode_of(tmp_path / "run" / "rounds") == 0o600
    with h5py.File(path, "r+") as file:
        del file["keras_dpgan_checkpoint"]
        # No byte of it is on disk.
        file.create_dataset(
            "keras_dpgan_checkpoint", (2**45,), np.uint8, chunks=(2**20,)
        )
    with pytest.raises(ValueError, match="at most 67108864 bytes"):
        RunDirectory(tmp_path / "run", gan, entry)


def test_a_ledger_that_claims_more_than_there_is_memory_is_refused(tmp_path):
    path = tmp_path / "ledger"
    LedgerFile(path).close()
    os.truncate(path, 2**40)
    with pytest.raises(ValueError, match="at most 1073741824 bytes"):
        LedgerFile(path)
