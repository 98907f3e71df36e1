"""What a client keeps for itself, and that nothing of it leaves."""

import os
import secrets
import signal
import subprocess
import sys

import helpers
import keras
import numpy as np
import pytest

pytest.importorskip("flwr")
pytest.importorskip("cryptography")

from flwr.app import RecordDict

from keras_dpgan.federated.flower import client_updates
from keras_dpgan.federated.flower import messages
from keras_dpgan.federated.gaussian_update import GaussianUpdate
from keras_dpgan.federated.kept_model import KeptModel
from keras_dpgan.federated.local_training import LocalTraining


def make_gan(private=False):
    keras.utils.set_random_seed(1)
    d_optimizer = keras.optimizers.SGD(0.1)
    if private:
        d_optimizer = helpers.make_d_optimizer(1.0)
    return helpers.make_gan(d_optimizer=d_optimizer, private=private, run_eagerly=True)


def shared(number):
    """Weights of a round: all parameters have its number."""
    gan = make_gan()
    d_weights = [
        np.full(v.shape, number, np.float32)
        for v in gan.discriminator.trainable_variables
    ]
    g_weights = [np.full_like(w, number) for w in gan.generator.get_weights()]
    return d_weights, g_weights


def number_of(gan):
    return float(gan.generator.get_weights()[0].flat[0])


def test_the_best_one_is_kept_also_over_a_restart(tmp_path):
    scores = {1: 0.3, 2: 0.5, 3: np.nan, 4: 0.4, 5: 0.6}

    def score(gan):
        return scores[number_of(gan)]

    kept = KeptModel(make_gan(), tmp_path, score)
    assert kept.best_score == -np.inf
    with pytest.raises(FileNotFoundError, match="offer"):
        kept.load()
    assert [kept.offer(*shared(n)) for n in (1, 2, 3)] == [True, True, False]
    again = KeptModel(make_gan(), tmp_path, score)
    assert again.best_score == 0.5
    assert [again.offer(*shared(n)) for n in (4, 3)] == [False, False]
    assert number_of(again.load()) == 2
    assert again.offer(*shared(5))
    assert number_of(again.load()) == 5


def test_a_kill_while_a_model_is_written_leaves_the_one_before(tmp_path):
    program = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from keras_dpgan._utils import durable
from test_kept_model import KeptModel, make_gan, number_of, shared
kept = KeptModel(make_gan(), sys.argv[1], number_of)
kept.offer(*shared(1))
durable.replace = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)
kept.offer(*shared(2))
"""
    here = os.path.dirname(__file__)
    killed = subprocess.run(
        [sys.executable, "-c", program, tmp_path, here],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    kept = KeptModel(make_gan(), tmp_path, number_of)
    assert (kept.best_score, number_of(kept.load())) == (1, 1)


def test_a_personal_model_has_the_guarantee_that_it_was_trained_with(tmp_path):
    for private in (True, False):
        folder = tmp_path / str(private)
        kept = KeptModel(make_gan(private), folder, number_of)
        kept.offer(*shared(0.01))
        personal = kept.load()
        personal.fit(*helpers.make_data(30), batch_size=10, verbose=0)
        statement = personal.privacy_statement(1e-3)
        assert statement.has_guarantee is private
        # What is kept stays as it came.
        assert number_of(kept.load()) == pytest.approx(0.01)


def answers(monkeypatch, tmp_path, held_out, offers):
    """What a client sends in three rounds, byte for byte."""
    # All randomness of an answer, which is secret otherwise.
    monkeypatch.setattr(secrets, "randbelow", lambda limit: 7)
    mechanism = GaussianUpdate(0.5, 1.0)
    monkeypatch.setattr(GaussianUpdate, "privatize", lambda self, arrays: arrays)
    x, y = helpers.make_data(20)
    # Each record in every batch.
    training = LocalTraining(make_gan(), x, y, expected_batch_size=20, updates=2)

    def score(gan):
        rows, _ = gan.sample(4, [0, 1, 0, 1], seed=0)
        return -float(np.mean((rows - held_out) ** 2))

    kept = KeptModel(make_gan(), tmp_path, score)
    sent = []
    for number in (0.1, 0.2, 0.15):
        d_weights, g_weights = shared(number)
        request = messages.write(
            [*d_weights, *g_weights],
            num_d_weights=len(d_weights),
            mechanism=repr(mechanism),
            run="a run",
            round=0,
            model_hash=messages.model_hash([*d_weights, *g_weights]),
        )
        content = client_updates.answer_client_update(
            request, training, mechanism, RecordDict()
        )
        if offers:
            kept.offer(d_weights, g_weights)
        arrays, facts = messages.read(content)
        sent.append((messages.model_hash(arrays), facts))
    return sent


def test_nothing_that_held_out_records_tell_leaves_the_client(monkeypatch, tmp_path):
    without = answers(monkeypatch, tmp_path / "a", 0.0, offers=False)
    assert answers(monkeypatch, tmp_path / "b", 0.0, offers=True) == without
    assert answers(monkeypatch, tmp_path / "c", 5.0, offers=True) == without
