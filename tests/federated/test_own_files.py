"""What a client keeps is readable by its owner alone, and bounded where it is read."""

import os
import stat

import h5py
import helpers
import numpy as np
import pytest

pytest.importorskip("cryptography")

from keras_dpgan import federated
from keras_dpgan._utils.append_only_file import AppendOnlyFile
from keras_dpgan.federated.opened_rounds import OpenedRounds
from keras_dpgan.federated.run_directory import RunDirectory

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
    AppendOnlyFile(path, "ledger").close()
    os.truncate(path, 2**40)
    with pytest.raises(ValueError, match="at most 1073741824 bytes"):
        AppendOnlyFile(path, "ledger")


def write_to_a_round_budget(path):
    federated.RoundBudget(path, MECHANISM, 8.0, 1e-5).pay()


def write_to_a_round_log(path):
    with federated.RoundLog(path, MECHANISM.entry) as log:
        log.begin()


def write_to_opened_rounds(path):
    OpenedRounds(path).enter("update", "run", 3)


@pytest.mark.parametrize(
    ("write", "kind"),
    [
        (write_to_a_round_budget, "round budget"),
        (write_to_a_round_log, "round log"),
        (write_to_opened_rounds, "log of opened rounds"),
    ],
)
def test_an_error_about_a_file_says_which_kind_of_file_it_is(tmp_path, write, kind):
    path = tmp_path / "file"
    write(path)
    holder = AppendOnlyFile(path, "file")
    with pytest.raises(RuntimeError, match=f"^The {kind} `{path}` is in use"):
        write(path)
    holder.close()
    path.write_bytes(path.read_bytes().replace(b'"line": 1', b'"line": 2'))
    with pytest.raises(ValueError, match=f"^The {kind} `{path}` is damaged in line 1"):
        write(path)
