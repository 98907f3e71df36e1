"""A server that is killed comes back, goes on and has counted everything."""

import os
import signal
import subprocess
import sys

import pytest

pytest.importorskip("flwr")

from keras_dpgan import privacy
from keras_dpgan.federated.round_log import RoundLog

ENTRY = privacy.HistoryEntry(mechanism="gaussian", noise_multiplier=1.0, count=3)

# Leads five rounds; is killed in round `sys.argv[2]`, while clients answer.
SERVER = """
import os, pathlib, signal, sys
import helpers
from keras_dpgan import privacy
from keras_dpgan.federated.flower.training import train_rounds
from keras_dpgan.federated.round_log import RoundLog

folder, killed_in = pathlib.Path(sys.argv[1]), int(sys.argv[2])
weights = folder / "gan.weights.h5"

class Source:
    entry = privacy.HistoryEntry(mechanism="gaussian", noise_multiplier=1.0, count=3)

    def next_weights(self, number, d_weights, g_weights):
        print("round", number, flush=True)
        if number == killed_in:
            os.kill(os.getpid(), signal.SIGKILL)
        return d_weights

gan = helpers.make_gan(run_eagerly=True)
if weights.exists():
    gan.load_weights(weights)
with RoundLog(folder / "rounds", Source.entry) as log:
    train_rounds(
        gan, Source(), 5, generator_steps=0, batch_size=8, log=log,
        on_round=lambda number, loss: gan.save_weights(weights))
(entry,) = gan.privacy_history.entries
print("counted", entry.count)
"""


def lead(folder, killed_in):
    return subprocess.run(
        [sys.executable, "-c", SERVER, folder, str(killed_in)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_a_killed_server_goes_on_and_under_reports_nothing(tmp_path):
    killed = lead(tmp_path, killed_in=2)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert killed.stdout.split("\n")[:3] == ["round 0", "round 1", "round 2"]
    back = lead(tmp_path, killed_in=-1)
    assert back.returncode == 0, back.stderr
    # Round 2, which clients may have answered, is neither repeated nor forgotten.
    assert back.stdout.split("\n")[:3] == ["round 3", "round 4", "counted 15"]


def test_a_log_of_another_run_is_refused(tmp_path):
    with RoundLog(tmp_path / "rounds", ENTRY) as log:
        assert (log.begin(), log.begin(), log.begun) == (0, 1, 2)
    with pytest.raises(ValueError, match="not of this run"):
        RoundLog(tmp_path / "rounds", ENTRY.with_count(4))
    with RoundLog(tmp_path / "rounds", ENTRY) as log:
        assert log.begin() == 2
