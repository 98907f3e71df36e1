"""Real training processes, killed at random moments, and resumed."""

import json
import multiprocessing
import os
import pathlib
import random
import time

import h5py
import pytest
from resume import training_process
from resume.training_process import BLOCK
from resume.training_process import UPDATES

from keras_dpgan import privacy

# Longer than a whole training; much of it is over sooner, which is a run resumed.
LONGEST_WAIT = 1.0


@pytest.fixture(scope="module")
def processes():
    """Forks of a process that has imported everything and run nothing."""
    tests = pathlib.Path(__file__).parents[1]
    old = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(tests), str(tests.parent)])
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["resume.training_process"])
    yield context
    if old is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = old


class Run:
    """A training that is killed again and again, and what must hold of it."""

    def __init__(self, processes, folder, noise_multiplier):
        folder.mkdir()
        self.processes = processes
        self.folder = folder
        self.noise_multiplier = noise_multiplier
        self.kills = 0
        self.lines = []

    def start(self):
        events = {name: self.processes.Event() for name in ("begun", "first update")}
        process = self.processes.Process(
            target=training_process.train,
            args=(str(self.folder), self.noise_multiplier, events),
        )
        process.start()
        return process, events

    def kill_at(self, event, wait):
        """Returns whether the process had ended before."""
        process, events = self.start()
        while process.is_alive() and not events[event].wait(0.1):
            pass
        time.sleep(wait)
        process.kill()
        process.join()
        self.kills += process.exitcode != 0
        assert process.exitcode in (0, -9)
        self.check()
        return process.exitcode == 0

    def finish(self):
        process, _ = self.start()
        process.join()
        assert process.exitcode == 0
        self.check()
        return json.loads((self.folder / "result").read_text())

    def check(self):
        """The ledger has lost nothing, and holds what was made and little more."""
        path = self.folder / "ledger"
        content = path.read_bytes() if path.exists() else b""
        lines = content.split(b"\n")[:-1]
        assert lines[: len(self.lines)] == self.lines
        self.lines = lines
        witness = self.folder / "witness"
        made = witness.stat().st_size if witness.exists() else 0
        reserved = privacy.Ledger.read(path).total_updates if lines else 0
        assert made <= reserved <= UPDATES + BLOCK * self.kills
        checkpoint = self.folder / "run" / "checkpoint.weights.h5"
        if checkpoint.exists():
            with h5py.File(checkpoint) as file:
                assert list(file)


def kill_many(processes, tmp_path, kills, seed):
    """Kills processes of one run after another, each until it has ended."""
    print(f"seed={seed}")  # pytest shows it when the test fails.
    rng = random.Random(seed)
    whole = {
        noise: Run(processes, tmp_path / f"whole-{noise}", noise).finish()
        for noise in (0.0, 1.0)
    }
    done, number = 0, 0
    while done < kills:
        noise = (0.0, 1.0)[number % 2]
        run = Run(processes, tmp_path / str(number), noise)
        has_ended = False
        while done + run.kills < kills and not has_ended:
            event = rng.choice(["begun", "first update", "first update"])
            has_ended = run.kill_at(event, rng.uniform(0, LONGEST_WAIT))
        check_result(run, run.finish(), whole[noise])
        done, number = done + run.kills, number + 1


def check_result(run, result, whole):
    """As if it had not been killed, but for what the kills have lost."""
    assert result["updates"] == UPDATES
    assert UPDATES <= result["history"] <= UPDATES + BLOCK * run.kills
    contents = privacy.Ledger.read(run.folder / "ledger")
    assert result["history"] == contents.total_updates
    assert result["epsilon"] >= whole["epsilon"]
    assert result["epsilon"] == contents.epsilon(1e-5, accountant="rdp")
    assert (result["weights"] == whole["weights"]) == (run.noise_multiplier == 0)


def test_three_kills(processes, tmp_path):
    kill_many(processes, tmp_path, kills=3, seed=0)


@pytest.mark.slow
def test_fifty_kills(processes, tmp_path):
    kill_many(processes, tmp_path, kills=50, seed=random.randrange(2**32))
