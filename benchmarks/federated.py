"""What the federated modes cost, and whether they hold: `benchmarks/federated.py`."""

import collections
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "federated")]

import test_dropouts as rounds
import test_record_level as records

from keras_dpgan.federated import encryption
from keras_dpgan.federated import masks
from keras_dpgan.federated.cohort import Cohort
from keras_dpgan.federated.flower import masked_sums
from keras_dpgan.federated.shared_noise import SharedNoise

SIZE = 200_000
ROUNDS = 5
ACTIONS = (
    masked_sums.KEYS,
    masked_sums.SHARES,
    masked_sums.PARCELS,
    masked_sums.UPDATE,
    masked_sums.CONFIRM,
    masked_sums.REVEAL,
)
DROP_OUTS = ["tests/federated/test_dropouts.py"]
TAMPERING = [
    "tests/federated/test_rounds.py::test_a_reply_that_fails_a_check_is_left_out_and_counted",
    "tests/federated/test_fuzzed_replies.py",
]


def measure(function):
    """The median time of some calls, in seconds, and the last result."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - start)
    return float(np.median(times)), result


def peak_memory(kind, num_clients):
    """MiB that a server's process has held at most."""
    script = pathlib.Path(__file__).with_name("federated_server.py")
    command = [sys.executable, str(script), kind, str(num_clients), str(SIZE)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(result.stdout)


def largest_difference():
    """How far training on owners' records ends from training in one place."""
    server = records.noiseless()
    owners = records.make_owners(records.noiseless)
    steps = {"steps_per_epoch": records.UPDATES}
    server.fit(records.OwnersHere(owners, **steps), verbose=0)
    central = records.noiseless()
    expected = records.Q * sum(records.SIZES)
    draws = records.SameDraws(records.parts_of_data())
    central.fit(draws, expected_batch_size=expected, verbose=0)
    return max(
        float(np.max(np.abs(a.numpy() - b.numpy())))
        for a, b in zip(
            server.discriminator.trainable_variables,
            central.discriminator.trainable_variables,
            strict=True,
        )
    )


def encrypted_sum_is_exact(num_clients=10):
    """Whether an encrypted sum is the plain one."""
    context = encryption.new_context()
    public = encryption.public_part(context)
    rng = np.random.default_rng(0)
    vectors = rng.integers(0, encryption.MODULUS, (num_clients, SIZE))
    holder = encryption.read_context(context)
    sent = [encryption.read(holder, encryption.encrypt(public, v)) for v in vectors]
    opened = encryption.decrypt(encryption.add(sent))
    return np.array_equal(opened, vectors.sum(axis=0) % encryption.MODULUS)


def traffic(federation):
    """What one client of ten sends and gets in a round: bytes a parameter."""
    sums, grid = federation.sums, federation.grid
    sent, actions = [], set()
    node = min(grid.nodes)

    def listen(content):
        sent.append(size_of(content))
        return content

    grid.tamper = collections.defaultdict(lambda: lambda content: content)
    for action in ACTIONS:
        grid.tamper[node, action] = listen
    if sums.total(0, rounds.MODEL) is None:
        raise RuntimeError("The round was not opened.")
    got = []
    for receiver, action, content in grid.sent:
        if receiver == node:
            got.append(size_of(content))
            actions.add(action)
    return len(actions), sum(sent) / rounds.SIZE, sum(got) / rounds.SIZE


def size_of(content):
    return sum(len(array.data) for array in content.array_records["arrays"].values())


def passed(*tests):
    """How many tests have passed, as pytest says."""
    command = [sys.executable, "-m", "pytest", "-q", *tests]
    result = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    return result.stdout.strip().splitlines()[-1]


def main():
    cohort = Cohort(10, max_dropouts=3)
    noise = SharedNoise(cohort, 1.0, 1.0, SIZE, encryption.MODULUS)
    update = [np.random.default_rng(0).normal(size=SIZE) * 1e-3]
    noise.privatize(update)  # Makes the table of the noise.
    seconds, vector = measure(lambda: noise.privatize(update))
    rows = [("clip, round and noise", seconds, 8.0)]
    public = encryption.public_part(encryption.new_context())
    seconds, ciphertexts = measure(lambda: encryption.encrypt(public, vector))
    rows.append(("encrypt (BFV)", seconds, sum(map(len, ciphertexts)) / SIZE))
    key = masks.new_key()
    seconds, mask = measure(lambda: masks.mask(key, SIZE))
    rows.append(("one mask (ChaCha20)", seconds, 4 * mask.size / SIZE))
    print(f"An update of {SIZE:,} parameters, at a client:\n")
    print("| | seconds | bytes a parameter |\n| --- | --- | --- |")
    for name, seconds, size in rows:
        print(f"| {name} | {seconds:.3f} | {size:.1f} |")
    print("\nOne round of ten clients, at a client, bytes a parameter:\n")
    print("| | messages | sends | gets |\n| --- | --- | --- | --- |")
    masked = rounds.federation_of(rounds.update_noise())
    print("| masked sums | {} | {:.1f} | {:.1f} |".format(*traffic(masked)))
    with tempfile.TemporaryDirectory() as folder:
        noise = rounds.update_noise(encryption.MODULUS)
        encrypted = rounds.federation_of(noise, pathlib.Path(folder))
        print("| encrypted sums | {} | {:.1f} | {:.1f} |".format(*traffic(encrypted)))
    print("\nPeak memory of a server in one round of such updates, MiB:\n")
    print("| | 10 clients | 1,000 clients |\n| --- | --- | --- |")
    for kind in ("averaged", "encrypted"):
        few, many = (peak_memory(kind, clients) for clients in (10, 1000))
        print(f"| {kind} | {few:.0f} | {many:.0f} |")
    print()
    print("| | |\n| --- | --- |")
    print(
        "| training on owners' records against training in one place, without noise "
        f"| at most {largest_difference():.1e} in a weight |"
    )
    exact = "equal" if encrypted_sum_is_exact() else "NOT EQUAL"
    print(f"| encrypted sum against the plain one | {exact} |")
    print(f"| three clients of ten drop out, in every mode | {passed(*DROP_OUTS)} |")
    print(f"| clients that tamper | {passed(*TAMPERING)} |")


if __name__ == "__main__":
    main()
