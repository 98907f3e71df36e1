"""Masked sums: what the server can open, and what no coalition can."""

import math
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

pytest.importorskip("cryptography")

from keras_dpgan.federated import mask_graph as mask_graph_module
from keras_dpgan.federated import masks
from keras_dpgan.federated import signatures
from keras_dpgan.federated.cohort import Cohort
from keras_dpgan.federated.mask_graph import mask_graph
from keras_dpgan.federated.masked_sum import MaskedRound
from keras_dpgan.federated.masking_client import MaskingClient
from keras_dpgan.federated.masking_client import ProtocolError
from keras_dpgan.federated.masking_client import graph_of

COHORT = Cohort(8, max_dropouts=2, max_colluders=1)
SIZE, RUN, NUMBER = 1000, "a run", 3
PRIME = 4294828033


class Round:
    """One round in this process, in which clients can be made to drop out."""

    def __init__(self, modulus=2**32, cohort=COHORT):
        rng = np.random.default_rng(0)
        self.cohort, self.modulus = cohort, modulus
        names = range(cohort.num_clients)
        keys = [signatures.new_signing_key() for _ in names]
        self.registry = signatures.Registry(map(signatures.verifying_key, keys))
        self.keys = {self.registry.number_of(key): key for key in keys}
        self.clients = {
            n: MaskingClient(self.keys[n], self.registry, cohort, RUN, NUMBER, modulus)
            for n in names
        }
        self.vectors = {n: rng.integers(0, modulus, SIZE) for n in names}
        self.server = MaskedRound(self.registry, cohort, RUN, NUMBER, modulus)
        for n, client in self.clients.items():
            self.server.admit(n, client.announce())
        self.masked: dict = {}

    def share(self, without=()):
        for n, client in self.clients.items():
            if n not in without:
                self.server.take_shares(n, *client.share(self.server.directory))
        for n in self.server.shared:
            complaints = self.clients[n].receive(self.server.parcels_for(n))
            self.server.take_complaints(n, complaints)
        self.server.settle()

    def mask(self, without=()):
        for n in set(self.server.sharers) - set(without):
            vector, signature = self.clients[n].mask(
                self.server.sharers, self.vectors[n]
            )
            self.masked[n] = vector
            self.server.take_masked(n, signature)

    def confirm(self):
        for n in self.server.survivors:
            signature = self.clients[n].confirm(self.server.survivors)
            self.server.take_confirmation(n, signature)

    def reveal(self, without=()):
        for n in set(self.server.survivors) - set(without):
            shares = self.clients[n].reveal(
                self.server.confirmed, self.server.signatures_for(n)
            )
            self.server.take_revealed(n, shares)

    def open(self):
        return self.server.open(sum(v.astype(np.int64) for v in self.masked.values()))

    def play(self, before_sharing=(), before_masking=(), before_opening=()):
        self.share(without=before_sharing)
        self.mask(without=before_masking)
        self.confirm()
        self.reveal(without=before_opening)
        return self.open()

    def plain_sum(self, clients):
        return sum(self.vectors[n] for n in clients) % self.modulus


@pytest.mark.parametrize("modulus", [2**32, PRIME])
def test_the_opened_sum_is_the_plain_sum_of_integers(modulus):
    played = Round(modulus)
    assert np.array_equal(played.play(), played.plain_sum(range(8)))


@pytest.mark.parametrize(
    "dropped",
    [([1, 4], [], []), ([], [0, 5], []), ([], [], [2, 3]), ([1], [0], [])],
)
def test_clients_may_drop_out_at_any_step(dropped):
    played = Round()
    left = set(range(8)) - set(dropped[0]) - set(dropped[1])
    assert np.array_equal(played.play(*dropped), played.plain_sum(left))


def test_masks_of_a_sparse_graph_cancel_out():
    cohort = Cohort(60, max_dropouts=6)
    assert graph_of(cohort, 60).degree < 30
    played = Round(cohort=cohort)
    opened = played.play([7], [1, 2], [3, 5])
    assert np.array_equal(opened, played.plain_sum(set(range(60)) - {1, 2, 7}))


@pytest.mark.parametrize(
    ("num_clients", "dropouts", "colluders", "largest"),
    [(100, 10, 1, 30), (1000, 100, 10, 45), (10_000, 1000, 100, 120)],
)
def test_the_graph_grows_with_the_logarithm(num_clients, dropouts, colluders, largest):
    graph = mask_graph(num_clients, dropouts, colluders)
    assert colluders == 100 or graph.threshold > colluders
    assert graph.threshold < graph.degree <= largest


@pytest.mark.parametrize(
    ("num_clients", "dropouts", "colluders"),
    [(60, 6, 0), (100, 10, 1), (300, 60, 5), (1000, 0, 0), (1000, 100, 10)],
)
def test_the_graph_opens_less_than_the_sum_once_in_a_trillion(
    num_clients, dropouts, colluders
):
    """By another implementation of the tails than the one that chose the graph."""
    graph = mask_graph(num_clients, dropouts, colluders)
    others, honest = num_clients - 1, num_clients - colluders
    unsafe = -np.inf
    for s in range(1, honest // 2 + 1):
        tail = stats.hypergeom.logsf(
            graph.threshold - 1, others, s - 1 + colluders, graph.degree
        )
        subsets = math.log(math.comb(honest, s))
        unsafe = np.logaddexp(unsafe, subsets + s * tail)
    assert unsafe <= -40 * np.log(2) + 1e-6
    good = others - dropouts - 2 * colluders
    lost = stats.hypergeom.logcdf(graph.threshold - 1, others, good, graph.degree)
    assert num_clients * np.exp(lost) <= 2**-10 * (1 + 1e-6)


def test_the_graphs_bound_is_what_simulated_choices_say():
    """Among few clients, where it can be seen: neighbors who are all colluders."""
    rng = np.random.default_rng(0)
    others, colluders, degree, threshold = 19, 6, 6, 4
    draws = rng.permuted(np.tile(np.arange(others), (200_000, 1)), axis=1)
    inside = (draws[:, :degree] < colluders).sum(axis=1)
    expected = np.mean(inside >= threshold)
    chances = mask_graph_module._log_chances(
        others, np.array([colluders]), degree, range(threshold, degree + 1)
    )
    assert np.exp(chances).sum() == pytest.approx(expected, rel=0.05)


def test_few_clients_mask_with_all_and_with_as_high_a_threshold_as_can_be():
    assert mask_graph(3, 0, 0) == mask_graph_module.MaskGraph(2, 2)
    assert mask_graph(10, 3, 1) == mask_graph_module.MaskGraph(9, 4)
    assert mask_graph(1000, 0, 0) == mask_graph_module.MaskGraph(16, 16)


def test_a_round_below_its_threshold_is_not_confirmed():
    played = Round()
    played.share()
    played.mask(without=[0, 1, 2])
    with pytest.raises(ProtocolError, match="5 clients are left, and 6 are needed"):
        played.confirm()


def test_clients_do_not_mask_for_too_few():
    played = Round()
    played.share(without=[0, 1, 2])
    with pytest.raises(ProtocolError, match="and 6 are needed"):
        played.mask()


def test_too_few_shares_do_not_open_a_sum():
    played = Round()
    played.share()
    played.mask()
    played.confirm()
    played.reveal(without=range(5))
    with pytest.raises(ProtocolError, match="cannot be opened"):
        played.open()


@pytest.mark.parametrize("step", ["share", "receive", "mask", "confirm", "reveal"])
def test_a_client_takes_each_step_once(step):
    played = Round()
    played.play()
    client, server = played.clients[0], played.server
    again = {
        "share": lambda: client.share(server.directory),
        "receive": lambda: client.receive(server.parcels_for(0)),
        "mask": lambda: client.mask(server.sharers, played.vectors[0]),
        "confirm": lambda: client.confirm(server.survivors),
        "reveal": lambda: client.reveal(server.confirmed, server.signatures_for(0)),
    }
    with pytest.raises(ProtocolError, match="once"):
        again[step]()


def test_a_client_goes_on_from_what_it_has_kept():
    played = Round()

    def kept():
        for n, client in played.clients.items():
            played.clients[n] = MaskingClient.from_json(
                client.to_json(), played.keys[n], played.registry, COHORT
            )

    kept()
    played.share()
    kept()
    played.mask(without=[5])
    kept()
    played.confirm()
    kept()
    played.reveal()
    assert np.array_equal(played.open(), played.plain_sum(set(range(8)) - {5}))


def test_nobody_reveals_both_secrets_of_a_client():
    played = Round()
    played.share()
    played.mask(without=[5])
    played.confirm()
    revealed = played.clients[0].reveal(
        played.server.confirmed, played.server.signatures_for(0)
    )
    assert {n: kind for n, (kind, _) in revealed.items()} == {
        **dict.fromkeys(set(range(1, 8)) - {5}, "seed"),
        5: "key",
    }


# What the server and one client, which are in league, try.


def test_a_server_cannot_pass_off_keys_of_its_own_as_a_clients():
    played = Round()
    mine = MaskingClient(played.keys[7], played.registry, COHORT, RUN, NUMBER)
    played.server.directory[3] = mine.announce()
    with pytest.raises(ProtocolError, match="client 3 are not signed by it"):
        played.clients[0].share(played.server.directory)


@pytest.mark.parametrize(("run", "number"), [("another", NUMBER), (RUN, NUMBER - 1)])
def test_keys_of_another_round_are_refused(run, number):
    played = Round()
    old = MaskingClient(played.keys[3], played.registry, COHORT, run, number)
    played.server.directory[3] = old.announce()
    with pytest.raises(ProtocolError, match="client 3 are not signed by it"):
        played.clients[0].share(played.server.directory)


def test_a_server_cannot_have_two_lists_of_survivors_confirmed():
    """With two lists it could open the sums of two sets, and so their difference."""
    played = Round()
    played.share()
    played.mask()
    first, second = set(range(8)) - {0, 1}, set(range(8)) - {2, 3}
    told = {n: first if n in (2, 3, 4) else second for n in range(7)}
    confirmed = {n: played.clients[n].confirm(told[n]) for n in range(7)}
    # The colluder signs both.
    for names in (first, second):
        confirmed[7] = signatures.sign(
            played.keys[7],
            "survivors",
            RUN,
            NUMBER,
            played.server.sharers,
            sorted(names),
        )
        for n in range(7):
            with pytest.raises(ProtocolError, match="confirmed the same"):
                played.clients[n].reveal(confirmed, played.server.signatures_for(n))


def test_a_share_of_a_seed_is_given_only_for_a_vector_with_all_its_masks():
    """A server that tells one client of fewer sharers strips it of masks."""
    played = Round()
    played.share()
    victim, few = 0, [0, 1, 2, 3, 6, 7]
    assert len(few) == COHORT.threshold
    played.masked[victim], signature = played.clients[victim].mask(
        few, played.vectors[victim]
    )
    for n in range(1, 8):
        played.masked[n], own = played.clients[n].mask(range(8), played.vectors[n])
        played.server.take_masked(n, own)
    with pytest.raises(ProtocolError, match="client 0 is not signed"):
        played.server.take_masked(victim, signature)
    # The server goes on all the same.
    played.server.masked[victim] = signature
    for n in range(1, 8):
        own = played.clients[n].confirm(range(8))
        played.server.take_confirmation(n, own)
    for n in range(1, 7):
        revealed = played.clients[n].reveal(
            played.server.confirmed, played.server.signatures_for(n)
        )
        assert victim not in revealed
        assert len(revealed) == 6


# What one client does to the others.


def test_wrong_parcels_leave_their_sender_out_before_anybody_masks():
    played = Round()
    bad = played.clients[2]
    right = bad.share

    def share(directory):
        parcels, digests = right(directory)
        return {n: bytes(len(p)) for n, p in parcels.items()}, digests

    bad.share = share
    played.share()
    assert played.server.faults == {2: "wrong parcels"}
    played.mask()
    played.confirm()
    played.reveal()
    assert np.array_equal(played.open(), played.plain_sum(set(range(8)) - {2}))


def test_one_client_cannot_have_another_left_out():
    played = Round()
    right = played.clients[7].receive
    played.clients[7].receive = lambda parcels: [right(parcels), *parcels][1:]
    assert np.array_equal(played.play(), played.plain_sum(range(8)))
    assert played.server.faults == {}


@pytest.mark.parametrize("place", [0, 16, 32])
def test_a_changed_share_is_noticed_wherever_it_is_changed(place):
    played = Round()
    played.share()
    played.mask(without=[5])
    played.confirm()
    played.reveal(without=[1])
    shares = played.clients[1].reveal(
        played.server.confirmed, played.server.signatures_for(1)
    )
    for other in (3, 5):
        kind, share = shares[other]
        changed = bytearray(share)
        changed[place] ^= 1
        with pytest.raises(ProtocolError, match="client 1 has changed|Client 1 has"):
            played.server.take_revealed(1, {other: (kind, bytes(changed))})
    assert np.array_equal(played.open(), played.plain_sum(set(range(8)) - {5}))


def test_shares_of_another_secret_are_noticed_and_name_who_shared_them():
    played = Round()
    sharer = played.clients[2]
    sharer._own_seed = bytes(32)
    sharer.announce = lambda: played.server.directory[2]
    played.share()
    played.mask()
    played.confirm()
    played.reveal()
    with pytest.raises(ProtocolError, match="2: 'shares of another secret'"):
        played.open()
    assert played.server.faults == {2: "shares of another secret"}


@pytest.mark.parametrize("public", [bytes(32), bytes([1]) + bytes(31)])
def test_a_key_that_no_exchange_can_be_made_with_is_refused(public):
    played = Round()
    content = public * 2 + bytes(32)
    signature = signatures.sign(played.keys[3], "keys", RUN, NUMBER, content)
    server = MaskedRound(played.registry, COHORT, RUN, NUMBER, 2**32)
    with pytest.raises(ProtocolError, match="client 3 are none to exchange with"):
        server.admit(3, content + signature)


def test_a_registry_with_more_clients_than_the_cohort_is_refused():
    """There could be two lists of survivors, each confirmed by others."""
    played = Round()
    more = signatures.verifying_key(signatures.new_signing_key())
    registry = signatures.Registry([*played.registry.verifying_keys, more])
    with pytest.raises(ValueError, match="clients of the cohort, 8. Received: 9"):
        MaskingClient(played.keys[0], registry, COHORT, RUN, NUMBER)


def test_a_client_counts_once_and_a_stranger_not_at_all():
    played = Round()
    with pytest.raises(ProtocolError, match="twice"):
        played.server.admit(3, played.clients[3].announce())
    stranger = signatures.new_signing_key()
    with pytest.raises(ValueError, match="belong to a client of the registry"):
        played.registry.number_of(stranger)
    for number in (8, -1, 3):
        with pytest.raises(ProtocolError, match="not signed by it"):
            played.server.admit(number, bytes(96) + signatures.sign(stranger, "keys"))


def test_a_parcel_of_another_client_or_round_is_complained_of():
    played = Round()
    for n, client in played.clients.items():
        played.server.take_shares(n, *client.share(played.server.directory))
    parcels = played.server.parcels_for(0)
    parcels[1] = parcels[2]
    altered = bytearray(parcels[3][0])
    altered[10] ^= 1
    parcels[3] = (bytes(altered), parcels[3][1])
    assert played.clients[0].receive(parcels) == [1, 3]


def test_masks_take_in_the_whole_key():
    key = masks.new_key()
    streams = {masks.mask(key, 4).tobytes()}
    for bit in range(256):
        changed = bytearray(key)
        changed[bit // 8] ^= 1 << bit % 8
        streams.add(masks.mask(bytes(changed), 4).tobytes())
    assert len(streams) == 257


def test_masks_are_uniform_below_a_modulus():
    numbers = masks.mask(masks.new_key(), 400_000, 3 * 2**30)
    assert numbers.max() < 3 * 2**30
    counts = np.bincount(numbers >> 28, minlength=12)
    assert np.all(np.abs(counts - 400_000 / 12) < 900)


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
