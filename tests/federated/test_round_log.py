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
import os, signal, sys
import helpers
from keras_dpgan import privacy
from keras_dpgan.federated.flower.training import train_rounds

folder, killed_in = sys.argv[1], int(sys.argv[2])

class Source:
    entry = privacy.HistoryEntry(mechanism="gaussian", noise_multiplier=1.0, count=3)

    def next_weights(self, number, d_weights, g_weights):
        print("round", number, float(d_weights[0].flat[0]))
        sys.stdout.flush()
        if number == killed_in:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 3:
            return None
        return [0 * w + number + 1 for w in d_weights]

gan = helpers.make_gan(run_eagerly=True)
results = train_rounds(
    gan, Source(), 5, generator_steps=1, batch_size=8, directory=folder, verbose=0)
(entry,) = gan.privacy_history.entries
print("counted", entry.count)
print(*[r["opened"] for r in results], *[r["g_loss"] is None for r in results])
"""


def lead(folder, killed_in=-1):
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
    lines = killed.stdout.splitlines()
    assert [line[:7] for line in lines] == ["round 0", "round 1", "round 2"]
    back = lead(tmp_path)
    assert back.returncode == 0, back.stderr
    # Round 2, which clients may have answered, is neither repeated nor forgotten, and
    # the weights are those after round 1.
    *rounds, counted, results = back.stdout.splitlines()
    assert rounds == ["round 3 2.0", "round 4 2.0"]
    assert counted == "counted 15"
    expected = [True, True, False, False, True]
    assert results.split() == [*map(str, expected), *(str(not e) for e in expected)]
    # Run once more it has nothing left to do.
    again = lead(tmp_path)
    assert again.stdout.splitlines() == [counted, results], again.stderr


def test_a_log_of_another_run_is_refused(tmp_path):
    with RoundLog(tmp_path / "rounds", ENTRY) as log:
        assert (log.begin(), log.begin(), log.begun) == (0, 1, 2)
    with pytest.raises(ValueError, match="of another run"):
        RoundLog(tmp_path / "rounds", ENTRY.with_count(4))
    with RoundLog(tmp_path / "rounds", ENTRY) as log:
        assert log.begin() == 2
