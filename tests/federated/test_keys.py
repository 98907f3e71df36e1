"""The folder of keys of a federation."""

import importlib.util

import numpy as np
import pytest

if importlib.util.find_spec("tenseal") is None:
    pytest.skip("needs TenSEAL", allow_module_level=True)
pytest.importorskip("cryptography")

from keras_dpgan.federated import budget_vote
from keras_dpgan.federated import encryption
from keras_dpgan.federated import key_holder
from keras_dpgan.federated import keys

SIZE = 100
RUN = "a run"


def open_sum(holder, run, number, sent):
    return holder.open(holder.add(key_holder.EncryptedTotal(run, number), sent))


def count(counter, run, number, votes):
    total = counter.holder.add(key_holder.EncryptedTotal(run, number), votes)
    return counter.enough_can_pay(total)


def send(folder, clients):
    """Signed vectors of a first round."""
    context = (folder / "public.context").read_bytes()
    sent = {}
    for n in clients:
        signing = (folder / f"client-{n}.signing").read_bytes()
        ciphertexts = encryption.encrypt(context, np.full(SIZE, n + 1))
        signature = key_holder.sign(signing, RUN, 0, ciphertexts)
        sent[key_holder.verifying_key(signing)] = (ciphertexts, signature)
    return sent


def test_a_secret_key_does_not_keep_the_readers_of_an_older_file(tmp_path):
    (tmp_path / "client-0.signing").write_bytes(b"old")
    (tmp_path / "client-0.signing").chmod(0o666)
    keys.make_keys(tmp_path, 1)
    for path in (*tmp_path.glob("*.signing"), *tmp_path.glob("*.key")):
        assert path.stat().st_mode & 0o777 == 0o600, path
    assert (tmp_path / "holder.context").stat().st_mode & 0o777 == 0o600


def test_a_later_run_opens_no_round_of_an_earlier_one(tmp_path):
    keys.make_keys(tmp_path, 3)
    opened = open_sum(
        keys.load_key_holder(tmp_path, 2, SIZE), RUN, 0, send(tmp_path, (0, 1, 2))
    )
    assert np.all(opened == 6)
    # Another server, with the same keys, leaves one client out.
    with pytest.raises(key_holder.RefusedError, match="was opened before"):
        open_sum(
            keys.load_key_holder(tmp_path, 2, SIZE), RUN, 0, send(tmp_path, (0, 1))
        )


def test_votes_and_updates_of_a_round_have_one_file_and_do_not_meet(tmp_path):
    keys.make_keys(tmp_path, 3)
    public = (tmp_path / "public.context").read_bytes()
    votes = {}
    for n in range(3):
        signing = (tmp_path / f"client-{n}.signing").read_bytes()
        vote = budget_vote.cast(public, signing, RUN, 0, can_pay=True)
        votes[key_holder.verifying_key(signing)] = vote
    assert count(keys.load_vote_counter(tmp_path, 3), RUN, 0, votes)
    updates = send(tmp_path, (0, 1, 2))
    assert np.all(
        open_sum(keys.load_key_holder(tmp_path, 3, SIZE), RUN, 0, updates) == 6
    )
    with pytest.raises(key_holder.RefusedError, match="was opened before"):
        count(keys.load_vote_counter(tmp_path, 3), RUN, 0, votes)
    assert len(list(tmp_path.glob("opened-*"))) == 1


def test_new_keys_begin_anew_and_know_nothing_of_the_old(tmp_path):
    keys.make_keys(tmp_path, 3)
    old = send(tmp_path, (0, 1, 2))
    open_sum(keys.load_key_holder(tmp_path, 2, SIZE), RUN, 0, old)
    keys.make_keys(tmp_path, 3)
    with pytest.raises(key_holder.RefusedError, match="and 2 are needed"):
        open_sum(keys.load_key_holder(tmp_path, 2, SIZE), RUN, 0, old)
    opened = open_sum(
        keys.load_key_holder(tmp_path, 2, SIZE), RUN, 0, send(tmp_path, (0, 1, 2))
    )
    assert np.all(opened == 6)
