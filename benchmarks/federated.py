"""What hiding updates costs clients and server: `python benchmarks/federated.py`."""

import pathlib
import subprocess
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from keras_dpgan.federated import encryption
from keras_dpgan.federated import masks
from keras_dpgan.federated.cohort import Cohort
from keras_dpgan.federated.shared_noise import SharedNoise

SIZE = 200_000
ROUNDS = 5


def measure(function):
    """The median time of some calls, in seconds, and the last result."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - start)
    return float(np.median(times)), result


def peak_memory(num_clients):
    """MiB that a server's process has held at most."""
    script = pathlib.Path(__file__).with_name("federated_server.py")
    command = [sys.executable, str(script), str(num_clients), str(SIZE)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(result.stdout)


def main():
    cohort = Cohort(10, max_dropouts=3)
    noise = SharedNoise(cohort, 1.0, 1.0, SIZE, encryption.MODULUS)
    update = [np.random.default_rng(0).normal(size=SIZE) * 1e-3]
    noise.privatise(update)  # Makes the table of the noise.
    seconds, vector = measure(lambda: noise.privatise(update))
    rows = [("clip, round and noise", seconds, 8.0)]
    public = encryption.public_part(encryption.new_context())
    seconds, ciphertexts = measure(lambda: encryption.encrypt(public, vector))
    rows.append(("encrypt (BFV)", seconds, sum(map(len, ciphertexts)) / SIZE))
    key = masks.new_key()
    seconds, mask = measure(lambda: masks.mask(key, SIZE))
    rows.append(("one mask (ChaCha20)", seconds, mask.nbytes / SIZE))
    print(f"An update of {SIZE:,} parameters, at a client:\n")
    print("| | seconds | bytes a parameter |\n| --- | --- | --- |")
    for name, seconds, size in rows:
        print(f"| {name} | {seconds:.3f} | {size:.1f} |")
    few, many = (peak_memory(clients) for clients in (10, 1000))
    print(
        f"\nPeak memory of a server that averages such updates: {few:.0f} MiB for 10 "
        f"clients, {many:.0f} MiB for 1,000."
    )


if __name__ == "__main__":
    main()
