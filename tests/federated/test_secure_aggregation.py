"""Masked sums: what the server can open, and what nobody can."""

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("flwr")

from keras_dpgan.federated import masks
from keras_dpgan.federated.cohort import Cohort
from keras_dpgan.federated.masked_sum import open_sum
from keras_dpgan.federated.masking_client import MaskingClient
from keras_dpgan.federated.masking_client import ProtocolError

COHORT = Cohort(6, max_dropouts=2)
SIZE = 1000


class Round:
    """One round in this process, in which clients can be made to drop out."""

    def __init__(self, number=3):
        rng = np.random.default_rng(0)
        self.number = number
        names = range(COHORT.num_clients)
        self.clients = {n: MaskingClient(number, COHORT.threshold) for n in names}
        self.vectors = {n: rng.integers(0, 2**32, SIZE) for n in names}
        self.directory = {n: c.public_keys() for n, c in self.clients.items()}

    def share(self, without=()):
        self.parcels = {
            n: c.share(n, self.directory)
            for n, c in self.clients.items()
            if n not in without
        }

    def mask(self, without=()):
        self.masked = {}
        for n in set(self.parcels) - set(without):
            mine = {o: p[n] for o, p in self.parcels.items() if o != n}
            self.masked[n] = self.clients[n].mask(mine, self.vectors[n])

    def open(self, without=()):
        revealed = [
            self.clients[n].reveal(set(self.masked))
            for n in set(self.masked) - set(without)
        ]
        return open_sum(
            self.number,
            self.directory,
            set(self.parcels),
            set(self.masked),
            self.masked_total(),
            revealed,
            COHORT.threshold,
        )

    def masked_total(self):
        return np.sum(list(self.masked.values()), axis=0, dtype=np.uint32)

    def plain_sum(self, clients):
        return sum(self.vectors[n] for n in clients) % 2**32


def test_the_opened_sum_is_the_plain_sum_of_integers():
    played = Round()
    played.share()
    played.mask()
    assert np.array_equal(played.open(), played.plain_sum(range(6)))


@pytest.mark.parametrize(
    ("before_sharing", "before_masking", "before_opening"),
    [([1, 4], [], []), ([], [0, 5], []), ([], [], [2, 3]), ([1], [0], [])],
)
def test_clients_may_drop_out_at_any_step(
    before_sharing, before_masking, before_opening
):
    played = Round()
    played.share(without=before_sharing)
    played.mask(without=before_masking)
    left = set(range(6)) - set(before_sharing) - set(before_masking)
    opened = played.open(without=before_opening)
    assert np.array_equal(opened, played.plain_sum(left))


def test_a_round_below_its_threshold_is_not_opened():
    played = Round()
    played.share()
    played.mask(without=[0, 1, 2])
    with pytest.raises(ProtocolError, match="left, and 4 are needed"):
        played.open()


def test_too_few_shares_do_not_open_a_sum():
    played = Round()
    played.share()
    played.mask()
    with pytest.raises(ProtocolError, match="cannot be opened"):
        played.open(without=[0, 1, 2])


def test_wrong_shares_of_a_key_are_noticed():
    played = Round()
    played.share()
    played.mask(without=[5])
    revealed = [played.clients[n].reveal(set(played.masked)) for n in range(4)]
    kind, share = revealed[1][5]
    revealed[1][5] = (kind, share[:-1] + bytes([share[-1] ^ 1]))
    with pytest.raises(ProtocolError, match="client 5"):
        open_sum(
            3,
            played.directory,
            set(range(6)),
            set(played.masked),
            played.masked_total(),
            revealed,
            4,
        )


def test_clients_do_not_mask_for_too_few():
    played = Round()
    played.share(without=[0, 1, 2])
    with pytest.raises(ProtocolError, match="and 4 are needed"):
        played.mask()


def test_a_client_opens_a_round_once():
    played = Round()
    played.share()
    played.mask()
    played.open()
    with pytest.raises(ProtocolError, match="once"):
        played.clients[0].reveal({0, 1, 2, 3})


def test_a_client_masks_one_vector_once():
    played = Round()
    played.share()
    played.mask()
    with pytest.raises(ProtocolError, match="once"):
        played.mask()


def test_nobody_reveals_both_secrets_of_a_client():
    played = Round()
    played.share()
    played.mask(without=[5])
    revealed = played.clients[0].reveal(set(played.masked))
    assert {n: kind for n, (kind, _) in revealed.items()} == {
        **dict.fromkeys(range(5), "seed"),
        5: "key",
    }


def test_an_altered_parcel_is_noticed():
    played = Round()
    played.share()
    altered = bytearray(played.parcels[1][0])
    altered[10] ^= 1
    played.parcels[1][0] = bytes(altered)
    with pytest.raises(ProtocolError, match="changed on its way"):
        played.mask()


def test_a_parcel_of_another_client_is_noticed():
    played = Round()
    played.share()
    played.parcels[1][0] = played.parcels[2][0]
    with pytest.raises(ProtocolError, match="changed on its way"):
        played.mask()


def test_a_directory_with_other_keys_is_refused():
    played = Round()
    played.directory[0] = played.directory[1]
    with pytest.raises(ProtocolError, match="does not hold the keys|same keys"):
        played.share()


def test_a_masked_vector_tells_nothing_of_the_vector():
    played = Round()
    played.vectors[0] = np.zeros(SIZE, int)
    played.share()
    played.mask()
    masked = played.masked[0].astype(float) / 2**32
    # Means of 1,000 uniform numbers: five standard deviations.
    assert abs(masked.mean() - 0.5) < 0.046
    assert len(set(played.masked[0])) > SIZE - 3


def test_masks_take_in_the_whole_key():
    key = masks.new_key()
    streams = {masks.mask(key, 4).tobytes()}
    for bit in range(256):
        changed = bytearray(key)
        changed[bit // 8] ^= 1 << bit % 8
        streams.add(masks.mask(bytes(changed), 4).tobytes())
    assert len(streams) == 257


def test_two_processes_with_one_seed_draw_different_masks_and_noise():
    program = (
        "import random, numpy; random.seed(1); numpy.random.seed(1)\n"
        "from keras_dpgan.federated import masks, discrete_gaussian\n"
        "print(masks.new_key().hex())\n"
        "print(discrete_gaussian.discrete_gaussian(9, 1e3).tolist())\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    first, second = (p.communicate(timeout=120)[0].split(b"\n") for p in processes)
    assert len(first) == len(second) == 3
    assert first[0] != second[0]
    assert first[1] != second[1]
