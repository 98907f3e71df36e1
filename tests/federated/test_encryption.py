"""Encrypted sums: exact, small, and opened once."""

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
from keras_dpgan.federated.opened_rounds import RefusedError

SIZE = 5000
RUN = "a run"


@pytest.fixture
def parties(tmp_path):
    return Parties(tmp_path / "opened")


class Parties:
    """Vectors, and a key holder with its file."""

    def __init__(self, path):
        context = encryption.new_context()
        self.public = encryption.public_part(context)
        self.make_holder = lambda: key_holder.KeyHolder(context, SIZE, path)
        self.holder = self.make_holder()
        rng = np.random.default_rng(0)
        self.vectors = rng.integers(0, encryption.MODULUS, (4, SIZE))

    def sum(self):
        """What a server adds."""
        public = encryption.read_context(self.public)
        read = [
            encryption.read(public, encryption.encrypt(self.public, vector))
            for vector in self.vectors
        ]
        return encryption.write(encryption.add(read))


def test_the_encrypted_sum_is_the_plain_sum_of_integers(parties):
    opened = parties.holder.open(RUN, 0, parties.sum())
    assert np.array_equal(opened, parties.vectors.sum(axis=0) % encryption.MODULUS)


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


def test_each_round_is_opened_once_also_after_a_restart(parties):
    total = parties.sum()
    parties.holder.open(RUN, 4, total)
    for number in (4, 3):
        with pytest.raises(RefusedError, match="was opened before"):
            parties.make_holder().open(RUN, number, total)
    parties.make_holder().open(RUN, 5, total)
    parties.make_holder().open("another", 0, total)


def damaged(parties, kind):
    whole = parties.sum()
    if kind == "no ciphertext":
        return [b"nothing"] * 2
    if kind == "nothing":
        return []
    if kind == "a part":
        return whole[:1]
    if kind == "a part twice":
        return [whole[0], whole[0]]
    if kind == "cut short":
        return [whole[0], whole[1][:-20]]
    return [whole[1], whole[0]]


@pytest.mark.parametrize(
    "kind",
    ["no ciphertext", "nothing", "a part", "a part twice", "cut short", "turned round"],
)
def test_what_is_no_vector_is_refused_and_the_round_may_still_be_opened(parties, kind):
    with pytest.raises(RefusedError, match="no vector|has 5000 coordinates"):
        parties.holder.open(RUN, 0, damaged(parties, kind))
    parties.holder.open(RUN, 0, parties.sum())


def test_the_public_part_cannot_decrypt(parties):
    context = encryption.read_context(parties.public)
    assert not context.has_secret_key()
    ciphertexts = encryption.encrypt(parties.public, parties.vectors[0])
    with pytest.raises(ValueError, match="secret"):
        encryption.decrypt(encryption.read(context, ciphertexts))


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
