"""Replies of one client, changed in every way, end no run and waste none."""

import importlib.util

import numpy as np
import pytest

pytest.importorskip("flwr")
pytest.importorskip("cryptography")

from federation_here import MODULUS
from federation_here import Federation
from flwr.app import Array
from flwr.app import ArrayRecord
from flwr.app import ConfigRecord
from flwr.app import RecordDict

from keras_dpgan.federated.cohort import Cohort
from keras_dpgan.federated.flower import masked_sums
from keras_dpgan.federated.flower import messages
from keras_dpgan.federated.shared_noise import SharedNoise

NUM_CLIENTS, SIZE, CHANGED = 5, 40, 2
COHORT = Cohort(NUM_CLIENTS, max_dropouts=1, max_colluders=1)
MODEL = [np.zeros(SIZE, np.float32)]
ACTIONS = (
    masked_sums.KEYS,
    masked_sums.SHARES,
    masked_sums.PARCELS,
    masked_sums.UPDATE,
    masked_sums.CONFIRM,
    masked_sums.REVEAL,
)


def npy(header, body=b""):
    """An array of NumPy's format with any header."""
    header = header.ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + body


def entry(data, stype="numpy.ndarray"):
    return Array(dtype="uint8", shape=(1,), stype=stype, data=data)


def archive():
    import io

    file = io.BytesIO()
    np.savez_compressed(file, a=np.zeros(10**6))
    return file.getvalue()


BAD_ARRAYS = {
    "an archive": lambda: archive(),
    "2**50 doubles": lambda: npy(
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (1125899906842624,), }"
    ),
    "negative": lambda: npy(
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }", bytes(8)
    ),
    "no tokens": lambda: npy(b"{'descr': '<f8', 'fortran_order': (((((("),
    "deep": lambda: npy(b"(" * 118),
    "an object": lambda: npy(
        b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", bytes(8)
    ),
    "too long": lambda: npy(
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }", bytes(8)
    ),
    "nothing": lambda: b"",
    "one byte": lambda: b"\x93",
}


@pytest.mark.parametrize("kind", BAD_ARRAYS)
def test_an_array_that_is_none_is_unreadable_and_allocates_nothing(kind):
    content = messages.write([np.zeros(1, np.uint8)])
    content["arrays"] = ArrayRecord({"0": entry(BAD_ARRAYS[kind]())})
    with pytest.raises(messages.InvalidMessageError, match="unreadable"):
        messages.read(content)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3, 4), np.float32),
        np.ones((0, 64), np.uint8),
        np.array(3, np.int64),
        np.arange(5),
        np.array([True, False]),
        np.float16([1, 2]),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
    ],
)
def test_arrays_come_out_as_they_went_in(array):
    (read,), _ = messages.read(messages.write([array]))
    assert read.dtype == array.dtype
    assert np.array_equal(read, array)


def federation_of(modulus, folder):
    mechanism = SharedNoise(COHORT, 1.0, 0.5, SIZE, modulus)
    updates = [lambda arrays, facts: [np.zeros(SIZE)]] * NUM_CLIENTS
    return Federation(mechanism, updates, folder)


def mutations(rng):
    """Ways to change a valid reply, each another whenever it is called."""

    def arrays_of(content):
        return dict(content.array_records["arrays"])

    def with_arrays(content, arrays):
        facts = content.config_records["facts"]
        return RecordDict({"arrays": ArrayRecord(arrays), "facts": facts})

    def one(content, change):
        arrays = arrays_of(content)
        if not arrays:
            return content
        name = rng.choice(list(arrays))
        arrays[name] = entry(change(arrays[name].data))
        return with_arrays(content, arrays)

    def flip(data):
        data = bytearray(data)
        for place in rng.integers(0, len(data), rng.integers(1, 6)):
            data[place] ^= 1 << rng.integers(8)
        return bytes(data)

    def flip_body(data):
        data = bytearray(data)
        if len(data) > 128:
            data[rng.integers(128, len(data))] ^= 1 << rng.integers(8)
        return bytes(data)

    def cut(data):
        return data[: rng.integers(0, len(data))]

    def zeros(data):
        return data[:128] + bytes(len(data) - 128)

    def other(data):
        del data
        kinds = (np.uint8, np.int64, np.float64, np.bool_)
        shape = tuple(rng.integers(0, 4, rng.integers(0, 3)))
        array = np.ones(shape, kinds[rng.integers(4)])
        return Array(array).data

    def drop_one(content):
        arrays = arrays_of(content)
        arrays.pop(next(iter(arrays), None), None)
        return with_arrays(content, arrays)

    def add_one(content):
        return with_arrays(content, {**arrays_of(content), "more": Array(np.ones(3))})

    def turn_round(content):
        return with_arrays(content, dict(reversed(arrays_of(content).items())))

    def change_facts(content):
        facts = dict(content.config_records["facts"])
        name = rng.choice(list(facts))
        facts[name] = [7, -1, "x", 2.5, [1, 2], b"", True][rng.integers(7)]
        return RecordDict({"arrays": content["arrays"], "facts": ConfigRecord(facts)})

    changes = (flip, flip_body, cut, zeros, other)
    return [
        *(lambda content, c=change: one(content, c) for change in changes),
        drop_one,
        add_one,
        turn_round,
        change_facts,
        lambda content: RecordDict(),
        lambda content: messages.abstention(),
    ]


@pytest.mark.parametrize("modulus", [2**32, MODULUS], ids=["masked", "encrypted"])
@pytest.mark.parametrize("action", ACTIONS)
def test_changed_replies_cost_their_client_its_round_and_nobody_else(
    tmp_path, modulus, action
):
    """One client's reply to one message is changed; the others' sum is opened."""
    rng = np.random.default_rng(sum(action.encode()))
    federation = federation_of(modulus, tmp_path)
    changes, before = mutations(rng), 0
    times = 1 if federation.encrypted else 2
    for number, change in enumerate(changes * times):
        federation.tamper(CHANGED, action, change)
        total = federation.sums.total(number, MODEL)
        # Under its masks a client can hand in anything: that spoils a sum, not unseen.
        impossible = federation.group.num_left_out["impossible sum"]
        spoiled = action == masked_sums.UPDATE and impossible > before
        before = impossible
        assert total is not None or spoiled, (number, federation.group.num_left_out)
    left_out = federation.group.left_out
    assert set(left_out) <= {100 + CHANGED}
    wrong = sum(left_out[100 + CHANGED].values()) + before
    # Some changes are of no account, such as another bit of a number.
    assert wrong >= len(changes) * times / 2


class Silent:
    """Time that passes when somebody waits."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def test_a_silent_client_holds_up_a_message_for_seconds(monkeypatch, tmp_path):
    from keras_dpgan.federated.flower import group as module

    mechanism = SharedNoise(COHORT, 1.0, 0.5, SIZE)
    updates = [lambda arrays, facts: [np.zeros(SIZE)]] * NUM_CLIENTS
    federation = Federation(mechanism, updates, tmp_path, timeout=600.0)
    clock = Silent()
    monkeypatch.setattr(module, "time", clock)
    for action in ACTIONS:
        federation.tamper(CHANGED, action, lambda content: None)
    assert federation.sums.total(0, MODEL) is not None
    assert clock.now < 30
    assert federation.group.left_out == {100 + CHANGED: {"no reply": 1}}


def test_a_client_whose_shares_open_another_secret_costs_one_round(tmp_path):
    """It cannot be told before the round is over, and is asked no more."""
    federation = federation_of(2**32, tmp_path)
    real = federation.grid.nodes[100 + CHANGED]

    def answer(action, content):
        from keras_dpgan.federated import masking_client

        split = masking_client.shamir.split
        if action == masked_sums.SHARES:
            masking_client.shamir.split = lambda secret, *of: split(bytes(32), *of)
        try:
            return real(action, content)
        finally:
            masking_client.shamir.split = split

    federation.grid.nodes[100 + CHANGED] = answer
    opened = [federation.sums.total(n, MODEL) is not None for n in range(3)]
    assert opened == [False, True, True]
    assert federation.group.left_out[100 + CHANGED] == {
        "shares of another secret": 1,
        "wrong keys": 2,
    }


def test_a_second_claim_to_be_the_key_holder_is_left_out():
    if importlib.util.find_spec("tenseal") is None:
        pytest.skip("needs TenSEAL")
    import grid_here

    from keras_dpgan.federated import signatures
    from keras_dpgan.federated.flower import encrypted_sums

    own, another = (signatures.new_signing_key() for _ in range(2))

    def node(place, key=None):
        return lambda action, content: encrypted_sums.answer_is_key_holder(
            content, 100 + place, key
        )

    nodes = [node(0), node(1, another), node(2, own), node(3)]
    grid = grid_here.GridHere(nodes)
    group, holder = encrypted_sums.split_off_key_holder(
        grid, 3, signatures.verifying_key(own), timeout=0.3
    )
    assert holder.node_ids == [102]
    assert group.node_ids == [100, 101, 103]
    # A signature of another node's is none of this one's.
    nodes[3] = node(2, own)
    nodes[2] = node(2)
    grid = grid_here.GridHere(nodes)
    with pytest.raises(ValueError, match="key holder must be among the nodes"):
        encrypted_sums.split_off_key_holder(
            grid, 3, signatures.verifying_key(own), timeout=0.3
        )
