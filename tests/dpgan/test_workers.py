"""Several processes that train one model."""

import pathlib
import time

import cluster
import pytest
from dpgan.worker import BLOCK
from dpgan.worker import UPDATES

from keras_dpgan import privacy

SCRIPT = pathlib.Path(__file__).with_name("worker.py")


def kill(folder, victim, updates):
    """Kills a worker after an update; gives what the others said."""
    processes = cluster.start(SCRIPT, [folder, "train", victim, updates], 2)
    while not (folder / "paused").exists():
        assert processes[victim].poll() is None, processes[victim].stderr.read()
        time.sleep(0.05)
    (folder / "paused").unlink()
    processes[victim].kill()
    other = processes[1 - victim]
    _, error = other.communicate(timeout=60)
    processes[victim].communicate()
    assert other.returncode == 1
    return error


def whole_run(folder):
    folder.mkdir()
    return cluster.run(SCRIPT, [folder, "train", 0, 0], 2)


@pytest.mark.slow
def test_a_killed_worker_ends_the_others_and_a_new_start_goes_on(tmp_path):
    chief, other = whole_run(tmp_path / "whole")
    assert chief == other
    assert chief["history"] == UPDATES
    folder = tmp_path / "killed"
    folder.mkdir()
    # Before the first checkpoint, in the first epoch, and in the third.
    kills = [(1, 3), (1, 8), (0, 13), (0, 27)]
    for victim, updates in kills:
        error = kill(folder, victim, updates)
        assert "A worker of this training has ended" in error
        assert f"so worker {1 - victim} ends, too" in error
    chief_again, other_again = cluster.run(SCRIPT, [folder, "train", 0, 0], 2)
    assert chief_again == other_again
    assert chief_again["weights"] == chief["weights"]
    assert chief_again["updates"] == UPDATES
    assert UPDATES < chief_again["history"] <= UPDATES + BLOCK * len(kills)
    contents = privacy.Ledger.read(folder / "ledger")
    assert contents.total_updates == chief_again["history"]


def test_arguments_that_do_not_fit_are_refused_in_each_worker(tmp_path):
    chief, other = cluster.run(SCRIPT, [tmp_path, "errors"], 2)
    for found in (chief, other):
        assert "scope" in found["scope"]
        assert "split among them" in found["data"]
        for name in ("batch_size", "noise", "records"):
            assert "All workers must have the same settings" in found[name]
    assert "'expected_batch_size': (11.0, 10.0)" in other["batch_size"]
    assert "'d_optimizer'" in other["noise"]
    assert "'num_examples'" in other["records"]
    assert "`ledger` must be None in a worker that is not the chief" in other["ledger"]
