import numpy as np
import pytest

from keras_dpgan.mixture import MomentSums

DIM = 5
RADIUS = 0.7
LABELS, COMPONENTS = 2, 2


def make_rows(n, seed=0):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, DIM)) * np.linspace(1, 0.2, DIM) + 0.1
    return RADIUS * rows / (5 * np.linalg.norm(rows, axis=1).max())


def make_sums(degree, order=2, pooled=False):
    centres = 0.1 * np.random.default_rng(1).normal(size=(LABELS, COMPONENTS, DIM))
    return sums_of(centres, degree, pooled=pooled, order=order)


def sums_of(centres, degree, **options):
    if degree == "squares":
        degree, options["diagonal"] = 2, True
    return MomentSums(centres, degree, RADIUS, **options)


EVERY_KIND = pytest.mark.parametrize(
    ("degree", "order", "pooled"),
    [(d, o, p) for d in (1, 2, "squares") for o in (1, 2) for p in (False, True)],
)


@EVERY_KIND
@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 1e6, np.inf, np.nan])
def test_one_row_moves_the_sum_by_at_most_one(degree, order, pooled, scale):
    sums = make_sums(degree, order, pooled)
    rows, labels = make_rows(40), np.arange(40) % LABELS
    # Along one coordinate the sum of absolute values is largest for its length.
    for direction in (np.ones(DIM) / np.sqrt(DIM), np.eye(DIM)[2]):
        row = np.where(direction, scale * RADIUS, 0.0) * np.linalg.norm(
            direction, np.inf
        )
        row = row + sums.centres[1, 0]
        more = sums.of(np.vstack([rows, row]), np.append(labels, 1))
        moved = np.linalg.norm(more - sums.of(rows, labels), ord=order)
        assert moved <= 1 + 1e-9
        # The norm of squares is that of the coordinates along one of them.
        if scale == 1e6 and (order == 2 or 1 in direction) and direction.max() == 1:
            assert moved == pytest.approx(1)


@EVERY_KIND
def test_without_noise_they_are_numpys(degree, order, pooled):
    sums = make_sums(degree, order, pooled)
    rows, labels = make_rows(50), np.arange(50) % LABELS
    found = sums.read(sums.of(rows, labels), noise=0.0)
    nearest = np.argmin(
        np.linalg.norm(rows[:, None] - sums.centres[labels], axis=2), axis=1
    )
    left = rows - sums.centres[labels, nearest]
    groups = np.zeros(50, int) if pooled else COMPONENTS * labels + nearest
    for group in range(sums.num_groups):
        mine = left[groups == group]
        assert found.counts[group] == pytest.approx(len(mine))
        expected = {1: mine.sum(axis=0), 2: mine.T @ mine}.get(degree)
        if degree == "squares":
            expected = np.sum(mine**2, axis=0)
        np.testing.assert_allclose(found.sums[group], expected, atol=1e-9)


def test_a_sum_over_owners_is_the_sum_over_all_rows():
    sums = make_sums(degree=2)
    rows, labels = make_rows(60), np.arange(60) % LABELS
    parts = [
        sums.of(rows[part], labels[part])
        for part in (slice(0, 3), slice(3, 50), slice(50, 60), slice(60, 60))
    ]
    np.testing.assert_allclose(sum(parts), sums.of(rows, labels), atol=1e-12)


@EVERY_KIND
def test_the_stated_noise_is_that_of_what_is_read(degree, order, pooled):
    many = np.zeros((300, 2, DIM))
    sums = sums_of(many, degree, order=order, count_weight=0.4)
    noise = np.repeat([1.0, 3.0], sums.num_groups // 2)
    each = sums.size // sums.num_groups
    vector = np.random.default_rng(0).normal(size=(sums.num_groups, each))
    found = sums.read((noise[:, None] * vector).ravel(), noise)
    assert np.std(found.counts / found.count_noise) == pytest.approx(1, rel=0.15)
    entries = found.sums if degree != 2 else found.sums[:, *np.triu_indices(DIM, 1)]
    assert np.std(entries / found.noise[:, None]) == pytest.approx(1, rel=0.1)
    if degree == 2:
        np.testing.assert_array_equal(found.sums, found.sums.transpose(0, 2, 1))
        if order == 2:
            # Isotropic in the Frobenius norm: an entry off the diagonal stands for
            # two, and has half of the variance.
            diagonal = found.sums[:, range(DIM), range(DIM)] / found.noise[:, None]
            assert np.std(diagonal) == pytest.approx(np.sqrt(2), rel=0.1)
