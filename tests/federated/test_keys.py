"""The folder of keys of a federation."""

import importlib.util

import numpy as np
import pytest

if importlib.util.find_spec("tenseal") is None:
    pytest.skip("needs TenSEAL", allow_module_level=True)
pytest.importorskip("cryptography")

from keras_dpgan.federated import budget_vote
from keras_dpgan.federated import encryption
from keras_dpgan.federated import keys
from keras_dpgan.federated.opened_rounds import RefusedError

SIZE = 100
RUN = "a run"


def encrypted(folder):
    context = (folder / "public.context").read_bytes()
    return encryption.encrypt(context, np.full(SIZE, 6))


def votes(folder):
    registry, sealing = keys.load_registry(folder), folder / "public.votes"
    cast = {}
    for n in range(len(registry)):
        signing = (folder / f"client-{n}.signing").read_bytes()
        number = registry.number_of(signing)
        cast[number] = budget_vote.cast(
            sealing.read_bytes(), signing, number, RUN, 0, can_pay=True
        )
    return cast


def test_a_secret_key_does_not_keep_the_readers_of_an_older_file(tmp_path):
    for name in ("client-0.signing", "holder.signing", "holder.key", "server.key"):
        (tmp_path / name).write_bytes(b"old")
        (tmp_path / name).chmod(0o666)
    keys.make_keys(tmp_path, 1)
    for path in (*tmp_path.glob("*.signing"), *tmp_path.glob("*.key")):
        assert path.stat().st_mode & 0o777 == 0o600, path
    assert (tmp_path / "holder.context").stat().st_mode & 0o777 == 0o600


def test_a_later_server_has_no_round_opened_or_counted_again(tmp_path):
    keys.make_keys(tmp_path, 3)
    opened = keys.load_key_holder(tmp_path, SIZE).open(RUN, 0, encrypted(tmp_path))
    assert np.all(opened == 6)
    assert keys.load_vote_counter(tmp_path, 3).enough_can_pay(RUN, 0, votes(tmp_path))
    with pytest.raises(RefusedError, match="was opened before"):
        keys.load_key_holder(tmp_path, SIZE).open(RUN, 0, encrypted(tmp_path))
    with pytest.raises(RefusedError, match="was opened before"):
        keys.load_vote_counter(tmp_path, 3).enough_can_pay(RUN, 0, votes(tmp_path))


def test_new_keys_begin_anew_and_know_nothing_of_the_old(tmp_path):
    keys.make_keys(tmp_path, 4)
    old = votes(tmp_path)
    keys.load_vote_counter(tmp_path, 4).enough_can_pay(RUN, 0, old)
    keys.make_keys(tmp_path, 3)
    assert len(keys.load_registry(tmp_path)) == 3
    with pytest.raises(RefusedError, match="0 clients have sent a valid vote"):
        keys.load_vote_counter(tmp_path, 2).enough_can_pay(RUN, 0, old)
    assert keys.load_vote_counter(tmp_path, 3).enough_can_pay(RUN, 0, votes(tmp_path))


def test_the_key_holder_is_no_client(tmp_path):
    keys.make_keys(tmp_path, 2)
    signing = (tmp_path / "holder.signing").read_bytes()
    with pytest.raises(ValueError, match="belong to a client of the registry"):
        keys.load_registry(tmp_path).number_of(signing)
