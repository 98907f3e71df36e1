"""What a server does with registered clients in league, in every hidden mode.

The code here sees what they would see: all messages, and what the key holder opens.
"""

import itertools

import numpy as np
import pytest

pytest.importorskip("flwr")
pytest.importorskip("cryptography")

from federation_here import MODULUS
from federation_here import Federation

from keras_dpgan.federated import masks
from keras_dpgan.federated import opened_rounds
from keras_dpgan.federated.cohort import Cohort
from keras_dpgan.federated.flower import masked_sums
from keras_dpgan.federated.flower import messages
from keras_dpgan.federated.masking_client import MaskingClient
from keras_dpgan.federated.masking_client import mask_purpose
from keras_dpgan.federated.shared_noise import SharedNoise

NUM_CLIENTS, SIZE = 6, 4096
COLLUDERS = (4, 5)
COHORT = Cohort(NUM_CLIENTS, max_dropouts=1, max_colluders=2)
VICTIM = 0
MODEL = [np.zeros(SIZE, np.float32)]


def mechanism_of(modulus):
    # Next to no noise: what the attack gets at all, it gets whole.
    return SharedNoise(COHORT, 1.0, 0.05, SIZE, modulus)


def contribution_of(place):
    update = np.zeros(SIZE)
    update[place] = 1.0
    return lambda arrays, facts: [update]


@pytest.fixture(params=[2**32, MODULUS], ids=["masked", "encrypted"])
def federation(request, tmp_path):
    contributions = [contribution_of(place) for place in range(NUM_CLIENTS)]
    return Federation(mechanism_of(request.param), contributions, tmp_path)


def seen_of(federation, place, action):
    """What a client has sent: the server sees it."""
    seen = []

    def listen(content):
        seen.append(messages.read(content)[0])
        return content

    federation.tamper(place, action, listen)
    return seen


def assert_says_nothing(opened):
    """Whether numbers are uniform: an update is nearly all zeros."""
    modulus = MODULUS if opened.max() < MODULUS else 2**32
    scaled = opened / modulus
    # Means of 4,096 uniform numbers and of their squares: five standard deviations.
    assert abs(scaled.mean() - 1 / 2) < 0.0226
    assert abs((scaled**2).mean() - 1 / 3) < 0.0234
    assert len(np.unique(opened)) > SIZE - 20


def vector_of(federation, arrays):
    """A client's vector as the server and the key holder have it: decrypted."""
    _, *parts = arrays
    if not federation.encrypted:
        return parts[0].astype(np.int64)
    from keras_dpgan.federated import encryption

    context = encryption.read_context(federation.context)
    return encryption.decrypt(
        encryption.read(context, [part.tobytes() for part in parts])
    )


def test_the_sum_is_opened_where_nobody_attacks(federation):
    total = federation.sums.total(0, MODEL)
    (opened,) = federation.mechanism.open(total, MODEL)
    np.testing.assert_allclose(opened[:NUM_CLIENTS], 1.0, atol=0.35)
    assert not federation.group.num_left_out


def test_server_key_holder_and_two_clients_see_no_vector(federation):
    """All in league: they have the secret key, and the colluders' own masks."""
    seen = seen_of(federation, VICTIM, masked_sums.UPDATE)
    announced = seen_of(federation, VICTIM, masked_sums.KEYS)
    kept = {}
    for place in COLLUDERS:

        def keep(content, place=place):
            kept[place] = federation.states[place]["masking"]["secrets"]
            return content

        federation.tamper(place, masked_sums.UPDATE, keep)
    assert federation.sums.total(0, MODEL) is not None
    vector = vector_of(federation, seen[0])
    victim = int(announced[0][0][0])
    public = announced[0][1].tobytes()[:32]
    modulus = federation.mechanism.modulus
    # The seed of the victim's own mask is opened with the sum.
    seed = MaskingClient.from_json(
        federation.states[VICTIM]["masking"]["secrets"],
        federation.keys[VICTIM],
        federation.registry,
        COHORT,
    )._own_seed
    known = [masks.mask(seed, SIZE, modulus)]
    for place in COLLUDERS:
        colluder = MaskingClient.from_json(
            kept[place], federation.keys[place], federation.registry, COHORT
        )
        purpose = mask_purpose(colluder.run, 0, colluder.me, victim)
        key = masks.shared_key(colluder._mask_key, public, purpose)
        sign = 1 if victim < colluder.me else -1
        known.append(sign * masks.mask(key, SIZE, modulus))
    # Whichever of the masks that they know are taken off.
    for taken in itertools.product((0, 1), repeat=len(known)):
        rest = vector - sum(t * mask for t, mask in zip(taken, known, strict=True))
        assert_says_nothing(rest % modulus)


class TestOfKeyHolder:
    """Attacks by ciphertexts, with the server and one registered client."""

    @pytest.fixture
    def federation(self, tmp_path):
        contributions = [contribution_of(place) for place in range(NUM_CLIENTS)]
        return Federation(mechanism_of(MODULUS), contributions, tmp_path)

    def test_one_clients_ciphertext_opens_to_random_numbers(self, federation):
        """`Enc(0)` less the sum of the others, which the server hands in as a sum."""
        seen = seen_of(federation, VICTIM, masked_sums.UPDATE)
        opened = []
        real = federation.holder.open

        def open_one(run, number, ciphertexts):
            del ciphertexts
            victims = [part.tobytes() for part in seen[0][1:]]
            opened.append(real(run, number, victims))
            return opened[0]

        federation.holder.open = open_one
        # What is left when masks are taken off cannot be a sum, and is not used.
        assert federation.sums.total(0, MODEL) is None
        assert federation.group.num_left_out == {"impossible sum": 1}
        assert_says_nothing(opened[0])

    def test_a_stolen_secret_key_reads_random_numbers(self, federation):
        seen = [
            seen_of(federation, place, masked_sums.UPDATE)
            for place in range(NUM_CLIENTS)
        ]
        for number in range(2):
            federation.sums.total(number, MODEL)
        for of_client in seen[:4]:
            for arrays in of_client:
                assert_says_nothing(vector_of(federation, arrays))

    def test_a_vote_is_read_by_nobody_but_the_key_holder(self, federation):
        seen = seen_of(federation, VICTIM, masked_sums.PARCELS)
        federation.sums.total(0, MODEL)
        vote = seen[0][1].tobytes()
        victim = federation.registry.number_of(federation.keys[VICTIM])
        run = federation.sums._run
        threshold = COHORT.threshold
        # In no other round or run, under no other name, and not changed.
        for of_run, number in ((run, 1), ("another", 0)):
            votes = dict.fromkeys(range(NUM_CLIENTS), vote)
            with pytest.raises(opened_rounds.RefusedError, match="0 clients"):
                federation.counter.enough_can_pay(of_run, number, votes)
        changed = bytearray(vote)
        changed[40] ^= 1
        for forged in ({victim: bytes(changed)}, {(victim + 1) % 6: vote}):
            with pytest.raises(
                opened_rounds.RefusedError, match=f"{threshold} are needed"
            ):
                federation.counter.enough_can_pay(run, 0, forged)


def test_a_round_is_answered_once(federation):
    """Also where the server begins a round of the run anew."""
    sums = federation.sums
    assert sums.total(3, MODEL) is not None
    for number in (3, 2):
        assert sums.total(number, MODEL) is None
    assert federation.group.num_left_out == {"error": 2 * NUM_CLIENTS}
    assert federation.asked(masked_sums.UPDATE) == NUM_CLIENTS


class Purse:
    """A budget that counts what was paid."""

    paid = 0

    def pay(self):
        self.paid += 1
        return True

    def vote(self):
        return True


@pytest.mark.parametrize("modulus", [2**32, MODULUS], ids=["masked", "encrypted"])
def test_a_client_pays_nothing_for_a_round_that_it_cannot_mask_for(tmp_path, modulus):
    purses = [Purse() for _ in range(NUM_CLIENTS)]
    contributions = [contribution_of(place) for place in range(NUM_CLIENTS)]
    federation = Federation(mechanism_of(modulus), contributions, tmp_path, purses)
    played = masked_sums._Round(federation.sums, 0)
    played._keys()
    played._shares()
    played._parcels()
    # Too few, one who is nobody, and a list without the client itself.
    for sharers in ([0, 1, 2, 3], [*range(NUM_CLIENTS), 77], []):
        asked = [name for name in sharers if name in played.nodes]
        played.server.sharers = sharers
        played._to = lambda clients, request_of, asked=asked: {
            played.nodes[client]: request_of(client) for client in asked
        }
        played._updates(MODEL, {})
    del played._to
    played.server.settle()
    assert [purse.paid for purse in purses] == [0] * NUM_CLIENTS
    played._updates(MODEL, {})
    assert [purse.paid for purse in purses] == [1] * NUM_CLIENTS


def test_survivors_that_a_server_makes_up_open_nothing(federation):
    """It says that all neighbors of the victim have dropped out, or tells lies."""
    sums = federation.sums
    played = masked_sums._Round(sums, 0)
    played._keys()
    played._shares()
    played._parcels()
    played.server.settle()
    played._updates(MODEL, {})
    # One dropout is allowed, two are declared.
    for name in list(played.server.masked)[:2]:
        del played.server.masked[name]
    played._confirmations()
    assert played.server.confirmed == {}
