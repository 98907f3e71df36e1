"""What a client checks before it does anything with its records."""

import numpy as np
import pytest

pytest.importorskip("flwr")
pytest.importorskip("cryptography")

from federation_here import Federation
from flwr.app import RecordDict

from keras_dpgan.federated.cohort import Cohort
from keras_dpgan.federated.flower import client_updates
from keras_dpgan.federated.flower import local_records
from keras_dpgan.federated.flower import messages
from keras_dpgan.federated.flower import record_level
from keras_dpgan.federated.gaussian_update import GaussianUpdate
from keras_dpgan.federated.shared_noise import SharedNoise

WEIGHTS = [np.arange(6, dtype=np.float32), np.ones((2, 3), np.float32)]
OTHERS = [WEIGHTS[0], 2 * WEIGHTS[1]]
OWN = GaussianUpdate(0.5, 2.0)
TERMS = record_level.RecordTerms(1.0, 0.5)
SHARED = SharedNoise(Cohort(3), 0.5, 1.0, 12)


class Untouched:
    """Records that no wrong request may reach, and a budget that it may not spend."""

    entry = None

    def __call__(self, *arguments):
        raise ReachedError

    pay = clipped_sums = weights_after = __call__


class ReachedError(Exception):
    """A wrong request has got too far."""


NOBODY = Untouched()


def record_sum(content):
    return record_level.answer_record_sum(content, NOBODY, TERMS, RecordDict(), NOBODY)


def local(content):
    return local_records.answer_local_records(content, NOBODY, RecordDict(), NOBODY)


def update(content):
    return client_updates.answer_client_update(
        content, NOBODY, OWN, RecordDict(), NOBODY
    )


def masked(content):
    client = Federation(SHARED, [NOBODY] * 3).client(0)
    return client.answer_update(content, NOBODY, NOBODY)


def request(arrays, weights, mechanism):
    """A request whose hash is that of `weights`."""
    return messages.write(
        arrays,
        round=0,
        num_d_weights=1,
        num_arrays=2,
        model_hash=messages.model_hash(weights),
        run="a run",
        mechanism=messages.mechanism_text(mechanism),
        noise_multiplier=1.0,
        sampling_probability=0.5,
        l2_norm_clip=1.0,
    )


@pytest.mark.parametrize("answer", [record_sum, local, update, masked])
def test_weights_that_are_not_those_of_their_hash_are_refused(answer):
    pool = [np.zeros((2, 2), np.float32)] if answer is record_sum else []
    parcels = [np.array([0, 1, 2], np.int64)] if answer is masked else []
    mechanism = OWN if answer is update else SHARED
    content = request([*pool, *WEIGHTS, *parcels], OTHERS, mechanism)
    with pytest.raises(messages.InvalidMessageError, match="model_hash"):
        answer(content)


@pytest.mark.parametrize("answer", [update, masked])
def test_another_mechanism_than_agreed_to_is_refused(answer):
    parcels = [np.array([0, 1, 2], np.int64)] if answer is masked else []
    weaker = SharedNoise(Cohort(3), 0.5, 0.5, 12)
    content = request([*WEIGHTS, *parcels], WEIGHTS, weaker)
    with pytest.raises(messages.InvalidMessageError, match="mechanism"):
        answer(content)
