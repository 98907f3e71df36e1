"""Data larger than memory trains in the memory that small data take."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

import keras_dpgan

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not pathlib.Path("/proc/self/status").exists(), reason="needs Linux' /proc"
    ),
]

DIM = 1024

_TRAIN = f"""
import json, pathlib, sys, threading, time
import keras
import numpy as np
from keras_dpgan import DPGAN, data, models, optimizers

n, path, steps = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
# Sparse: all of it can be read, and what was not written takes no disk.
x = np.memmap(path, np.float32, "w+", shape=(n, {DIM}))
gan = DPGAN(
    models.vector_discriminator({DIM}, hidden=(8,)),
    models.vector_generator({DIM}, 4, hidden=(8,), output_activation="tanh"))
gan.compile(
    d_optimizer=optimizers.DPKerasSGDOptimizer(1.0, 1.0, learning_rate=0.01),
    g_optimizer=keras.optimizers.SGD(0.01))

# What the process holds itself. Pages of the file that were read count as resident
# too, until the system wants the memory for something else.
def held():
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) // 1024

peak = 0
def watch():
    global peak
    while True:
        peak = max(peak, held())
        time.sleep(0.02)
threading.Thread(target=watch, daemon=True).start()

batches = data.PoissonDataset(x, expected_batch_size=64, steps_per_epoch=steps)
gan.fit(batches, verbose=0)
print(json.dumps({{"peak": peak, "updates": gan.num_discriminator_updates}}))
"""


def train(num_examples, folder, steps):
    """Peak of the memory that a process of its own holds, in MiB."""
    path = folder / f"{num_examples}.f32"
    root = pathlib.Path(keras_dpgan.__file__).parents[1]
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TRAIN, str(num_examples), str(path), str(steps)],
            capture_output=True,
            text=True,
            timeout=900,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        assert done.returncode == 0, done.stderr
        assert path.stat().st_size == num_examples * 4 * DIM
    finally:
        path.unlink(missing_ok=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_twenty_gigabytes_train_in_the_memory_of_eighty_megabytes(tmp_path):
    small = train(20_000, tmp_path, steps=300)
    large = train(5_000_000, tmp_path, steps=300)
    assert large["updates"] == small["updates"] == 300
    # Both are checked before the first update, 64 MiB at a time. One float per
    # record would be 38 MiB.
    assert large["peak"] - small["peak"] < 30
