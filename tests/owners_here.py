"""Ten owners of digits in this process, and what they agree upon."""

import functools

import numpy as np

from keras_dpgan import data
from keras_dpgan import evaluation
from keras_dpgan import mixture
from keras_dpgan.federated.cohort import Cohort

NUM_OWNERS, DROPPED = 10, 3
COHORT = Cohort(NUM_OWNERS, max_dropouts=DROPPED, max_colluders=1)
PLAN = mixture.MixturePlan(shape=(8, 8, 1), num_classes=10)
SMALL = mixture.MixturePlan(shape=(8, 8, 1), num_classes=10, rank=9, basis="dct")
# By the largest of the owners below.
MAX_RECORDS = 500


@functools.cache
def owners():
    """Unequal shares of each class of the digits."""
    x, y = data.load_digits()[0]
    rng = np.random.RandomState(0)
    owner = np.zeros(len(y), int)
    for label, share in enumerate(rng.dirichlet(np.ones(NUM_OWNERS), 10)):
        (mine,) = np.nonzero(y == label)
        edges = (np.cumsum(share)[:-1] * len(mine)).round().astype(int)
        owner[mine] = np.searchsorted(edges, np.arange(len(mine)), side="right")
    return [(x[owner == i], y[owner == i]) for i in range(NUM_OWNERS)]


def everyones():
    x, y = zip(*owners(), strict=True)
    return np.concatenate(x), np.concatenate(y)


def centred_arrays(plan, number):
    """Somewhere near the digits, as what was released before would be."""
    rng = np.random.default_rng(number)
    dim = plan.dims[number]
    components = plan.components if number >= 4 else 1
    basis = np.linalg.qr(rng.normal(size=(plan.size, dim)))[0]
    centres = 0.05 * rng.normal(size=(plan.num_classes, components, dim))
    return [centres, basis]


def changed_records():
    x, y = owners()[2]
    yield x[1:], y[1:]
    for row in (np.ones((1, 8, 8, 1)), np.full((1, 8, 8, 1), np.nan), 1e6 * x[:1]):
        yield np.concatenate([x, row]), np.append(y, 7)


def accuracy(found, classifier="logistic_regression"):
    labels = np.arange(4000) % 10
    images = np.clip(found.sample(labels, seed=0), -1, 1).reshape(-1, 8, 8, 1)
    test = data.load_digits()[1]
    return evaluation.classifier_accuracy(images, labels, *test, classifier=classifier)
