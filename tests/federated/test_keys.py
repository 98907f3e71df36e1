"""The folder of keys of a federation."""

import importlib.util

import numpy as np
import pytest

if importlib.util.find_spec("tenseal") is None:
    pytest.skip("needs TenSEAL", allow_module_level=True)
pytest.importorskip("cryptography")

from keras_dpgan.federated import encryption
from keras_dpgan.federated import key_holder
from keras_dpgan.federated import keys

SIZE = 100


def send(folder, clients):
    """Signed vectors of a first round."""
    context = (folder / "public.context").read_bytes()
    sent = {}
    for n in clients:
        signing = (folder / f"client-{n}.signing").read_bytes()
        ciphertexts = encryption.encrypt(context, np.full(SIZE, n + 1))
        signature = key_holder.sign(signing, 0, ciphertexts)
        sent[key_holder.verifying_key(signing)] = (ciphertexts, signature)
    return sent


def test_a_later_run_opens_no_round_of_an_earlier_one(tmp_path):
    keys.make_keys(tmp_path, 3)
    opened = keys.load_key_holder(tmp_path, 2, SIZE).open_sum(
        0, send(tmp_path, (0, 1, 2))
    )
    assert np.all(opened == 6)
    # Another run, of the same keys: one client is left out.
    with pytest.raises(key_holder.RefusedError, match="was before"):
        keys.load_key_holder(tmp_path, 2, SIZE).open_sum(0, send(tmp_path, (0, 1)))


def test_new_keys_begin_anew_and_know_nothing_of_the_old(tmp_path):
    keys.make_keys(tmp_path, 3)
    old = send(tmp_path, (0, 1, 2))
    keys.load_key_holder(tmp_path, 2, SIZE).open_sum(0, old)
    keys.make_keys(tmp_path, 3)
    with pytest.raises(key_holder.RefusedError, match="fewer than 2"):
        keys.load_key_holder(tmp_path, 2, SIZE).open_sum(0, old)
    opened = keys.load_key_holder(tmp_path, 2, SIZE).open_sum(
        0, send(tmp_path, (0, 1, 2))
    )
    assert np.all(opened == 6)
