"""Encrypted sums: exact, small, and opened once by one who counts."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

# Not imported here: how it is imported matters.
if importlib.util.find_spec("tenseal") is None:
    pytest.skip("needs TenSEAL", allow_module_level=True)
pytest.importorskip("cryptography")

from keras_dpgan.federated import encryption
from keras_dpgan.federated import key_holder
from keras_dpgan.federated.cohort import Cohort
from keras_dpgan.federated.shared_noise import SharedNoise

SIZE = 5000
CLIENTS = tuple(range(4))
THRESHOLD = 3
RUN = "a run"


@pytest.fixture
def parties(tmp_path):
    return Parties(tmp_path / "opened")


class Parties:
    """Clients, and a key holder with its file."""

    def __init__(self, path):
        context = encryption.new_context()
        self.public = encryption.public_part(context)
        self.keys = {n: key_holder.new_signing_key() for n in CLIENTS}
        verifying = {n: key_holder.verifying_key(k) for n, k in self.keys.items()}
        self.make_holder = lambda: key_holder.KeyHolder(
            context, verifying, THRESHOLD, SIZE, path
        )
        self.holder = self.make_holder()
        rng = np.random.default_rng(0)
        self.vectors = rng.integers(0, encryption.MODULUS, (len(CLIENTS), SIZE))

    def send(self, number, clients=CLIENTS, run=RUN):
        sent = {}
        for n in clients:
            ciphertexts = encryption.encrypt(self.public, self.vectors[n])
            signature = key_holder.sign(self.keys[n], run, number, ciphertexts)
            sent[n] = (ciphertexts, signature)
        return sent


def test_the_encrypted_sum_is_the_plain_sum_of_integers(parties):
    opened = open_sum(parties.holder, RUN, 0, parties.send(0))
    assert np.array_equal(opened, parties.vectors.sum(axis=0) % encryption.MODULUS)


def test_a_client_may_drop_out(parties):
    opened = open_sum(parties.holder, RUN, 0, parties.send(0, clients=(0, 1, 3)))
    expected = parties.vectors[[0, 1, 3]].sum(axis=0) % encryption.MODULUS
    assert np.array_equal(opened, expected)


def test_the_sum_of_a_thousand_ciphertexts_is_exact():
    context = encryption.new_context()
    public = encryption.read_context(encryption.public_part(context))
    rng = np.random.default_rng(0)
    vectors = rng.integers(0, encryption.MODULUS, (1000, 4096))
    encrypted = [
        encryption.read(public, encryption.encrypt(public.serialize(), vector))
        for vector in vectors
    ]
    secret = encryption.read_context(context)
    total = encryption.add(encrypted)
    opened = encryption.decrypt(encryption.read(secret, [p.serialize() for p in total]))
    assert np.array_equal(opened, vectors.sum(axis=0) % encryption.MODULUS)


def test_a_round_below_its_threshold_is_not_opened(parties):
    with pytest.raises(key_holder.RefusedError, match="and 3 are needed"):
        open_sum(parties.holder, RUN, 0, parties.send(0, clients=(0, 1)))


def test_each_round_is_opened_once_also_after_a_restart(parties):
    open_sum(parties.holder, RUN, 4, parties.send(4))
    for number in (4, 3):
        with pytest.raises(key_holder.RefusedError, match="was opened before"):
            open_sum(parties.make_holder(), RUN, number, parties.send(number))
    open_sum(parties.make_holder(), RUN, 5, parties.send(5))


def test_vectors_of_another_round_are_refused(parties):
    for run, number in ((RUN, 6), ("another", 5)):
        with pytest.raises(key_holder.RefusedError, match="0 clients have sent a vali"):
            open_sum(parties.holder, run, number, parties.send(5))


def test_a_later_run_begins_its_rounds_anew(parties):
    open_sum(parties.holder, RUN, 4, parties.send(4))
    open_sum(parties.make_holder(), "another", 0, parties.send(0, run="another"))
    # The earlier one does not.
    with pytest.raises(key_holder.RefusedError, match="was opened before"):
        open_sum(parties.make_holder(), RUN, 4, parties.send(4))


def open_sum(holder, run, number, sent):
    """The sum of what has come, which is added in two portions."""
    total = key_holder.EncryptedTotal(run, number)
    for part in (dict(list(sent.items())[:2]), dict(list(sent.items())[2:])):
        total = holder.add(total, part)
    return holder.open(total)


def damage(parties, sent, kind):
    """What client 2 has sent, made invalid in one way."""
    ciphertexts, signature = sent[2]
    if kind == "altered":
        ciphertexts = encryption.encrypt(parties.public, parties.vectors[0])
    elif kind == "too short":
        ciphertexts = encryption.encrypt(parties.public, parties.vectors[2][:-1])
        signature = key_holder.sign(parties.keys[2], RUN, 0, ciphertexts)
    elif kind == "no ciphertext":
        ciphertexts = [b"nothing"] * 2
        signature = key_holder.sign(parties.keys[2], RUN, 0, ciphertexts)
    elif kind == "another's":
        signature = key_holder.sign(parties.keys[1], RUN, 0, ciphertexts)
    return {**sent, 2: (ciphertexts, signature)}


@pytest.mark.parametrize("kind", ["altered", "too short", "no ciphertext", "another's"])
def test_a_vector_that_is_not_valid_is_left_out_and_counted(parties, kind):
    sent = damage(parties, parties.send(0), kind)
    opened = open_sum(parties.holder, RUN, 0, sent)
    expected = parties.vectors[[0, 1, 3]].sum(axis=0) % encryption.MODULUS
    assert np.array_equal(opened, expected)
    assert parties.holder.num_left_out == 1


def test_a_client_counts_once(parties):
    sent = parties.send(0, clients=(0, 1))
    total = parties.holder.add(key_holder.EncryptedTotal(RUN, 0), sent)
    again = parties.holder.add(total, sent)
    assert again == total
    assert parties.holder.num_left_out == 2
    with pytest.raises(key_holder.RefusedError, match="2 clients"):
        parties.holder.open(again)


def test_unknown_clients_do_not_count(parties):
    sent = parties.send(0, clients=(0, 1))
    for stranger in (7, 8, 9):
        sent[stranger] = sent[0]
    with pytest.raises(key_holder.RefusedError, match="and 3 are needed"):
        open_sum(parties.holder, RUN, 0, sent)


def test_the_public_part_cannot_decrypt(parties):
    context = encryption.read_context(parties.public)
    assert not context.has_secret_key()
    ciphertexts = encryption.encrypt(parties.public, parties.vectors[0])
    with pytest.raises(ValueError, match="secret"):
        encryption.decrypt(encryption.read(context, ciphertexts))


def test_noised_updates_come_out_of_encryption_as_they_went_in(parties):
    cohort = Cohort(len(CLIENTS), max_dropouts=1)
    mechanism = SharedNoise(cohort, 1.0, 0.5, SIZE, modulus=encryption.MODULUS)
    update = [np.linspace(-0.01, 0.01, SIZE)]
    parties.vectors = np.array([mechanism.privatize(update) for _ in CLIENTS])
    opened = open_sum(parties.holder, RUN, 0, parties.send(0))
    (total,) = mechanism.open(opened, update)
    noise = total - len(CLIENTS) * update[0]
    # Four shares, of which three have the whole noise.
    assert np.std(noise) == pytest.approx(0.5 * np.sqrt(4 / 3), rel=0.1)


def test_a_ciphertext_has_at_most_24_bytes_for_each_parameter(parties):
    vector = np.arange(200_000) % encryption.MODULUS
    size = sum(map(len, encryption.encrypt(parties.public, vector)))
    assert size <= 24 * len(vector)


def test_ciphertexts_can_be_written_in_a_process_with_tensorflow():
    program = (
        "import tensorflow\n"
        "from keras_dpgan.federated import encryption\n"
        "public = encryption.public_part(encryption.new_context())\n"
        "print(len(encryption.encrypt(public, tensorflow.range(10).numpy())))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == "1\n"
